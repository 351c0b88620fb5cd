"""battprob: predictions from battery measurements, with two kinds of uncertainty.

Read cycling curves, capacity records, impedance spectra and cell descriptors; predict
cycle life, future capacity, circuit parameters or any other number; choose the next
experiment.

    records -> features -> Dataset -> model.fit -> Posterior -> predict -> Predictive

Every prediction is a `Predictive`: a mean, an **aleatoric** variance (differences between
cells and measurement noise, which more tests of the same kind would not reduce) and an
**epistemic** variance (uncertainty of the model, which more data would reduce).

| module | content |
|---|---|
| `data` | readers of cycler files, spectra and public data sets |
| `features`, `targets` | descriptors of cells, and what is predicted |
| `models` | Gaussian processes, linear models, mixtures for latent protocols |
| `kernels`, `noise`, `priors`, `inference` | parts of models |
| `eis` | equivalent circuits and distributions of relaxation times |
| `trajectories` | forecasts of capacity fade |
| `evaluate` | scores, calibration, cross-validation, decisions |
| `design` | which cells, protocols or electrolytes to test next |
| `plots` | figures of all of these |
"""

import importlib
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from battprob._errors import (
    AliasingWarning,
    BattprobError,
    DataError,
    FitError,
    LeakageWarning,
    PrecisionWarning,
)

if TYPE_CHECKING:  # what __getattr__ below imports, for type checkers and editors
    from battprob import (
        data,
        design,
        eis,
        evaluate,
        features,
        inference,
        kernels,
        models,
        noise,
        plots,
        priors,
        targets,
        trajectories,
        transforms,
    )
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
    """Use float64 in all JAX computations; call it once, before you create arrays.

    The default of JAX is float32, which is not accurate enough for fits of Gaussian
    processes and circuits. battprob never changes this setting itself.
    """
    import jax

    jax.config.update("jax_enable_x64", True)  # noqa: FBT003


def __getattr__(name: str) -> Any:
    """Import a submodule or class when it is first used, so `import battprob` is fast."""
    if name in _SUBMODULES:
        return importlib.import_module(f"battprob.{name}")
    if name in _HOME_OF:
        home = importlib.import_module(f"battprob.{_HOME_OF[name]}")
        return getattr(home, name)
    raise AttributeError(f"module 'battprob' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
