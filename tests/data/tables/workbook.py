"""Writes small workbooks without a package: an xlsx file is a zip archive of XML."""

import datetime
import zipfile
from xml.sax.saxutils import escape, quoteattr

_EPOCH = datetime.datetime(1899, 12, 30)
_NAMESPACE = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_STYLES = {"number": 0, "instant": 1, "time": 2, "duration": 3}
_FORMATS = (0, 22, 21, 46)  # general, m/d/yy h:mm, h:mm:ss, [h]:mm:ss


def write_workbook(path, sheets, *, hidden=()):
    """Write sheets, given as a mapping of names to rows of cells.

    Cells are numbers, text, None, `datetime` (formatted as a date), `time` (h:mm:ss) or
    `timedelta` ([h]:mm:ss).
    """
    names = list(sheets)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", _content_types(len(names)))
        archive.writestr(
            "_rels/.rels", _relations([("officeDocument", "xl/workbook.xml")])
        )
        targets = [("worksheet", f"worksheets/sheet{i}.xml") for i in _numbers(names)]
        archive.writestr(
            "xl/_rels/workbook.xml.rels",
            _relations([*targets, ("styles", "styles.xml")]),
        )
        archive.writestr("xl/workbook.xml", _workbook(names, hidden))
        archive.writestr("xl/styles.xml", _styles())
        for i, rows in zip(_numbers(names), sheets.values(), strict=True):
            archive.writestr(f"xl/worksheets/sheet{i}.xml", _sheet(rows))
    return path


def _numbers(names):
    return range(1, len(names) + 1)


def _content_types(count):
    main = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = [("/xl/workbook.xml", "sheet.main"), ("/xl/styles.xml", "styles")]
    parts += [
        (f"/xl/worksheets/sheet{i}.xml", "worksheet") for i in range(1, count + 1)
    ]
    overrides = "".join(
        f'<Override PartName="{name}" ContentType="{main}.{kind}+xml"/>'
        for name, kind in parts
    )
    return (
        f'<?xml version="1.0"?><Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/>'
        f"{overrides}</Types>"
    )


def _relations(targets):
    relations = "".join(
        f'<Relationship Id="rId{i}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for i, (kind, target) in enumerate(targets, 1)
    )
    return (
        f'<?xml version="1.0"?><Relationships xmlns="{_PACKAGE}/relationships">'
        f"{relations}</Relationships>"
    )


def _workbook(names, hidden):
    state = dict.fromkeys(hidden, ' state="hidden"')
    sheets = "".join(
        f'<sheet name={quoteattr(name)} sheetId="{i}" r:id="rId{i}"'
        f"{state.get(name, '')}/>"
        for i, name in enumerate(names, 1)
    )
    return (
        f'<?xml version="1.0"?><workbook {_NAMESPACE} xmlns:r="{_OFFICE}">'
        f"<sheets>{sheets}</sheets></workbook>"
    )


def _styles():
    formats = "".join(f'<xf numFmtId="{number}" xfId="0"/>' for number in _FORMATS)
    return (
        f'<?xml version="1.0"?><styleSheet {_NAMESPACE}><fonts count="1"><font/></fonts>'
        '<fills count="1"><fill/></fills><borders count="1"><border/></borders>'
        '<cellStyleXfs count="1"><xf/></cellStyleXfs>'
        f'<cellXfs count="{len(_FORMATS)}">{formats}</cellXfs></styleSheet>'
    )


def _sheet(rows):
    body = "".join(
        f'<row r="{i}">{"".join(_cell(cell, i, j) for j, cell in enumerate(row))}</row>'
        for i, row in enumerate(rows, 1)
        if row
    )
    return f'<?xml version="1.0"?><worksheet {_NAMESPACE}><sheetData>{body}</sheetData></worksheet>'


def _cell(cell, row, column):
    reference = f"{chr(65 + column)}{row}"
    if cell is None or cell == "":
        return ""
    if isinstance(cell, str):
        return f'<c r="{reference}" t="inlineStr"><is><t>{escape(cell)}</t></is></c>'
    style, value = _styled(cell)
    return f'<c r="{reference}" s="{_STYLES[style]}"><v>{value!r}</v></c>'


def _styled(cell):
    day = datetime.timedelta(days=1)
    if isinstance(cell, datetime.datetime):
        return "instant", (cell - _EPOCH) / day
    if isinstance(cell, datetime.time):
        return "time", (datetime.datetime.combine(_EPOCH, cell) - _EPOCH) / day
    if isinstance(cell, datetime.timedelta):
        return "duration", cell / day
    return "number", float(cell)
