"""`battprob design`: a campaign of tests in one file."""

import csv
import re
import tomllib
from pathlib import Path

from battprob._errors import DataError


def add(commands):
    """Add the commands of a campaign."""
    shared = {"type": Path, "default": Path("campaign.json"), "metavar": "FILE.json"}
    design = commands.add_parser(
        "design", help="choose the next tests, batch after batch, in one file"
    )
    kinds = design.add_subparsers(
        dest="kind", required=True, metavar="init|ask|tell|status"
    )
    init = kinds.add_parser(
        "init",
        help="begin a campaign",
        description="Begin a campaign in the space that SPACE.toml describes, for example: "
        'target = "life", unit = "cycles", maximise = true, seed = 0, and tables '
        '[real.c1] low = 3.6, high = 8.0, unit = "1/h"; [integer.layers] low, high; '
        "[categorical.additive] levels = [...]; [simplex.salt] parts = [...]; "
        "[[constraint]] weights = {c1 = 1, c2 = 1}, at_most = 12; candidates = 'FILE.csv'.",
    )
    init.add_argument("space", type=Path, metavar="SPACE.toml")
    ask = kinds.add_parser("ask", help="say which tests to run next, and why")
    ask.add_argument("num", type=int, metavar="N")
    ask.add_argument(
        "-o", "--output", type=Path, metavar="OUT.csv", help="a table to fill in"
    )
    tell = kinds.add_parser(
        "tell",
        help="take in results",
        description="FILE.csv has the columns that `ask -o` writes: id, the point, and the "
        "result; optional columns: noise_variance, and failed (a reason). A row without an "
        "id is a test that was not asked for.",
    )
    tell.add_argument("results", type=Path, metavar="FILE.csv")
    status = kinds.add_parser("status", help="what is known, and whether to go on")
    status.add_argument(
        "--epsilon", type=float, metavar="E", help="what is close enough to the best"
    )
    status.add_argument(
        "--report", type=Path, metavar="DIR", help="folder for a figure"
    )
    for kind, run in ((init, _init), (ask, _ask), (tell, _tell), (status, _status)):
        kind.add_argument("-c", "--campaign", **shared, help="default: %(default)s")
        kind.set_defaults(run=run)


