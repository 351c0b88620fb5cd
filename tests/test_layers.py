"""Imports go downwards only: each part of the package knows what this table says.

Every import is read from the sources, those inside of functions too.
"""

import ast
import graphlib
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).parent.parent / "battprob"

LEAVES = {
    "_atomic",
    "_bfgs",
    "_columns",
    "_errors",
    "_mixture",
    "_modules",
    "_nested",
    "_normal",
    "_numerics",
    "_padding",
    "_psis",
    "_random",
    "_stacking",
    "_text",
    "_typing",
    "_validation",
}
HUB = LEAVES | {"transforms", "dataset", "predictive", "class_predictive"}
RECORDS = {"data.records", "data.spectra"}
PARTS = {"kernels", "noise", "priors", "inference", "state_space", "_serialise"}
CONSUMED = HUB | {"models.base"}  # the two interfaces; never a concrete model
EVERYTHING = {""}

MAY_IMPORT = {
    **dict.fromkeys(LEAVES, LEAVES),
    "transforms": LEAVES,
    "dataset": LEAVES | {"transforms"},
    "predictive": LEAVES | {"transforms"},
    "class_predictive": LEAVES,
    "_serialise": LEAVES,
    "data": {"_errors"},
    "kernels": LEAVES,
    "noise": LEAVES | {"kernels"},
    "priors": LEAVES,
    "inference": LEAVES,
    "state_space": LEAVES,
    "targets": HUB | RECORDS | {"state_space"},
    "features": HUB | {"data", "state_space", "targets"},
    "models": HUB | PARTS | {"data.records"},
    "eis": HUB | PARTS | {"data.spectra"},
    "evaluate": CONSUMED,
    "design": CONSUMED | {"_serialise"},
    "design.defaults": CONSUMED
    | {"models", "kernels", "noise", "inference"},  # for those who name no model
    "plots": CONSUMED | {"evaluate"},
    "life": EVERYTHING,
    "sklearn": EVERYTHING,
    "cli": EVERYTHING,
    "__main__": EVERYTHING,
    "__init__": HUB | {"_serialise"},
}

# What else may be imported, by the parts that keep themselves light.
OUTSIDE = {
    "data": {"numpy", "jaxtyping", "scipy", "h5py", "galvani", "pooch", "pandas"},
    "plots": {"numpy", "matplotlib", "scipy"},
    **{leaf: {"jax", "numpy", "jaxtyping", "equinox"} for leaf in LEAVES},
}
HEAVY = {"h5py", "pooch", "pandas", "matplotlib", "sklearn", "numpyro", "scipy"}
MADE_OF = {
    "plots": {"matplotlib", "scipy"},
    "life.figure": {"matplotlib"},
    "eis.distributions": {"numpyro"},
}
HOME_OF = {
    "Dataset": "dataset",
    "Predictive": "predictive",
    "ClassPredictive": "class_predictive",
    "load": "_serialise",
    "enable_x64": "__init__",
}


def _module(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if len(parts) > 1 and parts[-1] == "__init__" else parts)


FILES = {_module(path): path for path in sorted(ROOT.rglob("*.py"))}


def _imported(node):
    """Full dotted names that one import statement asks for."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are written in full"
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return []


def _inside(names):
    """The battprob modules among full names, without the leading `battprob.`."""
    for name in names:
        head, *rest = name.split(".")
        if head != "battprob" or not rest:
            continue
        while rest and ".".join(rest) not in FILES:
            last = rest.pop()
        yield ".".join(rest) or HOME_OF.get(last, "_errors")


def _names(path):
    tree = ast.parse(path.read_text())
    return [name for node in ast.walk(tree) for name in _imported(node)]


def _names_at_top(path):
    top = ast.parse(path.read_text()).body
    return [name for node in top for name in _imported(node)]


def _covers(allowed, module):
    return allowed in ("", module) or module.startswith(f"{allowed}.")


@pytest.mark.parametrize("module", FILES)
def test_imports_go_downwards(module):
    part = module.split(".", maxsplit=1)[0]
    assert part in MAY_IMPORT, f"give {part} a row in this file's table, and DESIGN's"
    allowed = MAY_IMPORT.get(module, MAY_IMPORT[part]) | {part}
    for other in _inside(_names(FILES[module])):
        known = any(_covers(one, other) for one in allowed)
        assert known, f"battprob.{module} may not import battprob.{other}"


def test_files_of_a_part_have_an_order_too():
    """Assert that what loads with a file never leads back to it, parts aside."""
    loads = {
        module: set(_inside(_names_at_top(path))) - {module}
        for module, path in FILES.items()
    }
    order = list(graphlib.TopologicalSorter(loads).static_order())
    for below, above in [
        ("design.dimensions._values", "design.dimensions.simplex"),
        ("design.dimensions.simplex", "design.dimensions"),
        ("design.dimensions", "design.space"),
        ("models._linear_rows", "models._linear_draws"),
        ("models._linear_draws", "models.linear"),
    ]:
        assert order.index(below) < order.index(above)


@pytest.mark.parametrize("module", FILES)
def test_light_parts_stay_light(module):
    part = module.split(".", maxsplit=1)[0]
    allowed = OUTSIDE.get(part)
    names = {name.split(".")[0] for name in _names(FILES[module])}
    strangers = names - {"battprob"} - sys.stdlib_module_names
    if allowed is not None:
        assert strangers <= allowed, f"battprob.{module} imports {strangers - allowed}"


@pytest.mark.parametrize("module", FILES)
def test_heavy_libraries_are_imported_where_they_are_used(module):
    """At the top of a file they would load with it, used or not."""
    names = {name.split(".")[0] for name in _names_at_top(FILES[module])}
    meant = {
        lib for one, libs in MADE_OF.items() if _covers(one, module) for lib in libs
    }
    assert not names & HEAVY - meant


def test_the_reader_of_imports_sees_them():
    """A guard of this file: the names it must have found, or it holds nothing."""
    assert set(_inside(_names(FILES["dataset"]))) >= {"_errors", "transforms"}
    lazy = ast.parse("def f():\n    from battprob import Dataset, kernels, FitError")
    names = [n for node in ast.walk(lazy) for n in _imported(node)]
    assert list(_inside(names)) == ["dataset", "kernels", "_errors"]
    assert not any(_covers(one, "models.gp") for one in CONSUMED)
    assert any(_covers(one, "inference.map") for one in PARTS)
