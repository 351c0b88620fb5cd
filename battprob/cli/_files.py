"""`battprob inspect` and `battprob features`: what files contain, and their features."""

import sys
from argparse import ArgumentTypeError
from collections import Counter
from pathlib import Path

_MOST_NOTES = 20


def add(commands):
    """Add the commands that read files of instruments."""
    inspect = commands.add_parser(
        "inspect",
        help="show what a file contains and how it is read; the first thing to do",
        description="Print the format, the columns with their units, what was assumed, "
        "repaired or found doubtful, and a table of the cycles of a log, the spectra or "
        "the cells. Needs no settings. The exit status is 1 if a file cannot be read.",
    )
    inspect.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="files of any format, or folders of them",
    )
    inspect.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="write a page (.html), a figure (.png) and tables (.csv) for each file",
    )
    inspect.set_defaults(run=_inspect, uses_jax=False)

    table = commands.add_parser(
        "features",
        help="compute one table of features from files of cells or of spectra",
        description="Compute features and write them to a table. Cycler logs, packs "
        "(.npz), MATR batches (.mat) and tables of capacities give early-life features, "
        "one row per cell. Impedance spectra give points of the Nyquist plot, one row "
        "per spectrum. Files that cannot be read and features that cannot be computed "
        "are listed with the reason. The exit status is 1 if a file gives no row.",
    )
    table.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="files of one kind, or folders of them",
    )
    table.add_argument(
        "-o",
        "--output",
        type=Path,
        required=True,
        metavar="OUT.csv",
        help="table to write; OUT_failures.csv lists what is missing in it",
    )
    table.add_argument(
        "--cycles",
        type=_cycles,
        default=(10, 100),
        metavar="EARLY,LATE",
        help="the two cycles whose discharge curves are compared; later cycles are not "
        "used (default: 10,100)",
    )
    table.add_argument(
        "--voltages",
        type=_voltages,
        metavar="HIGH,LOW[,NUM]",
        help="voltages of the discharge curves of logs in V (default: 1000 voltages that "
        "all cells cover)",
    )
    table.add_argument(
        "--imaginary-sign",
        choices=("reverse", "keep"),
        help="reverse the sign of Im Z that the files of spectra give, or accept "
        "spectra with Im Z > 0 as they are",
    )
    table.add_argument(
        "--cache",
        type=Path,
        metavar="DIR",
        help="folder for intermediate results; after a stop, the same command continues",
    )
    table.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="number of processes (default: one per core if there is much to read)",
    )
    table.set_defaults(run=_features)


def _cycles(text):
    try:
        early, late = (int(number) for number in text.split(","))
    except ValueError:
        raise ArgumentTypeError(
            f"expected two cycle numbers such as 10,100; got {text!r}"
        ) from None
    return early, late


def _voltages(text):
    import numpy as np

    try:
        high, low, *num = (float(number) for number in text.split(","))
        (count,) = num or [1000.0]
    except ValueError:
        high = low = count = 0.0
    if not (high > low > 0 and count >= 2 and count == round(count)):
        raise ArgumentTypeError(
            f"expected voltages such as 4.1,2.8 or 4.1,2.8,500; got {text!r}"
        )
    return np.linspace(high, low, int(count))


def _inspect(options):
    from battprob import data
    from battprob.data.inspection.report import write_report
    from battprob.data.names import distinct_names
    from battprob.data.paths import files_in

    files = files_in(options.paths)
    names = distinct_names(files)
    errors = []
    for number, file in enumerate(files):
        inspection = data.inspect(file)
        print("\n" * (number > 0) + str(inspection))
        if inspection.error is not None:
            errors.append(inspection.error)
        if options.report is not None:
            page = write_report(
                inspection, options.report, names[file].replace("/", "_")
            )
            print(f"\nReport: {page}")
    if len(files) > 1:
        print(f"\n{len(files) - len(errors)} of {len(files)} files read")
    for error in errors:
        print(f"battprob inspect: {error}", file=sys.stderr)
    return int(bool(errors))


def _features(options):
    from battprob import features

    early_cycle, late_cycle = options.cycles
    result = features.features_of_files(
        options.paths,
        early_cycle=early_cycle,
        late_cycle=late_cycle,
        voltage_v=options.voltages,
        imaginary_sign=options.imaginary_sign,
        cache=options.cache,
        num_workers=options.workers,
    )
    _print_notes(result.notes, options.output)
    _print_missing(result.missing)
    for failure in result.failures:
        print(f"battprob features: {failure}", file=sys.stderr)
    result.to_dataframe().to_csv(options.output)
    rows, columns = result.table.x.shape
    print(f"{rows} rows and {columns} features written to {options.output}")
    if result.failures or result.missing:
        _write_failures(result, options.output)
    return int(bool(result.failures))


def _print_notes(notes, output):
    """Print a few notes, and write all of them to a file."""
    lines = _merged(notes)
    if len(lines) <= _MOST_NOTES:
        print(*lines, sep="\n")
        return
    path = output.with_name(f"{output.stem}_notes.txt")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"How the files were read and what was repaired ({len(lines)} notes): {path}")
    print(lines[-1])  # the grid of all records


def _merged(notes, most=3):
    """Lines of text; a note that several records have is one line."""
    records: dict[str, list[str]] = {}
    for note in notes:
        record, separator, text = note.partition(": ")
        key = text if separator else note
        records.setdefault(key, []).append(record if separator else "")
    lines = []
    for text, names in records.items():
        more = f" and {len(names) - most} more" if len(names) > most else ""
        start = "" if names == [""] else f"{', '.join(names[:most])}{more}: "
        lines.append(start + text)
    return lines


def _print_missing(missing, most=10):
    """Print how many features each cell lacks, and why."""
    counts = Counter((item.cell, item.reason) for item in missing)
    for (cell, reason), count in list(counts.items())[:most]:
        what = "1 feature is" if count == 1 else f"{count} features are"
        print(f"{cell}: {what} missing (NaN): {reason}")
    if len(counts) > most:
        print(f"… and {len(counts) - most} more such lines in the table of failures")


def _write_failures(result, output):
    import csv

    path = output.with_name(f"{output.stem}_failures.csv")
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file or cell", "feature", "reason"])
        writer.writerows((path, "all", error) for path, error in result.failures)
        writer.writerows(result.missing)
    print(f"What is missing, and why: {path}")