def _init(options):
    import jax

    from battprob import design, transforms

    try:
        told = tomllib.loads(options.space.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise DataError(f"{options.space}: {error}") from None
    if options.campaign.exists():
        raise DataError(
            f"{options.campaign} is there already: name another by --campaign"
        )
    space = _space(told, options.space)
    campaign = design.Campaign.start(
        space,
        model=design.default_model(known_noise=True),
        key=jax.random.key(told.get("seed", 0)),
        maximise=told.get("maximise", True),
        target=told.get("target", "target"),
        unit=told.get("unit", ""),
        transform=transforms.Log() if told.get("log", False) else None,
        initial=told.get("initial"),
    )
    campaign.save(options.campaign)
    print(
        f"{options.campaign}: a campaign for {campaign.target}, over "
        f"{', '.join(space.names)}"
    )


def _space(told, path):
    """The space that a description names."""
    from battprob import design

    kinds = {
        "real": design.Real,
        "integer": design.Integer,
        "categorical": design.Categorical,
        "simplex": design.Simplex,
    }
    known = {*kinds, "constraint", "candidates", "repeats", *_SETTINGS}
    unknown = sorted(set(told) - known)
    if unknown:
        raise DataError(f"{path}: {unknown[0]!r} is none of {sorted(known)}")
    try:
        dimensions = [
            kinds[kind](name, **settings)
            for kind in kinds
            for name, settings in told.get(kind, {}).items()
        ]
        constraints = [
            design.LinearConstraint(**settings)
            for settings in told.get("constraint", [])
        ]
    except TypeError as error:
        raise DataError(f"{path}: {error}") from None
    repeats = told.get("repeats", True)
    if "candidates" not in told:
        return design.Space(*dimensions, constraints=constraints, repeats=repeats)
    points = [
        {name: _value(text) for name, text in row.items()}
        for row in _rows(path.parent / told["candidates"])
    ]
    if not dimensions:
        return design.Space.from_candidates(points, repeats=repeats)
    return design.Space(
        *dimensions, constraints=constraints, candidates=points, repeats=repeats
    )


def _ask(options):
    from battprob import design

    if options.num < 1:
        raise DataError(f"ask for 1 test or more; got {options.num}")
    campaign = design.Campaign.load(options.campaign)
    suggestions = campaign.ask(options.num)
    campaign.running(suggestions).save(options.campaign)
    print(suggestions)
    if options.output is not None:
        suggestions.write_csv(options.output)
        print(f"\nTo fill in: {options.output}")


def _tell(options):
    from battprob import design

    campaign = design.Campaign.load(options.campaign)
    before = len(campaign.results)
    rows = _rows(options.results)
    unit = _unit(campaign, list(rows[0]), options.results)
    for line, row in enumerate(rows, 2):
        try:
            campaign = _told(campaign, row, unit)
        except DataError as error:
            raise DataError(f"{options.results} line {line}: {error}") from None
    campaign.save(options.campaign)
    added = len(campaign.results) - before
    print(f"{options.campaign}: {added} results more, {len(campaign.results)} in all")


def _told(campaign, row, unit):
    """The campaign with one row of a table."""
    heading = f"{campaign.target} ({unit})" if unit else campaign.target
    point = {name: _value(row[name]) for name in campaign.space.names if row.get(name)}
    tests = _asked(campaign, row["id"], point) if row.get("id") else [point]
    if row.get("failed"):
        return campaign.fail(tests, row["failed"])
    y = _float(heading, row[heading])
    variance = row.get("noise_variance")
    variance = None if not variance else [_float("noise_variance", variance)]
    return campaign.tell(tests, [y], noise_variance=variance, unit=unit)


def _asked(campaign, text, point):
    """The test of an id, which must have been asked at this point if one is given."""
    number = int(_float("id", text))
    trial = campaign.history.trials.get(number)
    if trial is None or not point:
        return [number]
    rows = campaign.space.encode([point, trial.point])
    low, high = campaign.space.bounds
    # As far as a table that was edited by hand may have rounded it.
    if (abs(rows[0] - rows[1]) > 1e-4 * (high - low)).any():
        raise DataError(
            f"test {number} was asked at {dict(trial.point)}, not at {point}: leave the id "
            "out for a test of your own"
        )
    return [number]


def _unit(campaign, header, path):
    """The unit in the heading of the column of results."""
    for heading in header:
        found = re.fullmatch(rf"{re.escape(campaign.target)}( \((.*)\))?", heading)
        if found:
            return found[2] or ""
    raise DataError(f"{path} has no column {campaign.target!r}; it has {header}")


def _status(options):
    from battprob import design

    campaign = design.Campaign.load(options.campaign)
    trials = campaign.history.trials.values()
    failed = sum(trial.failed is not None for trial in trials)
    print(
        f"{len(campaign.results)} results, {len(campaign.open_tests)} tests running, "
        f"{failed} failed"
    )
    if len(campaign.results) >= 2:
        best = campaign.best_result
        print(f"best result: {best.y:.5g} {campaign.unit} (test {best.id})")
        print(f"recommended:\n{campaign.recommend()}")
        if options.epsilon is not None:
            print(campaign.advice(options.epsilon))
    if options.report is not None and campaign.results:
        print(f"\nFigure: {_figure(campaign, options.report)}")


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


def _rows(path):
    """Rows of a table as dictionaries of text."""
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    if not rows:
        raise DataError(f"{path} has no rows")
    return rows


def _value(text):
    """A number where it reads as one, else a name."""
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
