"""HTML pages and Excel's XML of 2003 under the name .xls are read as spreadsheets."""

import pytest

from battprob import DataError
from battprob.data.tables.binary import binary_reader

_HTML = """<html><head><meta charset="{encoding}"></head><body><table>
<tr><th>Time(s)</th><th>Voltage(V)</th><th>T/°C</th></tr>
<tr><td>0</td><td>4.0</td><td>25</td></tr>
<tr><td>1</td><td>3.9</td><td>25,5</td></tr></table></body></html>"""
_XML = """<?xml version="1.0"?><?mso-application progid="Excel.Sheet"?>
<Workbook xmlns="urn:schemas-microsoft-com:office:spreadsheet"
 xmlns:ss="urn:schemas-microsoft-com:office:spreadsheet">
<Worksheet ss:Name="record"><Table>
<Row ss:Index="2"><Cell><Data ss:Type="String">Time</Data></Cell>
<Cell ss:Index="3"><Data ss:Type="String">Voltage</Data></Cell></Row>
<Row><Cell><Data ss:Type="Number">0</Data></Cell>
<Cell ss:Index="3"><Data ss:Type="Number">4.0</Data></Cell></Row>
<Row><Cell><Data ss:Type="Number">1</Data></Cell>
<Cell ss:Index="3"><Data ss:Type="Number">3.9</Data></Cell></Row>
</Table></Worksheet></Workbook>"""


def _read(path, content):
    path.write_bytes(content)
    return binary_reader(path, content[:8192])(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "cp1252"])
def test_html_table(tmp_path, encoding):
    content = _HTML.format(encoding=encoding).encode(encoding)
    (table,) = _read(tmp_path / "cell.xls", content)
    assert table.header == ("Time(s)", "Voltage(V)", "T/°C")
    assert [column.tolist() for column in table.columns] == [
        [0, 1],
        [4, 3.9],
        [25, 25.5],
    ]


def test_excel_xml(tmp_path):
    (table,) = _read(tmp_path / "cell.xls", _XML.encode())
    assert table.header == ("Time", "Voltage")
    assert table.columns[1].tolist() == [4.0, 3.9]
    assert table.lines.tolist() == [3, 4]


def test_damaged_excel_xml(tmp_path):
    with pytest.raises(DataError, match=r"cell\.xls: this Excel XML file"):
        _read(tmp_path / "cell.xls", _XML[:-80].encode())
