"""`battprob design`: a campaign of tests, stored in one file."""

import argparse
import csv
import re
import tomllib
from pathlib import Path

from battprob._errors import DataError

_SPACE_HELP = """\
Start a campaign in the space that the file SPACE.toml describes, for example:

  target = "life"        # name of the result
  unit = "cycles"        # its unit
  maximise = true        # false: small results are good
  log = true             # the result varies on a logarithmic scale (default: false)
  initial = 8            # tests that cover the space before a model suggests tests
  seed = 0               # another seed gives other suggestions (default: 0)

  [real.c1]              # a number, here with the name c1
  low = 3.6
  high = 8.0
  unit = "1/h"

  [integer.layers]
  low = 1
  high = 4

  [categorical.additive]
  levels = ["VC", "FEC"]

  [simplex.salt]         # fractions that sum to one
  parts = ["LiPF6", "LiFSI"]

  [[constraint]]         # optional
  weights = {c1 = 1, LiFSI = 2}
  at_most = 10

If only certain points can be tested, list them in a table and give its name:

  candidates = "FILE.csv"
  repeats = false        # no point is suggested twice (default: true)
"""


def add(commands):
    """Add the commands of a campaign."""
    design = commands.add_parser(
        "design",
        help="choose the next tests of an experiment, one batch after another",
        description="A campaign suggests tests (ask), takes their results (tell), and "
        "recommends the best point (status). Its state is stored in one file.",
    )
    kinds = design.add_subparsers(
        dest="kind", required=True, metavar="init|ask|tell|status"
    )
    init = kinds.add_parser(
        "init",
        help="start a campaign",
        description=_SPACE_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    init.add_argument(
        "space", type=Path, metavar="SPACE.toml", help="description of the space"
    )
    ask = kinds.add_parser(
        "ask",
        help="suggest the next tests",
        description="Print the next N tests and record them as running. Tests that a "
        "model suggests are printed with the predicted mean of their result, the standard "
        "deviation of the noise (aleatoric) and that of the predicted mean (epistemic).",
    )
    ask.add_argument("num", type=int, metavar="N", help="number of tests")
    ask.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="OUT.csv",
        help="table of the tests, in which to enter the results",
    )
    tell = kinds.add_parser(
        "tell",
        help="record results",
        description="FILE.csv is a table as `ask -o` writes it: the columns id, those of "
        "the point, and the result. Optional columns are noise_variance (known variance "
        "of the error of the result) and failed (why there is no result). A row without "
        "an id is a test that was not suggested.",
    )
    tell.add_argument(
        "results", type=Path, metavar="FILE.csv", help="table with the results"
    )
    status = kinds.add_parser(
        "status",
        help="show the state, and the recommended point",
        description="Print the number of tests, the best result and the recommended "
        "point, which has the best predicted mean.",
    )
    status.add_argument(
        "--epsilon",
        type=float,
        metavar="E",
        help="print the probability that the recommended point is within E of the best "
        "one, in units of the result (with log = true, of its logarithm)",
    )
    status.add_argument(
        "--report", type=Path, metavar="DIR", help="folder for a figure of the results"
    )
    runs = ((init, _init), (ask, _ask), (tell, _tell), (status, _status))
    for kind, run in runs:
        kind.add_argument(
            "-c",
            "--campaign",
            type=Path,
            default=Path("campaign.json"),
            metavar="FILE.json",
            help="file of the campaign (default: %(default)s)",
        )
        kind.set_defaults(run=run)


