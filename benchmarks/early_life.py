"""How well are lives of unseen cells predicted from their first hundred cycles?

    python benchmarks/early_life.py --pack PACK.npz [--test-pack OTHER.npz ...] --json OUT.json

fits the default pipeline (`battprob.cli.life`) on the split `train` of PACK and writes a JSON list
with one object for every other cell of all packs, in cycles: `row` (place in its pack), `split`,
`mean`, `q05`, `q50`, `q95`, `aleatoric_sd`, `epistemic_sd`, `log_density` (of the true life, per
cycle) and `crps`. A table of scores by split is printed.
"""

import argparse
import json
import time
from pathlib import Path

import jax

import battprob as bp
from battprob import life


def main() -> None:
    """Fit, predict, score and write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--pack", type=Path, required=True)
    parser.add_argument("--test-pack", type=Path, nargs="+", default=[])
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args()
    bp.enable_x64()
    splits = {
        (path.stem, split): cells
        for path in (options.pack, *options.test_pack)
        for split, cells in cells_by_split(path).items()
    }
    train = life.from_cells("train", splits.pop((options.pack.stem, "train")).values())
    start = time.perf_counter()
    dataset = train.dataset
    posterior = life.model(dataset.feature_names).fit(dataset, key=jax.random.key(0))
    print(f"fit on {len(train.life)} cells in {time.perf_counter() - start:.1f} s")
    print(posterior.report)
    records = []
    for (_, split), cells in splits.items():
        source = life.from_cells(split, cells.values())
        pred = posterior.predict(source.aligned(train).x)
        print(f"\n{split}, {len(cells)} cells")
        print(bp.evaluate.summary(pred, source.life, unit="cycles"))
        without_row = [
            {k: v for k, v in record.items() if k != "cell"}
            for record in life.records(source, pred)
        ]
        records += [{"row": row} | r for row, r in zip(cells, without_row, strict=True)]
    options.json.write_text(json.dumps(records, indent=1) + "\n")


def cells_by_split(path: Path) -> dict[str, dict[int, bp.data.Cell]]:
    """Cells of a pack under their split, by their place in the pack."""
    cells = bp.data.read_pack(path)
    names = list(dict.fromkeys(cell.split for cell in cells))
    return {
        name: {row: cell for row, cell in enumerate(cells) if cell.split == name}
        for name in names
    }


if __name__ == "__main__":
    main()
