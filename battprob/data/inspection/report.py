"""Write an inspection to a folder: an HTML page, the figure, and tables as CSV."""

import html
from os import PathLike
from pathlib import Path

from battprob._errors import DataError
from battprob.data.inspection.inspect import Inspection
from battprob.data.timeseries import TimeSeries

_STYLE = (
    "body{font-family:sans-serif;max-width:70em;margin:2em auto;padding:0 1em}"
    "table{border-collapse:collapse;font-size:small}"
    "td,th{border-bottom:1px solid #ccc;padding:.2em .6em;text-align:right}"
    "img{max-width:100%}.error{color:#b00}"
)
_MOST_ROWS = 500  # of a table in the page; the CSV file has all


def write_report(
    inspection: Inspection, folder: str | PathLike[str], name: str
) -> Path:
    """Write `name.html`, `name.png` and tables `name_….csv` to a folder.

    The tables are the columns of the file, the cycles, spectra or cells, and the steps
    of a log. A refused file gives the reason and the columns that were found.

    Args:
        inspection: result of `inspect`.
        folder: created if it does not exist.
        name: beginning of the names of the files.

    Returns:
        Path of the HTML page.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    tables = {}
    if inspection.columns:
        tables["columns"] = inspection.columns_to_dataframe()
    if inspection.records:
        tables["table"] = inspection.to_dataframe()
        if isinstance(inspection.records[0], TimeSeries):
            tables["steps"] = inspection.records[0].steps.to_dataframe()
    for key, frame in tables.items():
        frame.to_csv(folder / f"{name}_{key}.csv", index=False)
    try:
        inspection.figure.savefig(folder / f"{name}.png", dpi=120)
        image = f"<img src='{html.escape(name)}.png' alt='figure of the data'>"
    except DataError:  # a refused file without a column of numbers
        image = ""
    page = folder / f"{name}.html"
    page.write_text(_page(inspection, tables, image), encoding="utf-8")
    return page


_TITLES = {
    "columns": "Columns of the file",
    "table": "Cycles, spectra or cells",
    "steps": "Steps",
}


def _page(inspection, tables, image):
    kind = "error" if inspection.error else "summary"
    parts = [
        "<!doctype html><meta charset='utf-8'>",
        f"<title>{html.escape(inspection.name)}</title><style>{_STYLE}</style>",
        f"<h1>{html.escape(Path(inspection.name).name)}</h1>",
        f"<p class='{kind}'>{html.escape(inspection.summary)}</p>",
        image,
    ]
    if inspection.statements:
        items = "".join(
            f"<li>{html.escape(line)}</li>" for line in inspection.statements
        )
        parts.append(f"<h2>How it was read</h2><ul>{items}</ul>")
    for key, frame in tables.items():
        table = frame.to_html(
            index=False, max_rows=_MOST_ROWS, na_rep="", border=0,
            float_format=lambda value: f"{value:.5g}",
        )  # fmt: skip
        parts.append(f"<h2>{_TITLES[key]}</h2>{table}")
    return "\n".join(parts) + "\n"
