"""Names of text formats by the first lines of a file, its header and its suffix."""

import re

# Format by a pattern in one of the first lines.
_FIRST_LINES = (
    (re.compile(r"EC-Lab ASCII FILE", re.I), "EC-Lab text"),
    (re.compile(r"BT-Lab ASCII FILE", re.I), "BT-Lab text"),
    (re.compile(r"MACCOR, INC\.?\s+AC Impedance"), "Maccor impedance text"),
    (re.compile(r"\s*\"?Today'+s Date"), "Maccor text"),
    (re.compile(r"\s*~Resultfile from Basytec", re.I), "Basytec text"),
    (re.compile(r"TestRegime Name:|Request Year:"), "PEC csv"),
    (re.compile(r"Novonix", re.I), "Novonix csv"),
    (re.compile(r"ZPLOT\d? ASCII", re.I), "ZPlot text"),
    (re.compile(r"\"?Z60W Data File", re.I), "Autolab text"),
    (re.compile(r"Instrument Model:\s*CHI"), "CHI text"),
    (re.compile(r"RelaxIS .*export", re.I), "RelaxIS text"),
)
# Format by names in the header, in lower case, with or without a unit in parentheses:
# all of them must occur.
_HEADERS = (
    (("data_point", "cycle_index", "step_index", "_capacity"), "BEEP csv"),
    (("data_point", "test_time", "cycle_index"), "Arbin csv"),
    (("rec#", "cyc#"), "Maccor text"),
    (("cyc#", "step"), "Maccor csv"),
    (("datapoint", "cycle index"), "Neware csv"),
    (("record index", "cycle index"), "Neware csv"),
    (("time/s", "ewe/v"), "EC-Lab text"),
    (("time/s", "<ewe>/v"), "EC-Lab text"),
    (("time/s", "ecell/v"), "EC-Lab text"),
    (("freq/hz", "re(z)/ohm", "-im(z)/ohm", "<ewe>/v"), "EC-Lab text"),
    (("test_time (s)", "cycle_index", "voltage (v)"), "BatteryArchive csv"),
    (("cycle_index", "voltage_v", "current_a", "amphr"), "BatteryData csv"),
    (("test_time_second", "voltage_volt", "current_ampere"), "BDF csv"),
    (("voltage / v", "current / a"), "BDF csv"),
)
_SUFFIXES = {
    ".mpt": "EC-Lab text",
    ".i2b": "Elchemea text",
    ".z": "ZPlot text",
}
_PLAIN = {
    "\t": "text table separated by tabs",
    ";": "csv with semicolons",
    "|": "text table separated by vertical bars",
    ",": "csv",
    "": "text table of one column",
}


def name_of(
    first_lines: list[str], header: tuple[str, ...], separator: str, suffix: str
) -> str:
    """Name of the format for the user; for other tables the separator of the fields."""
    start = [line[:200] for line in first_lines[:12]]
    for pattern, name in _FIRST_LINES:
        if any(pattern.match(line.lstrip()) for line in start):
            return name
    names = {name.lower() for name in header}
    names |= {name.partition("(")[0].strip() for name in names}
    for expected, name in _HEADERS:
        if names.issuperset(expected):
            return name
    return _SUFFIXES.get(
        suffix.lower(), _PLAIN.get(separator, "text table separated by blanks")
    )
