"""Imports point downwards only: the table says which part may import which.

Every import is read from the sources, imports inside functions included. Each test lists
all offenders at once.
"""

import ast
import graphlib
import pathlib
import sys

ROOT = pathlib.Path(__file__).parent.parent / "battprob"

LEAVES = {
    "_columns",
    "_errors",
    "_modules",
    "_numerics",
    "_padding",
    "_parameters",
    "_random",
    "_typing",
}
CENTRE = LEAVES | {"transforms", "dataset", "predictive", "_files"}
RECORDS = {"data.records", "data.spectra"}
PARTS = {"kernels", "noise", "priors", "inference", "state_space"}
CONSUMED = CENTRE | {"models.base"}  # the two interfaces; never a concrete model
EVERYTHING = {""}

MAY_IMPORT = {
    **dict.fromkeys(LEAVES, LEAVES),
    "_files": LEAVES,
    "transforms": LEAVES,
    "dataset": LEAVES | {"transforms"},
    "predictive": LEAVES | {"transforms"},
    "data": {"_errors"},
    "kernels": LEAVES,
    "noise": LEAVES | {"kernels"},
    "priors": LEAVES,
    "inference": LEAVES,
    "state_space": LEAVES,
    "targets": CENTRE | RECORDS | {"state_space"},
    "features": CENTRE | {"data", "state_space", "targets"},
    "models": CENTRE | PARTS,
    "trajectories": CENTRE | PARTS | {"data.records"},
    "eis": CENTRE | PARTS | {"data.readers", "data.spectra", "data.impedance"},
    "evaluate": CONSUMED,
    "design": CONSUMED,
    "design.defaults": CONSUMED
    | {"models", "kernels", "noise", "inference"},  # the default model of a campaign
    "plots": CONSUMED | {"evaluate"},
    "cli": EVERYTHING,
    "__main__": EVERYTHING,
    "__init__": EVERYTHING,  # for type checkers; test_imports.py tests what is loaded
}

# What else the parts may import that keep themselves light.
OUTSIDE = {
    "data": {"numpy", "jaxtyping", "scipy", "h5py", "galvani", "pandas", "pyarrow"}
    | {"tqdm", "joblib", "cloudpickle", "distributed", "matplotlib"},
    "plots": {"numpy", "matplotlib", "scipy"},
    **{leaf: {"jax", "numpy", "jaxtyping", "equinox"} for leaf in LEAVES},
}
HEAVY = {"h5py", "pandas", "matplotlib", "sklearn", "numpyro", "scipy"}
MADE_OF = {
    "plots": {"matplotlib", "scipy"},
    "cli.life.figure": {"matplotlib"},
    "data.inspection.figure": {"matplotlib"},
    "eis.distributions": {"numpyro"},
}
HOME_OF = {
    "Dataset": "dataset",
    "Predictive": "predictive",
    "ClassPredictive": "predictive",
    "load": "_files",
    "register": "_files",
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


def _part(module):
    return module.split(".", maxsplit=1)[0]


def test_imports_point_downwards():
    offenders = []
    for module, path in FILES.items():
        part = _part(module)
        assert part in MAY_IMPORT, f"give {part} a row in this file's table"
        allowed = MAY_IMPORT.get(module, MAY_IMPORT[part]) | {part}
        offenders += [
            f"battprob.{module} may not import battprob.{other}"
            for other in _inside(_names(path))
            if not any(_covers(one, other) for one in allowed)
        ]
    assert not offenders, "\n".join(offenders)


def test_no_circle_of_imports():
    """Assert that no file leads back to itself, imports inside functions included.

    The entries of packages only collect names; the package itself loads submodules late.
    """
    packages = {module for module, path in FILES.items() if path.stem == "__init__"}
    imports = {
        module: set(_inside(_names(path))) - {module} - packages
        for module, path in FILES.items()
        if module not in packages
    }
    list(graphlib.TopologicalSorter(imports).static_order())


def test_light_parts_stay_light():
    offenders = []
    for module, path in FILES.items():
        allowed = OUTSIDE.get(_part(module))
        names = {name.split(".")[0] for name in _names(path)}
        others = names - {"battprob"} - sys.stdlib_module_names
        if allowed is not None and not others <= allowed:
            offenders.append(f"battprob.{module} imports {others - allowed}")
    assert not offenders, "\n".join(offenders)


def test_heavy_libraries_are_imported_where_they_are_used():
    """At the top of a file they would load with it, used or not."""
    offenders = []
    for module, path in FILES.items():
        names = {name.split(".")[0] for name in _names_at_top(path)}
        meant = {
            lib for one, libs in MADE_OF.items() if _covers(one, module) for lib in libs
        }
        if names & HEAVY - meant:
            offenders.append(f"battprob.{module} imports {names & HEAVY - meant}")
    assert not offenders, "\n".join(offenders)


def test_the_reader_of_imports_sees_them():
    """Assert that the reader finds names it must find; else the tests above hold nothing."""
    found = set(_inside(_names(FILES["dataset.dataset"])))
    assert found >= {"_errors", "transforms"}
    lazy = ast.parse("def f():\n    from battprob import Dataset, kernels, FitError")
    names = [n for node in ast.walk(lazy) for n in _imported(node)]
    assert list(_inside(names)) == ["dataset", "kernels", "_errors"]
    assert not any(_covers(one, "models.process") for one in CONSUMED)
    assert any(_covers(one, "inference.map") for one in PARTS)
