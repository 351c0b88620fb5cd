"""Damaged files give a record or a one-line `DataError`: no other exception, no hang.

Every text format is damaged 20 000 times: bytes cut off, taken out, repeated, exchanged
or inserted, lines repeated or in another order. The number of examples can be set with
the environment variable BATTPROB_FUZZ.
"""

import contextlib
import os
import signal

import hypothesis
import hypothesis.strategies as st
import pytest

from battprob import DataError
from battprob.data import read_file
from tests.data import text_formats

pytestmark = pytest.mark.slow

FILES = {
    **{f"log {name}": (name, text) for name, text in text_formats.LOGS.items()},
    **{f"eis {name}": (name, text) for name, text in text_formats.SPECTRA.items()},
}
NUM_EXAMPLES = int(os.environ.get("BATTPROB_FUZZ", "20000"))
_SECONDS = 10
_TOKENS = [b"", b"\x00", b"\n", b"\r", b"\t", b",", b";", b'"', b"-", b".", b"e", b"nan",
           b"1e999", b"-1", b"0", b"/", b"\xff\xfe", b"\xb0", b"N/A", b"#", b"  "]  # fmt: skip


@st.composite
def damages(draw):
    """A list of damages: kind, position and length as fractions, and bytes."""
    one = st.tuples(
        st.sampled_from(["cut", "remove", "repeat", "insert", "move", "swap lines"]),
        st.floats(0, 1),
        st.floats(0, 0.3),
        st.sampled_from(_TOKENS) | st.binary(max_size=4),
    )
    return draw(st.lists(one, min_size=1, max_size=4))


def damaged(raw, changes):
    """The file after the damages."""
    for kind, position, length, token in changes:
        start = int(position * len(raw))
        stop = start + int(length * len(raw))
        part = raw[start:stop]
        if kind == "cut":
            raw = raw[:start]
        elif kind == "remove":
            raw = raw[:start] + raw[stop:]
        elif kind == "repeat":
            raw = raw[:stop] + part + raw[stop:]
        elif kind == "insert":
            raw = raw[:start] + token + raw[start:]
        elif kind == "move":
            raw = part + raw[:start] + raw[stop:]
        else:
            lines = raw.split(b"\n")
            i, j = int(position * (len(lines) - 1)), int(length * (len(lines) - 1))
            lines[i], lines[j] = lines[j], lines[i]
            raw = b"\n".join(lines)
    return raw


@contextlib.contextmanager
def time_limit():
    """Raise TimeoutError in the block after a few seconds."""

    def stop(_number, _frame):
        raise TimeoutError(f"reading took more than {_SECONDS} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(_SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def _outcome(path):
    """`record`, or the message of the DataError."""
    try:
        with time_limit():
            return "record" if read_file(path) else ""
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.filterwarnings("error")
def test_damaged_files_are_read_or_refused_in_one_line(name, tmp_path):
    """Assert a record or a DataError of one line, in a limited time."""
    file_name, text = FILES[name]
    raw, path = text.encode(), tmp_path / file_name

    @hypothesis.settings(
        max_examples=NUM_EXAMPLES, deadline=None, database=None, derandomize=True
    )
    @hypothesis.given(damages())
    def check(changes):
        path.write_bytes(damaged(raw, changes))
        outcome = _outcome(path)
        assert outcome == "record" or (outcome and "\n" not in outcome)
        assert len(outcome) < 2000

    check()
