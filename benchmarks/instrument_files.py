"""Real instrument files: how many are read right, refused with a reason, or read wrong.

    python benchmarks/instrument_files.py [--peer PYTHON] [--only TEXT] [--json OUT.json]

The folder `instrument_files` of the data has `manifest.json` with reference values that
were found without this library. A file counts as

- right: one of the listed answers, within the stated tolerances;
- refused: a `DataError` of one line that names the format or what is missing (`good`
  if the manifest accepts a refusal of this file, else `needless`);
- wrong: any other values; a traceback: any other exception.

Speed is in rows per CPU-second. With `--peer`, the readers of other libraries that the
interpreter has run beside ours on the same files (`instrument_peers.py`).
"""

import argparse
import collections
import gzip
import json
import os
import pathlib
import re
import tempfile
import time
import warnings

import numpy as np
from peer import run_peer

import battprob as bp

DATA = pathlib.Path(os.environ.get("BATTPROB_DATA", "../shared/data"))
PEERS = ("cellpy", "beep", "pyprobe", "batterydf", "pyimpspec", "impedance")


def unpacked(folder, entry):
    """Path of the file, unpacked if the folder has it packed."""
    path = folder / entry["path"]
    if path.suffix != ".gz":
        return path
    target = pathlib.Path(tempfile.gettempdir()) / path.stem
    target.write_bytes(gzip.decompress(path.read_bytes()))
    return target


def values(path, kind):
    """What our reader found, in the terms of the manifest."""
    if kind == "spectra":
        spectra = bp.data.read_spectra(path)
        sweeps = [
            np.column_stack(
                [s.frequency_hz, s.impedance_ohm.real, s.impedance_ohm.imag]
            )
            for s in spectra
        ]
        rows = sum(map(len, sweeps))
        return {"sweeps": [sweep.tolist() for sweep in sweeps]}, rows
    log = bp.data.read_timeseries(path)
    cell = log.to_cell()
    found = {
        "rows": len(log.time_s),
        "time_s": [float(log.time_s[0]), float(log.time_s[-1])],
        "voltage_v": [float(log.voltage_v.min()), float(log.voltage_v.max())],
        "cycle": cell.cycle.tolist(),
        "discharge_ah": cell.capacity_ah.tolist(),
        "charge_ah": cell.per_cycle["charge_capacity_ah"].tolist(),
    }
    return found, len(log.time_s)


def fault(entry, found):
    """First deviation from all answers of the manifest; empty if one agrees."""
    check = _spectra_fault if entry["kind"] == "spectra" else _log_fault
    faults = [check(entry, answer, found) for answer in entry.get("answers") or []]
    return "" if "" in faults else (faults or ["must be refused"])[0]


def _log_fault(entry, answer, found):
    tolerance = entry["tolerance"]
    rows = entry["rows"]
    if found.get("rows") is not None and abs(found["rows"] - rows) > 0.001 * rows:
        return f"{found['rows']} rows, expected {rows}"
    span, expected = (np.ptp(one["time_s"]) for one in (found, entry))
    limit = tolerance["duration_s"] + tolerance["duration_relative"] * expected
    if not entry.get("duration_not_judged") and abs(span - expected) > limit:
        return f"{span:g} s, expected {expected:g} s"
    choices = [entry["voltage_v"], *dict(entry.get("voltage_choices_v", {})).values()]
    errors = [np.abs(np.subtract(found["voltage_v"], one)).max() for one in choices]
    if min(errors) > tolerance["voltage_v"]:
        return f"voltage {found['voltage_v']}, expected {choices}"
    return _capacity_fault(answer, found, tolerance)


def _capacity_fault(answer, found, tolerance):
    reference = [answer["discharge_ah"], answer["charge_ah"]]
    if len(found["cycle"]) != len(answer["cycle"]):
        return f"{len(found['cycle'])} cycles, expected {len(answer['cycle'])}"
    read = np.array([found["discharge_ah"], found["charge_ah"]], float)
    known = ~np.isnan(read)  # NaN states that the capacity is not known
    limit = (
        tolerance["capacity_relative"] * np.abs(reference) + tolerance["capacity_ah"]
    )
    bad = np.argwhere(known & (np.abs(read - reference) > limit))
    if len(bad):
        direction, cycle = bad[0]
        return (
            f"{('discharge', 'charge')[direction]} of cycle {answer['cycle'][cycle]}: "
            f"{read[direction, cycle]:g} Ah, expected {reference[direction][cycle]:g}"
        )
    return "every capacity is missing" if np.size(read) and not known.any() else ""


