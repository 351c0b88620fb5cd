"""Spreadsheets that are text: HTML pages and Excel's XML of 2003, often named `.xls`."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

from battprob.data.tables.encoding import decode
from battprob.data.tables.packages import reading
from battprob.data.tables.table import RawTable
from battprob.data.tables.workbook import Sheet, workbook_tables

_REMEDY = "open it in a spreadsheet program and save it as .xlsx or .csv"
_XML_NAMESPACE = "urn:schemas-microsoft-com:office:spreadsheet"
_HTML = re.compile(rb"\s*(?:<!doctype html|<html|<table|<meta|<head)", re.IGNORECASE)


def is_html(head: bytes) -> bool:
    """Whether the start of a file is that of an HTML page."""
    return _HTML.match(_ascii(head)) is not None


def is_excel_xml(head: bytes) -> bool:
    """Whether the start of a file is that of Excel's XML format of 2003."""
    text = _ascii(head)
    return text.lstrip().startswith(b"<?xml") and _XML_NAMESPACE.encode() in text


def read_html(path: Path) -> tuple[RawTable, ...]:
    """Read the tables of an HTML page like the sheets of a spreadsheet.

    Raises:
        DataError: the page has no table with numbers.
    """
    parser = _Tables()
    with reading(path, format="HTML", remedy=_REMEDY):
        parser.feed(decode(path, path.read_bytes()).buffer.decode("utf-8", "replace"))
    return workbook_tables(path, _sheets(parser.tables), "HTML table")


def read_excel_xml(path: Path) -> tuple[RawTable, ...]:
    """Read the sheets of a spreadsheet in Excel's XML format of 2003.

    Raises:
        DataError: the file is damaged, or has no table with numbers.
    """
    with reading(path, format="Excel XML", remedy=_REMEDY):
        root = ElementTree.fromstring(path.read_bytes())
        tables = {
            sheet.get(_tag("Name"), f"sheet {i}"): _rows(sheet)
            for i, sheet in enumerate(root.iter(_tag("Worksheet")), 1)
        }
    return workbook_tables(path, _sheets(tables), "Excel XML")


def _ascii(head):
    """The ASCII characters of a text in UTF-8 or UTF-16."""
    return head.removeprefix(b"\xef\xbb\xbf").translate(None, b"\0\xff\xfe")


def _sheets(tables):
    sheets = []
    for name, rows in tables.items():
        width = max((len(row) for row in rows), default=0)
        cells = [row + [""] * (width - len(row)) for row in rows]
        sheets.append(Sheet(name, cells))
    return sheets


def _tag(name):
    return f"{{{_XML_NAMESPACE}}}{name}"


def _rows(sheet):
    rows = []
    for row in sheet.iter(_tag("Row")):
        # `Index` gives the position after empty rows or cells, from 1.
        rows += [[] for _ in range(int(row.get(_tag("Index"), 0)) - 1 - len(rows))]
        cells = []
        for cell in row.iter(_tag("Cell")):
            cells += [""] * (int(cell.get(_tag("Index"), 0)) - 1 - len(cells))
            data = cell.find(_tag("Data"))
            cells.append(_value(data))
        rows.append(cells)
    return rows


def _value(data):
    text = "" if data is None else "".join(data.itertext()).strip()
    if data is not None and data.get(_tag("Type")) == "Number":
        return float(text)
    return text


class _Tables(HTMLParser):
    """Collects the text of the cells of all tables."""

    def __init__(self):
        super().__init__()
        self.tables = {}
        self._rows = []
        self._cell = None

    def handle_starttag(self, tag, attrs):
        if tag == "table":
            self._rows = self.tables.setdefault(f"table {len(self.tables) + 1}", [])
        elif tag == "tr":
            self._rows.append([])
        elif tag in ("td", "th") and self._rows:
            self._rows[-1].append("")
            self._cell = self._rows[-1]

    def handle_endtag(self, tag):
        if tag in ("td", "th", "tr", "table"):
            self._cell = None

    def handle_data(self, data):
        if self._cell is not None:
            self._cell[-1] = (self._cell[-1] + data).strip()
