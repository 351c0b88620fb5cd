"""Cycle life of unseen cells of Severson et al. (2019), predicted from their first 100 cycles.

    python benchmarks/early_life.py --pack PACK.npz [--test-pack OTHER.npz ...] --json OUT.json

fits the default pipeline (`battprob.cli.life`) to the split `train` of PACK and predicts all other
cells of all packs. It prints a table of scores for each split and writes a JSON list with one
object per predicted cell: `pack`, `row` (index in its pack), `split`, `q50` (the median), `q05` and
`q95` (the 90 % interval), `mean`, `aleatoric_sd` and `epistemic_sd` in cycles, `log_density` (of
the observed life, per cycle) and `crps` (cycles).
"""

import json
import time
from pathlib import Path

import jax

import battprob as bp
from battprob.cli import life
from battprob.cli.arguments import Parser


def main() -> None:
    """Fit, predict, score and write."""
    parser = Parser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument(
        "--test-pack", type=Path, nargs="+", action="extend", default=[]
    )
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    splits = cells_by_split(options.pack)
    train = life.from_cells("train", splits.pop("train").values())
    to_predict = [(options.pack, split, cells) for split, cells in splits.items()] + [
        (path, split, cells)
        for path in options.test_pack
        for split, cells in cells_by_split(path).items()
    ]
    start = time.perf_counter()
    dataset = train.dataset
    posterior = life.model(dataset).fit(dataset, key=jax.random.key(0))
    print(f"fit on {len(train.life)} cells in {time.perf_counter() - start:.1f} s")
    print(posterior.report)
    records = []
    for path, split, cells in to_predict:
        source = life.from_cells(split, cells.values())
        pred = source.predicted_by(posterior, train)
        print(f"\n{path.name}: {split}, {len(cells)} cells")
        print(bp.evaluate.summary(pred, source.life, unit="cycles"))
        for row, record in zip(cells, life.records(source, pred), strict=True):
            del record["cell"]
            records.append({"pack": path.name, "row": row} | record)
    options.json.write_text(json.dumps(records, indent=1) + "\n")


def cells_by_split(path: Path) -> dict[str, dict[int, bp.data.Cell]]:
    """Cells of a pack by split, and by index in the pack."""
    cells = bp.data.read_pack(path)
    names = list(dict.fromkeys(cell.split for cell in cells))
    return {
        name: {row: cell for row, cell in enumerate(cells) if cell.split == name}
        for name in names
    }


if __name__ == "__main__":
    main()
