"""`battprob demo`, `life` and `compare`: predictions of cycle life."""

import json
from collections import Counter
from pathlib import Path

from battprob._errors import DataError
from battprob.cli.arguments import add_seed


def add(commands):
    """Add the commands that predict cycle life."""
    demo = commands.add_parser(
        "demo",
        help="example on synthetic cells: fit, score, choose the next cells to test",
        description="Predict the cycle lives of synthetic cells from their first 100 "
        "cycles, print the scores and draw a figure. Needs no data and about a minute.",
    )
    demo.add_argument(
        "--report",
        type=Path,
        default=Path("battprob_report"),
        metavar="DIR",
        help="folder for the figure (default: %(default)s)",
    )
    add_seed(demo)
    demo.set_defaults(run=_demo)

    life = commands.add_parser(
        "life",
        help="predict cycle lives from the first 100 cycles",
        description="Fit the default model to the cells in TRAIN and predict the cells in "
        "every TEST. A file is a pack (.npz), a MATR batch file (.mat), or a table of "
        "features (.csv). If TRAIN is a pack with several splits, the model is fitted to "
        "the split 'train' and predicts the others. If there is nothing to predict, the "
        "predictions for TRAIN from cross-validation are printed.",
    )
    life.add_argument(
        "train", type=Path, metavar="TRAIN", help="file with cells of known life"
    )
    life.add_argument(
        "--test",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        metavar="TEST",
        help="files with cells to predict; may be repeated",
    )
    _add_columns(life)
    life.add_argument(
        "--json", type=Path, metavar="OUT", help="write every prediction to this file"
    )
    life.add_argument("--report", type=Path, metavar="DIR", help="folder for a figure")
    add_seed(life)
    life.set_defaults(run=_life)

    compare = commands.add_parser(
        "compare",
        help="cross-validate two models on the same folds: scores and standard errors",
        description="Cross-validate the default model of `life` and a linear model on the "
        "same folds of TABLE, which is a file as for `life`.",
    )
    compare.add_argument(
        "table", type=Path, metavar="TABLE", help="file with cells of known life"
    )
    _add_columns(compare)
    compare.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="folder for report.html, report.png and report.json",
    )
    add_seed(compare)
    compare.set_defaults(run=_compare)


def _add_columns(command):
    command.add_argument(
        "--target",
        default="cycle_life",
        metavar="COLUMN",
        help="column of a .csv with the life in cycles (default: %(default)s)",
    )
    command.add_argument(
        "--group",
        metavar="COLUMN",
        help="column of a .csv with the batch of each cell; cross-validation then leaves "
        "out whole batches (default: the column 'group', if the table has it and "
        "--features does not exclude it)",
    )
    command.add_argument(
        "--features",
        type=lambda text: text.split(","),
        action="extend",
        metavar="A,B,...",
        help="columns of a .csv to use as features; may be repeated (default: all other "
        "columns)",
    )


def _demo(options):
    import jax

    from battprob import data
    from battprob.cli import life

    seed = options.seed
    print(f"96 synthetic cells with a known distribution of life (seed {seed})\n")
    cells = data.population(96, seed=seed).cells
    train = life.from_cells("train", cells[:64])
    test = life.from_cells("test", cells[64:])
    key = jax.random.key(seed)
    life.study([train, test], key=key, report=options.report)
    print(
        "\nThe same for your own cells, from a pack or a table of features:\n"
        "  battprob life TRAIN.npz --test OTHER.npz --json lives.json --report report\n"
        "  battprob features CELLS.csv ... -o features.csv\n"
        "  battprob life features.csv"
    )


def _life(options):
    import jax

    from battprob.cli import life

    sources = _read(options, [options.train, *options.test])
    key = jax.random.key(options.seed)
    records = life.study(sources, key=key, report=options.report)
    if options.json is not None:
        options.json.write_text(json.dumps(records, indent=1) + "\n")
        print(f"\n{len(records)} predictions written to {options.json}")


def _compare(options):
    import jax

    from battprob import evaluate
    from battprob.cli import life

    train, *others = _read(options, [options.table])
    for source in others:
        print(
            f"{source.name}: {len(source.life)} cells are not used; "
            f"only the split {train.name!r} is"
        )
    dataset = train.dataset
    report = evaluate.report(
        life.candidates(dataset), dataset, key=jax.random.key(options.seed)
    )
    print(report)
    print("rmse and mape are the errors of the predicted mean.")
    if options.report is not None:
        from battprob import plots

        print(f"\nReport: {plots.write_report(report, options.report)}")


def _read(options, paths):
    """Sources of all files, the training cells first, each with a name of its own."""
    from battprob.cli import life

    repeated = [path for path, n in Counter(paths).items() if n > 1]
    if repeated:
        raise DataError(f"{repeated[0]} is given more than once; give it once")
    read = [
        (path, source)
        for path in paths
        for source in life.read(path, options.target, options.group, options.features)
    ]
    splits = [source.name for path, source in read if path == paths[0]]
    if len(splits) > 1 and splits[0] != "train":
        raise DataError(
            f"{paths[0]} has the splits {splits}; expected one split called 'train', or "
            "only one split"
        )
    num_by_name = Counter(source.name for _, source in read)
    return [
        source
        if num_by_name[source.name] == 1
        else source._replace(name=f"{path}: {source.name}")
        for path, source in read
    ]