def _spectra_fault(entry, answer, found):
    tolerance, sweeps = entry["tolerance"], found["sweeps"]
    if len(sweeps) != len(answer["sweeps"]):
        return f"{len(sweeps)} spectra, expected {len(answer['sweeps'])}"
    for sweep, expected in zip(sweeps, answer["sweeps"], strict=True):
        if len(sweep) != expected["points"]:
            return f"{len(sweep)} points, expected {expected['points']}"
        ends = [sweep[0], sweep[-1]]
        wanted = [expected["first"], expected["last"]]
        if not any(_equal(ends, order, tolerance) for order in (wanted, wanted[::-1])):
            return f"ends {ends}, expected {wanted}"
    return ""


def _equal(ends, expected, tolerance):
    for (f, re_z, im_z), (f0, re0, im0) in zip(ends, expected, strict=True):
        if abs(f - f0) > tolerance["frequency_relative"] * f0:
            return False
        limit = tolerance["impedance_relative"] * abs(complex(re0, im0))
        if abs(complex(re_z - re0, im_z - im0)) > limit:
            return False
    return True


def judged(entry, path):
    """Verdict, explanation, rows and CPU-seconds of our reader on one file."""
    start = time.process_time()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found, rows = values(path, entry["kind"])
    except bp.DataError as error:
        message = str(error)
        named = re.search(entry["refusal_names"], message.replace(str(path), ""), re.I)
        accepted = entry["refusal"] != "no" and named and "\n" not in message
        return ("refused" if accepted else "needless refusal"), message, 0, 0.0
    except Exception as error:  # a verdict, whatever went wrong
        return "traceback", f"{type(error).__name__}: {error}", 0, 0.0
    seconds = time.process_time() - start
    why = fault(entry, found)
    return ("wrong" if why else "right"), why, rows, seconds


def table(results):
    """Counts by format as lines of text."""
    verdicts = ("right", "refused", "needless refusal", "wrong", "traceback")
    counts = collections.defaultdict(collections.Counter)
    speed = collections.defaultdict(lambda: np.zeros(2))
    for entry, verdict, _, rows, seconds in results:
        for key in (f"{entry['kind']}: {entry['format']}", f"all {entry['kind']}"):
            counts[key][verdict] += 1
            speed[key] += rows, seconds
    yield f"{'format':48s}" + "".join(f"{v:>17s}" for v in verdicts) + "  rows/CPU-s"
    for key, count in sorted(counts.items()):
        rows, seconds = speed[key]
        rate = f"{rows / seconds:12.3g}" if seconds else " " * 12
        yield f"{key:48s}" + "".join(f"{count[v]:17d}" for v in verdicts) + rate


def main():
    """Judge all files, ours and with --peer those of other libraries."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--peer", help="interpreter with the readers of other libraries"
    )
    parser.add_argument("--only", default="", help="files whose path contains this")
    parser.add_argument("--json", help="write the results to this file")
    options = parser.parse_args()
    folder = DATA / "instrument_files"
    entries = json.loads((folder / "manifest.json").read_text())
    entries = [entry for entry in entries if options.only in entry["path"]]
    results = []
    for entry in entries:
        path = unpacked(folder, entry)
        results.append((entry, *judged(entry, path)))
        if results[-1][1] not in ("right", "refused"):
            print(f"{entry['path']}: {results[-1][1]}: {results[-1][2]}")
    print(*table(results), sep="\n")
    report = {"ours": {r[0]["path"]: r[1:3] for r in results}}
    if options.peer:
        report |= peers(options.peer, folder, entries)
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(report, indent=1))


def peers(python, folder, entries):
    """Verdicts of the other libraries, and their counts as a printed table."""
    report = {}
    for name in PEERS:
        task = [
            {"kind": e["kind"], "format": e["format"], "path": str(unpacked(folder, e))}
            for e in entries
        ]
        found = run_peer(python, "instrument_peers.py", name, task)
        verdicts = {}
        for entry, one in zip(entries, found, strict=True):
            if "error" in one:
                verdicts[entry["path"]] = "refused"
            elif one:
                verdicts[entry["path"]] = "wrong" if fault(entry, one) else "right"
        report[name] = verdicts
        print(name, dict(collections.Counter(verdicts.values())))
    return report


if __name__ == "__main__":
    main()
