"""battprob: predictions for batteries whose uncertainty is true, and split in two.

    records -> features -> Dataset -> model.fit -> Posterior -> predict -> Predictive

Every answer is a `Predictive`: a mean, an **aleatoric** variance (no further test of this
kind removes it) and an **epistemic** variance (more tests would).
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING

from battprob._errors import (
    AliasingWarning,
    BattprobError,
    DataError,
    FitError,
    LeakageWarning,
    PrecisionWarning,
)

if TYPE_CHECKING:
    from battprob._files.registry import register
    from battprob._files.serialise import load
    from battprob.dataset import Dataset
    from battprob.predictive import ClassPredictive, Predictive

__version__ = version("battprob")

_SUBMODULES = frozenset(
    [
        "data",
        "design",
        "eis",
        "evaluate",
        "features",
        "inference",
        "kernels",
        "models",
        "noise",
        "plots",
        "priors",
        "targets",
        "trajectories",
        "transforms",
    ]
)
_HOME_OF = {
    "ClassPredictive": "predictive",
    "Dataset": "dataset",
    "Predictive": "predictive",
    "load": "_files.serialise",
    "register": "_files.registry",
}

__all__ = [
    "AliasingWarning",
    "BattprobError",
    "ClassPredictive",
    "DataError",
    "Dataset",
    "FitError",
    "LeakageWarning",
    "PrecisionWarning",
    "Predictive",
    "data",
    "design",
    "eis",
    "enable_x64",
    "evaluate",
    "features",
    "inference",
    "kernels",
    "load",
    "models",
    "noise",
    "plots",
    "priors",
    "register",
    "targets",
    "trajectories",
    "transforms",
]


def enable_x64() -> None:
    """Compute in float64 from here on; call it once, before any array is made.

    JAX computes in float32 unless told otherwise. Fits of Gaussian processes and of
    circuits want float64; `battprob` never changes this switch by itself.
    """
    import jax

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003


def __getattr__(name):
    """Load what is named when it is first used: `import battprob` costs next to nothing."""
    if name in _SUBMODULES:
        return importlib.import_module(f"battprob.{name}")
    if name in _HOME_OF:
        home = importlib.import_module(f"battprob.{_HOME_OF[name]}")
        return getattr(home, name)
    raise AttributeError(f"module 'battprob' has no attribute {name!r}")


def __dir__():
    return __all__
