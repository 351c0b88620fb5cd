"""Every field of a dataset is used by a model or refused by name."""

from battprob._errors import DataError
from battprob.dataset import Dataset
from battprob.models._scaling import has_exact_labels
from battprob.models.base import AbstractModel


def require_used_fields(model: AbstractModel, dataset: Dataset) -> None:
    """Refuse a dataset with a field that the model would ignore.

    Raises:
        DataError: naming the field and what to do.
    """
    given = {
        "groups": dataset.groups is not None,
        "noise_variance": dataset.noise_variance is not None,
        "censored": not has_exact_labels(dataset),
        "protocol": dataset.protocol is not None,
    }
    for field, is_given in given.items():
        if is_given and not model.uses(field):
            raise DataError(
                f"{type(model).__name__} would ignore {field} of the dataset: "
                f"{_REMEDY[field]}"
            )


_REMEDY = {
    "groups": "fit a model with random_effects=True, or pass dataset.without('groups')",
    "noise_variance": "add noise.Known() + to the noise model, or pass "
    "dataset.without('noise_variance')",
    "censored": "use BayesianLinear, which takes censored and interval labels; dropping "
    "them would bias the fit towards short lives",
    "protocol": "fit models.ProtocolMixture, make it a feature, or pass "
    "dataset.without('protocol')",
}
