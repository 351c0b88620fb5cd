"""`reweight` changes the weights of components only, `take` selects targets only."""

import jax.numpy as jnp
import numpy as np
import pytest

from battprob import Predictive
from tests.predictive.mixtures import BATCH, SCALES, mixture

FIELDS = ("location", "noise_variance", "function_variance", "log_weight")


def test_reweight_sets_component_weights_and_keeps_draw_weights():
    pred = mixture()
    weights = np.array([1.0, 3.0])
    weight = np.exp(pred.reweight(weights).log_weight)
    np.testing.assert_allclose(weight.sum(1), np.exp(pred.log_weight).sum(1))
    inside = weight / weight.sum(1, keepdims=True)
    expected = np.broadcast_to(np.array([0.25, 0.75])[None, :, None], inside.shape)
    np.testing.assert_allclose(inside, expected)


def test_weights_may_differ_between_targets():
    pred = mixture()
    weights = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 2.0]])
    both = pred.reweight(weights)
    for row in range(BATCH):
        alone = pred.take(slice(row, row + 1)).reweight(weights[:, row])
        np.testing.assert_allclose(both.mean[row], alone.mean[0])
        np.testing.assert_allclose(both.variance[row], alone.variance[0])


def test_reweight_to_a_single_component():
    pred = mixture(SCALES["log"])
    only = pred.reweight([0.0, 1.0])
    draw = np.log(np.exp(pred.log_weight).sum(1, keepdims=True))
    fields = [getattr(pred, name)[:, 1:] for name in FIELDS[:3]]
    expected = Predictive(*fields, draw, pred.transform)
    for name in ("mean", "within", "epistemic"):
        np.testing.assert_allclose(getattr(only, name), getattr(expected, name))
    np.testing.assert_allclose(only.between, 0.0, atol=1e-14)


@pytest.mark.parametrize(
    "weights", [[1.0, -1.0], [0.0, 0.0], [1.0, np.nan], [[1.0, 1.0, 0.0]] * 2]
)
def test_invalid_weights_are_refused(weights):
    with pytest.raises(RuntimeError, match="must not be negative, nor sum to zero"):
        mixture().reweight(weights)


def test_weights_for_another_number_of_components_are_refused():
    for weights in ([1.0, 1.0, 1.0], [1.0], 1.0):
        with pytest.raises(ValueError, match="each of the 2 components; got shape"):
            mixture().reweight(weights)


@pytest.mark.parametrize("rows", [slice(1, 3), np.array([2, 0]), [1], np.array(1)])
def test_take_equals_numpy_indexing_of_every_field(rows):
    pred = mixture(SCALES["log"])
    taken = pred.take(rows)
    for name in FIELDS:
        expected = np.asarray(getattr(pred, name))[:, :, rows]
        np.testing.assert_array_equal(getattr(taken, name), expected)
    np.testing.assert_allclose(taken.mean, np.asarray(pred.mean)[rows], rtol=1e-14)
    assert taken.transform == pred.transform


def test_take_does_not_index_the_transform():
    """A transform may have array fields, which are not targets."""
    import equinox as eqx

    from battprob import transforms

    class Scaled(transforms.AbstractTransform):
        factor: jnp.ndarray

        def forward(self, z):
            return self.factor * z

        def inverse(self, y):
            return y / self.factor

        def log_slope(self, y):
            return jnp.broadcast_to(-jnp.log(self.factor), y.shape)

        def moments(self, location, noise_variance, function_variance):
            square = self.factor**2
            return (
                self.factor * location,
                square * noise_variance,
                square * function_variance,
            )

        def mean_distance(self, location_a, variance_a, location_b, variance_b):
            identity = transforms.Identity().mean_distance
            return self.factor * identity(
                location_a, variance_a, location_b, variance_b
            )

    pred = mixture(Scaled(jnp.asarray(2.0)))
    taken = pred.take(np.array([2, 0]))
    np.testing.assert_allclose(taken.mean, 2 * np.asarray(mixture().mean)[[2, 0]])
    assert eqx.tree_equal(taken.transform, pred.transform)
