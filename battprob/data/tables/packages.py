"""Packages of other authors that read binary files: import them and keep them quiet."""

import importlib
import io
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from battprob._errors import DataError

_LONGEST_MESSAGE = 200


def require(module: str, path: Path, *, format: str, package: str) -> Any:
    """Import a module that a format needs.

    Args:
        module: name of the module, such as `galvani.BioLogic`.
        path: the file to read, for the message.
        format: name of the format for the user.
        package: name of the package for `pip install`.

    Raises:
        DataError: the package is not installed; the message names the format and the
            command that installs the package.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        raise DataError(
            f"{path}: reading {format} files needs the package {package!r}: pip "
            f"install {package}"
        ) from None


@contextmanager
def reading(
    path: Path, *, format: str, remedy: str, logger: str = "battprob"
) -> Iterator[list[str]]:
    """Run a reader of another package: no output, and only `DataError` leaves it.

    Printed lines are discarded. Warnings, and messages logged as warnings or errors,
    are collected, because some of them concern the values that were read.

    Args:
        path: the file.
        format: name of the format for the user.
        remedy: what to do if the file cannot be read, such as `export it as text`.
        logger: name of the logger of the package.

    Yields:
        A list that holds the warnings, one line each, when the block has ended.

    Raises:
        DataError: the reader failed; the message names the format and the remedy.
    """
    messages: list[str] = []
    try:
        with _collected(messages, logging.getLogger(logger)):
            yield messages
    except (DataError, KeyboardInterrupt, SystemExit, MemoryError):
        raise
    except BaseException as error:
        # A panic of a package written in Rust is a BaseException, not an Exception.
        if not isinstance(error, Exception) and "Panic" not in type(error).__name__:
            raise
        reason = one_line(str(error))
        if not any(char.isalpha() for char in reason) or isinstance(error, KeyError):
            reason = f"{type(error).__name__} {reason}".strip()
        raise DataError(
            f"{path}: this {format} file cannot be read ({reason}); {remedy}"
        ) from None


@contextmanager
def _collected(messages, logger):
    handlers, logger.handlers = logger.handlers, [_ListHandler(messages)]
    propagate, logger.propagate = logger.propagate, False
    try:
        with (
            warnings.catch_warnings(record=True) as caught,
            redirect_stdout(io.StringIO()),
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("always")
            yield
        messages.extend(
            one_line(str(warning.message))
            for warning in caught
            if not issubclass(warning.category, _ABOUT_CODE)
        )
    finally:
        logger.handlers, logger.propagate = handlers, propagate


# These warnings concern the code of a package, not the file.
_ABOUT_CODE = (
    DeprecationWarning,
    PendingDeprecationWarning,
    FutureWarning,
    ResourceWarning,
    ImportWarning,
)


class _ListHandler(logging.Handler):
    """Appends logged warnings to a list."""

    def __init__(self, messages):
        super().__init__(logging.WARNING)
        self._messages = messages

    def emit(self, record):
        self._messages.append(one_line(record.getMessage()))


def one_line(text: str) -> str:
    """Text in one line without bytes and control characters, for an error message.

    Example:
        >>> one_line("bad magic: b'NEW', expected BIO")
        'bad magic: (bytes), expected BIO'
    """
    text = re.sub(r"""\bb(['"])(?:\\.|(?!\1).)*(\1|$)""", "(bytes)", text)
    text = "".join(char if char.isprintable() else " " for char in text)
    text = " ".join(text.split())
    return (
        text
        if len(text) <= _LONGEST_MESSAGE
        else text[: _LONGEST_MESSAGE - 1].rstrip() + "…"
    )
