"""Whatever the bytes of a text file are, the reader gives tables or a `DataError`."""

from pathlib import Path

import hypothesis
import hypothesis.strategies as st

from battprob import DataError
from battprob.data.tables.text import read_text_tables

FILES = [
    "# cell\nt;U;I;State\ns;V;A;-\n0;3,1;1,5;CC Chg\n1;3,2;1,5;CC Chg\n2;3,3;0,0;Rest\n",
    'Time,V\n"0.0",3.1\n"1,350.0",3.2\n"2,700.0",3.3\n',
    "EC-Lab ASCII FILE\nNb header lines : 4\n\ntime/s\tEwe/V\t\n0\t3.1\n1\t3.2\n2\t3.3\n",
    "EXPLAIN\nZCURVE\tTABLE\t3\n\tPt\tFreq\n\t#\tHz\n\t0\t10\n\t1\t5\n\t2\t1\n",
    "Cycle Index,Q\n,Step Index,Step Type\n,,DataPoint,V\n1,2\n,1,Rest\n,,1,3.1\n,,2,3\n",
    "<Application>\n<Segment1>\nDefinition=E(V), I(A), 0\n0,1\n1,2\n</Segment1>\n",
    "VERSION8.0\n 1\n 1\n 1\n 2\n 3\n 4\n 5\n 6\n 7\n 8\n 9\n",
    "  1000.0  1.5  -0.5\n  100.0  2.5  -1.0\n  10.0  3.5  -0.7\n",
]
TOKENS = [b"\0", b"\n", b"\r", b"\t", b",", b";", b'"', b"-", b"e", b"nan", b"1e999",
          b"#", b"\xff\xfe", b"\xb0", b"  ", b"\x1f", b"1" * 50]  # fmt: skip
CHANGE = st.tuples(
    st.sampled_from(["cut", "remove", "repeat", "insert", "swap"]),
    st.floats(0, 1),
    st.floats(0, 0.3),
    st.sampled_from(TOKENS) | st.binary(max_size=4),
)


def damaged(raw, changes):
    for kind, position, length, token in changes:
        start = int(position * len(raw))
        stop = start + int(length * len(raw))
        raw = {
            "cut": raw[:start],
            "remove": raw[:start] + raw[stop:],
            "repeat": raw[:stop] + raw[start:],
            "insert": raw[:start] + token + raw[start:],
            "swap": raw[start:] + raw[:start],
        }[kind]
    return raw


@hypothesis.settings(max_examples=400, deadline=None, derandomize=True)
@hypothesis.given(
    st.sampled_from(FILES),
    st.sampled_from(["utf-8", "utf-16", "cp1252"]),
    st.lists(CHANGE, max_size=4),
)
def test_damaged_files(content, encoding, changes):
    message, tables = "", ()
    try:
        raw = damaged(content.encode(encoding), changes)
        tables = read_text_tables(Path("a.txt"), raw)
    except DataError as error:
        message = str(error)
    assert "\n" not in message
    for table in tables:
        assert len(table) == len(table.lines) > 0
        assert len(table.header) == len(table.columns)
        assert {len(column) for column in table.columns} == {len(table)}
        assert {column.dtype.kind for column in table.columns} <= {"f", "O"}
        assert not any("\n" in statement for statement in table.statements)
