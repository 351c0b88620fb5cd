"""The Laplace approximation of the classifier agrees with MCMC over its latent function."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import expit

import battprob as bp
from battprob.inference.nuts import diagnose, sample
from battprob.models.process import classifier

RNG = np.random.default_rng(3)
X = RNG.normal(size=(40, 2))
Y = (RNG.uniform(size=40) < expit(3 * np.sin(2 * X[:, 0]) + X[:, 1])).astype(float)
DATA = bp.Dataset(X, Y)
LAPLACE_ERROR = 0.06  # of p, because the mode of a skewed density is not its mean


@pytest.mark.slow
def test_probabilities_agree_with_mcmc(key):
    posterior = bp.models.GaussianProcessClassifier().fit(DATA, key=key)
    kernel = jax.tree.map(lambda leaf: leaf[0], posterior.kernel)
    standard = posterior.scaling.features(jnp.asarray(X))
    gram = np.asarray(classifier._gram(kernel, standard, standard))
    root = jnp.asarray(np.linalg.cholesky(gram + 1e-8 * np.eye(40)))
    y = jnp.asarray(Y)

    def log_density(white):
        f = root @ white
        return jnp.sum(y * f - jax.nn.softplus(f)) - 0.5 * jnp.sum(white**2)

    @jax.jit
    def run(key):
        return sample(
            log_density, jnp.zeros((4, 40)), key=key, num_warmup=500, num_samples=1000
        )

    draws, diverged = run(key)
    r_hat, ess = diagnose(draws)
    assert r_hat < 1.02
    assert ess > 400
    assert not diverged.any()
    exact = expit(np.asarray(draws).reshape(-1, 40) @ np.asarray(root).T)
    pred = posterior.predict(X)
    np.testing.assert_allclose(pred.mean, exact.mean(0), atol=LAPLACE_ERROR)
    np.testing.assert_allclose(pred.epistemic, exact.var(0), atol=0.02)
