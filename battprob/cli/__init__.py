"""The command line `battprob`; each module adds the parsers of one family of commands."""

import sys
from collections.abc import Sequence

from battprob._errors import BattprobError
from battprob.cli import _design, _eis, _files, _forecast, _life
from battprob.cli.arguments import Parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    Args:
        arguments: command and options; default those of the process.

    Returns:
        0 after success; 1 if some of several files could not be used; 2 after an error,
        whose message is printed in one line.
    """
    options = _parser().parse_args(arguments)
    try:
        if getattr(options, "uses_jax", True):
            _set_up_jax()
        return options.run(options) or 0
    except (BattprobError, OSError) as error:
        message = " ".join(str(error).split())
        print(f"battprob {options.command}: {message}", file=sys.stderr)
        return 2


def _parser():
    parser = Parser(
        prog="battprob",
        description="Probabilistic predictions for batteries. Their uncertainty has two "
        "parts: aleatoric (it remains however many cells are tested) and epistemic (more "
        "tests reduce it).",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for family in (_files, _life, _eis, _forecast, _design):
        family.add(commands)
    return parser


def _set_up_jax():
    """Float64, and compiled programs kept between runs in the user's cache."""
    import jax
    import platformdirs

    import battprob

    battprob.enable_x64()
    cache = platformdirs.user_cache_dir("battprob", appauthor=False)
    jax.config.update("jax_compilation_cache_dir", cache)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
