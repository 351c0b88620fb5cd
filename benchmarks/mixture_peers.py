"""Peers and oracles that `mixture_simulation.py` compares with `ProtocolMixture`.

Oracles use information that is not available in practice: the protocol of every row, or the true
parameters as the initial point of the optimisation. Their errors are those that the data do not
allow to avoid.
"""

from itertools import pairwise

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.scipy.stats import norm
from scipy.optimize import minimize
from scipy.special import log_softmax, logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture


def gaussian_mixture(x, y, new, target) -> np.ndarray:
    """Log density of targets given x, under a Gaussian mixture of (x, y)."""
    table = np.column_stack([x, y])
    fits = [
        GaussianMixture(k, n_init=3, random_state=0).fit(table) for k in range(1, 9)
    ]
    best = min(fits, key=lambda fit: fit.bic(table))
    joint = best.score_samples(np.column_stack([new, target]))
    parts = [
        np.log(weight) + multivariate_normal(mean[:-1], cov[:-1, :-1]).logpdf(new)
        for weight, mean, cov in zip(
            best.weights_, best.means_, best.covariances_, strict=True
        )
    ]
    return joint - logsumexp(parts, axis=0)


def mixture_density(x, y, new, target, components, seed, steps=600) -> np.ndarray:
    """Log density of targets under a neural mixture-density network (Bishop 1994).

    It has two hidden layers of 32 units and weight decay. Training stops early, at the highest
    log density of a validation set of a fifth of the rows.
    """
    mean, sd = y.mean(), y.std()
    rng = np.random.default_rng(seed)
    widths = [x.shape[1], 32, 32, 3 * components]
    start = [
        (jnp.asarray(rng.normal(size=(m, n)) / np.sqrt(m)), jnp.zeros(n))
        for m, n in pairwise(widths)
    ]
    optimiser = optax.adamw(3e-3, weight_decay=1e-2)
    validation = rng.permutation(len(y)) < len(y) // 5
    z = (y - mean) / sd
    train = x[~validation], z[~validation]
    check = x[validation], z[validation]

    def step(state, _):
        layers, moments, best, highest = state
        gradient = jax.grad(lambda p: -_network(p, *train).mean())(layers)
        updates, moments = optimiser.update(gradient, moments, layers)
        layers = optax.apply_updates(layers, updates)
        log_density = _network(layers, *check).mean()
        better = log_density > highest
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), layers, best)
        return (layers, moments, best, jnp.maximum(log_density, highest)), None

    first = (start, optimiser.init(start), start, jnp.asarray(-jnp.inf, z.dtype))
    best = jax.lax.scan(step, first, None, length=steps)[0][2]
    return np.asarray(_network(best, new, (target - mean) / sd)) - np.log(sd)


def _network(layers, x, y):
    """Log density of rows under a network with outputs log weights, means, log scales."""
    for weight, bias in layers[:-1]:
        x = jnp.tanh(x @ weight + bias)
    weight, bias = layers[-1]
    logits, location, log_scale = jnp.split(x @ weight + bias, 3, axis=1)
    parts = norm.logpdf(y[:, None], location, jnp.exp(log_scale))
    return jax.nn.logsumexp(jax.nn.log_softmax(logits, axis=1) + parts, axis=1)


def known_protocols(x, u, y, protocols) -> np.ndarray:
    """Oracle: least squares and logistic regression with the true protocols."""
    columns = _columns(x)
    weights = [
        np.linalg.lstsq(columns[u == k], y[u == k], rcond=None)[0]
        for k in range(protocols)
    ]
    residual = y - np.sum(columns * np.stack(weights)[u], axis=1)
    variance = residual @ residual / (len(y) - protocols * columns.shape[1])

    def loss(flat):
        log_gate = log_softmax(_gate(flat, x, protocols), axis=1)
        return -log_gate[np.arange(len(u)), u].sum() + 0.01 * flat @ flat

    gate = minimize(loss, np.zeros(2 * (protocols - 1))).x
    return np.concatenate([np.ravel(weights), [np.log(variance)], gate])


def maximum_likelihood(x, y, truth) -> np.ndarray:
    """Oracle: the maximum of the likelihood near the true parameters."""
    num = truth.protocols
    origin, unit = np.zeros((1, 2)), np.eye(2)
    offset = truth.functions(origin)
    slopes = np.concatenate([truth.functions(row[None]) - offset for row in unit], 1)
    gate = np.log(truth.gate(unit[1:]))[:, 0] - np.log(truth.gate(origin))[:, 0]
    gate = np.stack([np.zeros(num - 1), (gate - gate[0])[1:]], axis=1)
    start = np.concatenate([np.ravel(np.hstack([offset, slopes])), [0.0], gate.ravel()])

    def loss(flat):
        return -linear_mixture(flat, x, y, num)[2].sum()

    return minimize(loss, start, method="BFGS").x


def linear_mixture(flat, x, y, protocols):
    """Functions, gate and log density of rows for the parameters of an oracle."""
    num = protocols * (x.shape[1] + 1)
    functions = _columns(x) @ flat[:num].reshape(protocols, -1).T
    log_gate = log_softmax(_gate(flat[num + 1 :], x, protocols), axis=1)
    square = (y[:, None] - functions) ** 2 / np.exp(flat[num])
    parts = log_gate - 0.5 * (square + np.log(2 * np.pi) + flat[num])
    return functions, np.exp(log_gate), logsumexp(parts, axis=1)


def _columns(x):
    return np.column_stack([np.ones(len(x)), x])


def _gate(flat, x, protocols):
    weights = np.vstack([np.zeros(2), flat.reshape(protocols - 1, 2)])
    return np.column_stack([np.ones(len(x)), x[:, 1]]) @ weights.T
