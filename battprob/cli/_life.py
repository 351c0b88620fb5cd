"""`battprob demo`, `life`, `compare` and `features`."""

import json
from pathlib import Path


def add(commands):
    """Add the commands that go from cells to lives."""
    demo = commands.add_parser(
        "demo",
        help="the whole road on synthetic cells: fit, score, choose the next test",
    )
    demo.add_argument(
        "--report",
        type=Path,
        default=Path("battprob_report"),
        metavar="DIR",
        help="folder for the figure (default: %(default)s)",
    )
    demo.set_defaults(run=_demo)

    life = commands.add_parser(
        "life",
        help="predict cycle lives from the first hundred cycles",
        description="Learn from TRAIN and predict the cells of every TEST. A file is a pack "
        "(.npz), a MATR batch file (.mat), or a table of features (.csv). Cells of TRAIN "
        "with a split other than 'train' are predicted, not learned from.",
    )
    life.add_argument("train", type=Path, metavar="TRAIN")
    life.add_argument(
        "--test", type=Path, nargs="+", default=[], metavar="TEST", help="more files"
    )
    _add_columns(life)
    life.add_argument("--json", type=Path, metavar="OUT", help="write every prediction")
    life.add_argument("--report", type=Path, metavar="DIR", help="folder for a figure")
    life.set_defaults(run=_life)

    compare = commands.add_parser(
        "compare",
        help="cross-validate models on the same folds: scores and standard errors",
        description="Score the default model of life beside a straight line on TABLE, a "
        "file as for `life`, and write report.html, report.png and report.json.",
    )
    compare.add_argument("table", type=Path, metavar="TABLE")
    _add_columns(compare)
    compare.add_argument(
        "--report", type=Path, metavar="DIR", help="folder to write to"
    )
    compare.set_defaults(run=_compare)

    table = commands.add_parser(
        "features",
        help="make one table of features from files of cells or of spectra",
        description="Packs (.npz), MATR batches (.mat) and cyclers' logs (.csv, .parquet, "
        ".mpt, .mpr, .nda, .ndax) give early-life features, one row a cell; spectra (.DTA, "
        ".z, .mpt, .csv) give points of the Nyquist plot, one row a spectrum.",
    )
    table.add_argument("files", type=Path, nargs="+", metavar="FILE")
    table.add_argument("-o", "--output", type=Path, required=True, metavar="OUT.csv")
    table.set_defaults(run=_features)


def _add_columns(command):
    command.add_argument(
        "--target",
        default="cycle_life",
        metavar="COLUMN",
        help="column of a .csv that holds the life, in cycles (default: %(default)s)",
    )
    command.add_argument(
        "--group",
        metavar="COLUMN",
        help="column of a .csv that names the batch; folds then keep batches whole "
        "(default: the column 'group', if there is one and --features does not leave it out)",
    )
    command.add_argument(
        "--features",
        metavar="A,B,...",
        help="columns of a .csv to learn from (default: all others)",
    )


def _demo(options):
    from battprob import data, life

    print("96 synthetic cells whose true life distribution is known (seed 0)\n")
    cells = data.population(96, seed=0).cells
    train = life.from_cells("train", cells[:64])
    test = life.from_cells("test", cells[64:])
    life.study([train, test], report=options.report)
    print(
        "\nThe same with your own cells, a pack or a table of features:\n"
        "  battprob life TRAIN.npz --test OTHER.npz --json lives.json --report report\n"
        "  battprob features CELLS.csv ... -o features.csv\n"
        "  battprob life features.csv"
    )


def _life(options):
    from battprob import life

    columns = None if options.features is None else options.features.split(",")
    sources = [
        source
        for path in (options.train, *options.test)
        for source in life.read(path, options.target, options.group, columns)
    ]
    records = life.study(sources, report=options.report)
    if options.json is not None:
        options.json.write_text(json.dumps(records, indent=1) + "\n")
        print(f"{len(records)} predictions in {options.json}")


def _compare(options):
    import jax

    from battprob import evaluate, life

    columns = None if options.features is None else options.features.split(",")
    source = life.read(options.table, options.target, options.group, columns)[0]
    dataset = source.dataset
    models = life.candidates(dataset.feature_names)
    report = evaluate.report(models, dataset, key=jax.random.key(0))
    print(report)
    if options.report is not None:
        from battprob import plots

        print(f"\nReport: {plots.write_report(report, options.report)}")


def _features(options):
    from battprob import features

    made = features.features_of_files(options.files)
    for line in made.stated:
        print(line)
    made.to_dataframe().to_csv(options.output)
    rows, columns = made.table.x.shape
    print(f"{rows} rows and {columns} features in {options.output}")
