"""Student-t noise: outliers have little weight, and new rows are Student-t distributed."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import integrate, stats

from battprob import DataError, Dataset
from battprob.inference import NUTS
from battprob.models import BayesianLinear, GaussianProcess
from battprob.noise import Constant, Known, LogLinear, StudentT
from battprob.noise.student import with_precision
from battprob.predictive import Predictive
from tests.models.gaussian import fixed

RNG = np.random.default_rng(0)
X = RNG.normal(size=(24, 1))
Y = 2 * X[:, 0] + 0.1 * RNG.normal(size=24)
Y[5] += 8  # an outlier


@pytest.fixture(scope="module")
def posterior():
    sampler = NUTS(num_samples=200, num_warmup=200)
    model = BayesianLinear(StudentT(), inference=sampler)
    return model.fit(Dataset(X, Y), key=jax.random.key(0))


def test_an_outlier_hardly_changes_the_slope(posterior):
    gaussian = BayesianLinear().fit(Dataset(X, Y), key=jax.random.key(0))
    robust, plain = posterior.coefficients, gaussian.coefficients
    assert robust.mean[1] == pytest.approx(2.0, abs=3 * robust.sd[1])
    assert robust.sd[1] < 0.3 * plain.sd[1]
    precision = np.asarray(posterior.parameters.noise.log_precision).mean(0)
    assert np.argmin(precision[:24]) == 5


@pytest.mark.parametrize("freedom", [3.0, 4.0, 10.0])
def test_new_rows_are_student_t_distributed(freedom):
    head = StudentT(degrees_of_freedom=freedom)
    pred = fixed(BayesianLinear(head), X, Y).predict(X[:1])
    # Without uncertainty of the function only the noise remains.
    pred = Predictive(
        pred.location, pred.noise_variance, 0.0, pred.log_weight, pred.transform
    )
    scale = Y.std() * np.exp(-1.0)
    expected = stats.t(freedom, float(pred.mean[0]), scale)
    y = expected.mean() + scale * np.array([-8.0, -4, -1, 0, 0.5, 2, 6])
    np.testing.assert_allclose(
        pred.log_prob(y[:, None])[:, 0], expected.logpdf(y), atol=0.01
    )
    p = np.array([0.001, 0.05, 0.25, 0.75, 0.95, 0.999])
    center = expected.mean()
    ratio = (pred.quantile(p)[:, 0] - center) / (expected.ppf(p) - center)
    np.testing.assert_allclose(ratio, 1.0, atol=0.006)
    assert float(pred.aleatoric[0]) == pytest.approx(expected.var(), rel=0.01)
    assert float(pred.epistemic[0]) < 1e-20


def test_density_of_a_training_row_is_student_t():
    """Assert this for the joint density with the precision of the row integrated out."""
    head = StudentT(Constant(), degrees_of_freedom=5.0)
    x, known = jnp.zeros((1, 1)), jnp.zeros(1)
    values = np.linspace(-15, 5, 4001)

    def prior_and_variance(value):
        noise = with_precision(head, value[None])
        return noise.log_prior() - head.head.log_prior(), noise.variance(x, known)[0]

    log_prior, variance = map(
        np.asarray, jax.vmap(prior_and_variance)(jnp.asarray(values))
    )
    for y in (0.0, 0.3, 2.0):
        density = np.exp(log_prior) * stats.norm.pdf(y, 0, variance**0.5)
        integral = integrate.trapezoid(density, values)
        assert integral == pytest.approx(stats.t.pdf(y, 5, 0, np.exp(-1.0)), rel=1e-5)


def test_known_variances_are_added():
    head = Known() + StudentT(LogLinear())
    posterior = fixed(BayesianLinear(head), X, Y, noise_variance=np.full(24, 0.04))
    measured = posterior.predict(X, noise_variance=np.full(24, 0.25))
    difference = measured.aleatoric - posterior.predict(X).aleatoric
    np.testing.assert_allclose(difference, 0.25)


def test_unsupported_uses_are_refused(posterior, key):
    with pytest.raises(DataError, match=r"cannot take Student-t noise.*BayesianLinear"):
        GaussianProcess(noise=StudentT()).fit(Dataset(X, Y), key=key)
    with pytest.raises(DataError, match="has 2 StudentT parts"):
        BayesianLinear(StudentT() + StudentT()).fit(Dataset(X, Y), key=key)
    with pytest.raises(DataError, match=r"Student-t noise, .*fit to all rows"):
        posterior.condition(Dataset(X, Y))
    with pytest.raises(ValueError, match=r"degrees_of_freedom must be above 2.*got 2"):
        StudentT(degrees_of_freedom=2.0)
