"""From the bytes of a text file in any usual encoding to UTF-8 with known line ends."""

import codecs
import re
from pathlib import Path
from typing import NamedTuple

from battprob._errors import DataError

_SAMPLE = 1 << 16  # bytes that are enough to recognise an encoding
# The longer mark first: that of UTF-32 begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROL = bytes({*range(32)} - set(b"\t\n\r\f\v\x1a"))
# Chinese text has several double bytes in a row. In a Western text two letters with an
# accent may follow one another, but not four.
_CHINESE = re.compile(rb"[\xa1-\xfe]{4}")


class Text(NamedTuple):
    """A text as UTF-8 without byte-order mark, and how its encoding was recognised."""

    buffer: bytes
    statements: tuple[str, ...]


def decode(path: Path, raw: bytes) -> Text:
    """Text of a file in UTF-8, UTF-16, UTF-32, GB 18030 or Windows code page 1252.

    Raises:
        DataError: the bytes are no text.
    """
    buffer, statements = _utf8(raw)
    stripped = buffer.rstrip(b"\0\x1a")
    if b"\0" in buffer[len(stripped) :]:
        count = len(buffer) - len(stripped)
        statements += (f"the file ends in {count} zero bytes, which were left out",)
    buffer = stripped
    if b"\0" in buffer or _fraction_control(buffer[:_SAMPLE]) > 0.02:
        raise DataError(
            f"{path} is a binary file of unknown format; expected a text table: export "
            "the data as text (csv) with the software of the instrument"
        )
    return Text(_line_ends(buffer), statements)


def _utf8(raw):
    for mark, encoding in _MARKS:
        if raw.startswith(mark):
            if encoding == "utf-8":
                raw = raw[len(mark) :]
                break
            return _recoded(raw[len(mark) :], encoding), ()
    guess = _utf16_without_mark(raw[:_SAMPLE])
    if guess:
        statement = f"the text has no byte-order mark and was read as {guess.upper()}"
        return _recoded(raw, guess), (statement,)
    if raw.isascii():
        return raw, ()
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start >= len(raw) - 3 and error.reason == "unexpected end of data":
            return raw[: error.start], ()  # the file ends within a character
    else:
        return raw, ()
    encoding = _code_page(raw)
    names = {"cp1252": "Windows code page 1252", "gb18030": "GB 18030 (Chinese)"}
    statement = f"the text is not UTF-8 and was read as {names.get(encoding, encoding)}"
    return _recoded(raw, encoding), (statement,)


def _utf16_without_mark(sample):
    """UTF-16 byte order of a text with mostly ASCII characters; None if it has none."""
    even, odd = sample[0::2].count(0), sample[1::2].count(0)
    half = max(len(sample) // 2, 1)
    if odd > 0.7 * half and even < 0.05 * half:
        return "utf-16-le"
    if even > 0.7 * half and odd < 0.05 * half:
        return "utf-16-be"
    return None


def _code_page(raw):
    for encoding, possible in (
        ("gb18030", _CHINESE.search(raw) is not None),
        ("cp1252", True),
    ):
        try:
            if possible:
                raw.decode(encoding)
                return encoding
        except UnicodeDecodeError:
            continue
    return "latin-1"  # defined for every byte


def _recoded(raw, encoding):
    # An odd last byte of a file that was cut becomes one replacement character.
    return raw.decode(encoding, "replace").rstrip("\ufffd").encode("utf-8", "replace")


def _fraction_control(sample):
    count = len(sample) - len(sample.translate(None, _CONTROL))
    return count / max(len(sample), 1)


def _line_ends(buffer):
    """Text whose lines end in LF or CR LF, also if they ended in CR or CR CR LF."""
    if b"\r" not in buffer:  # a search for one byte is far faster than for two
        return buffer
    if buffer.count(b"\r") == buffer.count(b"\r\n") and b"\r\r" not in buffer:
        return buffer
    return re.sub(rb"\r+\n", b"\n", buffer).replace(b"\r", b"\n")