def _init(options):
    import jax

    from battprob import design, transforms

    try:
        settings = tomllib.loads(options.space.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{options.space}: {error}") from None
    if options.campaign.exists():
        raise DataError(
            f"{options.campaign} exists already: choose another file with --campaign"
        )
    space = _space(settings, options.space)
    campaign = design.Campaign.start(
        space,
        model=design.default_model(known_noise=True),
        key=jax.random.key(settings.get("seed", 0)),
        maximise=settings.get("maximise", True),
        target=settings.get("target", "target"),
        unit=settings.get("unit", ""),
        transform=transforms.Log() if settings.get("log", False) else None,
        initial=settings.get("initial"),
    )
    campaign.save(options.campaign)
    goal = "maximise" if campaign.maximise else "minimise"
    print(
        f"Started a campaign in {options.campaign}: {goal} {_title(campaign)} over "
        f"{', '.join(space.names)}.\n"
        f"The first {campaign.initial} tests cover the space evenly; then a model "
        "suggests tests.\n"
        "Next: battprob design ask N -o tests.csv"
    )


def _space(settings, path):
    """The space that the settings of a file describe."""
    from battprob import design

    kinds = {
        "real": design.Real,
        "integer": design.Integer,
        "categorical": design.Categorical,
        "simplex": design.Simplex,
    }
    known = {*kinds, "constraint", "candidates", "repeats", *_SETTINGS}
    unknown = sorted(set(settings) - known)
    if unknown:
        raise DataError(
            f"{path}: unknown name {unknown[0]!r}; expected one of {sorted(known)}"
        )
    try:
        dimensions = [
            kinds[kind](name, **arguments)
            for kind in kinds
            for name, arguments in settings.get(kind, {}).items()
        ]
        constraints = [
            design.LinearConstraint(**arguments)
            for arguments in settings.get("constraint", [])
        ]
    except TypeError as error:
        raise DataError(f"{path}: {error}") from None
    repeats = settings.get("repeats", True)
    if "candidates" not in settings:
        return design.Space(*dimensions, constraints=constraints, repeats=repeats)
    points = [
        {name: _value(text) for name, text in row.items()}
        for row in _read_rows(path.parent / settings["candidates"])
    ]
    if not dimensions:
        return design.Space.from_candidates(points, repeats=repeats)
    return design.Space(
        *dimensions, constraints=constraints, candidates=points, repeats=repeats
    )


def _ask(options):
    from battprob import design

    if options.num < 1:
        raise DataError(f"N must be 1 or more; got {options.num}")
    campaign = design.Campaign.load(options.campaign)
    suggestions = campaign.ask(options.num)
    campaign.running(suggestions).save(options.campaign)
    if suggestions.mean is None:
        print(
            "Initial tests, which cover the space evenly "
            f"({len(campaign.results)} of {campaign.initial} results so far):"
        )
    print(suggestions)
    if options.output is not None:
        suggestions.write_csv(options.output)
        print(
            f"\nEnter the results in the column {_title(campaign)!r} of "
            f"{options.output}.\nNext: battprob design tell {options.output}"
        )


def _tell(options):
    from battprob import design

    campaign = design.Campaign.load(options.campaign)
    before = len(campaign.results)
    rows = _read_rows(options.results)
    unit = _unit(campaign, list(rows[0]), options.results)
    for line, row in enumerate(rows, 2):
        try:
            campaign = _with_row(campaign, row, unit)
        except DataError as error:
            raise DataError(f"{options.results} line {line}: {error}") from None
    campaign.save(options.campaign)
    print(
        f"{options.campaign}: {_count(len(campaign.results) - before, 'new result')}.\n"
        f"{_summary(campaign)}"
    )


def _with_row(campaign, row, unit):
    """The campaign with the result, or the failure, in one row of a table."""
    heading = f"{campaign.target} ({unit})" if unit else campaign.target
    point = {name: _value(row[name]) for name in campaign.space.names if row.get(name)}
    tests = _suggested(campaign, row["id"], point) if row.get("id") else [point]
    if row.get("failed"):
        return campaign.fail(tests, row["failed"])
    y = _float(heading, row[heading])
    variance = row.get("noise_variance")
    variance = None if not variance else [_float("noise_variance", variance)]
    return campaign.tell(tests, [y], noise_variance=variance, unit=unit)


def _suggested(campaign, text, point):
    """The test with this id, after a check that its point is the suggested one."""
    number = int(_float("id", text))
    trial = campaign.history.trials.get(number)
    if trial is None or not point:
        return [number]
    rows = campaign.space.encode([point, trial.point])
    low, high = campaign.space.bounds
    # A table that was edited in another program may have rounded values.
    if (abs(rows[0] - rows[1]) > 1e-4 * (high - low)).any():
        raise DataError(
            f"test {number} was suggested at {dict(trial.point)}; got the point {point}: "
            "leave the id empty for a test at another point"
        )
    return [number]


def _unit(campaign, header, path):
    """The unit in the heading of the column of results."""
    for heading in header:
        match = re.fullmatch(rf"{re.escape(campaign.target)}( \((.*)\))?", heading)
        if match:
            return match[2] or ""
    raise DataError(
        f"{path} needs the column {_title(campaign)!r} with the results; it has {header}"
    )


def _status(options):
    from battprob import design

    campaign = design.Campaign.load(options.campaign)
    print(_summary(campaign))
    if len(campaign.results) >= 2:
        best = campaign.best_result
        unit = f" {campaign.unit}" if campaign.unit else ""
        print(f"Best result: {best.y:.5g}{unit} (test {best.id}).")
        print(f"Recommended point, with its prediction:\n{campaign.recommend()}")
        if options.epsilon is not None:
            print(campaign.advice(options.epsilon))
    else:
        print("A recommendation needs two results.")
    if options.report is not None and campaign.results:
        print(f"\nFigure: {_figure(campaign, options.report)}")


def _summary(campaign):
    """Numbers of tests with a result, running, and failed."""
    trials = campaign.history.trials.values()
    failed = sum(trial.failed is not None for trial in trials)
    return (
        f"{_count(len(campaign.results), 'result')}, "
        f"{_count(len(campaign.open_tests), 'test')} running, {failed} failed."
    )


def _figure(campaign, folder):
    import matplotlib.pyplot as plt

    from battprob import plots

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "campaign.png"
    figure, axes = plt.subplots(2, 1, sharex=True, layout="constrained", figsize=(7, 6))
    plots.closed_loop(
        campaign.results,
        maximise=campaign.maximise,
        target=campaign.target,
        unit=campaign.unit,
        axes=axes,
    )
    figure.savefig(path, dpi=150)
    plt.close(figure)
    return path


def _read_rows(path):
    """Rows of a table, as dictionaries of text."""
    # Spreadsheet programs write a byte order mark, which utf-8-sig removes.
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise DataError(f"{path} has no rows below its header")
    return rows


def _title(campaign):
    """Heading of the column of results."""
    return f"{campaign.target} ({campaign.unit})" if campaign.unit else campaign.target


def _count(num, noun):
    return f"{num} {noun}" if num == 1 else f"{num} {noun}s"


def _value(text):
    """A number if the text is one, else the text."""
    try:
        return float(text)
    except ValueError:
        return text


def _float(name, text):
    value = _value(text or "")
    if isinstance(value, str):
        raise DataError(f"{name} must be a number; got {text!r}")
    return value


_SETTINGS = ("target", "unit", "maximise", "seed", "log", "initial")
