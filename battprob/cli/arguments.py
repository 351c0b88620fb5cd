"""`Parser`: an argument parser that never drops a value which the user gave."""

import argparse
from typing import Any


class Parser(argparse.ArgumentParser):
    """Argument parser that refuses a repeated option.

    `argparse.ArgumentParser` silently keeps only the last of `--group A --group B`. Here
    that is an error that names the option. Options that accept several values declare
    `action="append"` or `action="extend"`, and then keep all of them. Parsers of
    sub-commands are of this class as well.

    Example:
        >>> parser = Parser()
        >>> _ = parser.add_argument("--test", nargs="+", action="extend")
        >>> parser.parse_args(["--test", "a.npz", "--test", "b.npz"]).test
        ['a.npz', 'b.npz']
    """

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        for name in (None, "store"):
            self.register("action", name, _StoreOnce)


def add_seed(parser: argparse.ArgumentParser) -> None:
    """Add the option `--seed` to a command that uses random numbers."""
    parser.add_argument(
        "--seed",
        type=int,
        default=0,
        metavar="N",
        help="seed of the random numbers; the same seed gives the same result "
        "(default: %(default)s)",
    )


class _StoreOnce(argparse.Action):
    """The action "store", which raises an error when the option is given again."""

    def __init__(self, **settings: Any):
        super().__init__(**settings)
        self._is_stored = False

    def __call__(self, parser, namespace, values, option_string=None):
        # `namespace` cannot show this: it also holds the default, which may be equal.
        # A positional argument (no option string) cannot be repeated.
        if self._is_stored and option_string is not None:
            raise argparse.ArgumentError(
                self, "given more than once, but it can have only one value"
            )
        self._is_stored = True
        setattr(namespace, self.dest, values)
