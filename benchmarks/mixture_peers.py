"""Who stands beside `ProtocolMixture` in `mixture_simulation.py`: peers, and oracles.

Oracles know what nobody does: the protocol of every row, or where the likelihood is to be
climbed from. What they get wrong, the rows do not tell.
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
    """Log density of targets under a Gaussian mixture of (x, y), given x."""
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

    Two hidden layers of 32, weights decayed; stopped where a fifth of the rows, held out, are
    likeliest.
    """
    mean, spread = y.mean(), y.std()
    rng = np.random.default_rng(seed)
    widths = [x.shape[1], 32, 32, 3 * components]
    start = [
        (jnp.asarray(rng.normal(size=(m, n)) / np.sqrt(m)), jnp.zeros(n))
        for m, n in pairwise(widths)
    ]
    optimiser = optax.adamw(3e-3, weight_decay=1e-2)
    held_out = rng.permutation(len(y)) < len(y) // 5
    z = (y - mean) / spread
    train, check = (x[~held_out], z[~held_out]), (x[held_out], z[held_out])

    def step(state, _):
        layers, memory, best, highest = state
        slope = jax.grad(lambda own: -_network(own, *train).mean())(layers)
        updates, memory = optimiser.update(slope, memory, layers)
        layers = optax.apply_updates(layers, updates)
        height = _network(layers, *check).mean()
        better = height > highest
        best = jax.tree.map(lambda new, old: jnp.where(better, new, old), layers, best)
        return (layers, memory, best, jnp.maximum(height, highest)), None

    first = (start, optimiser.init(start), start, jnp.asarray(-jnp.inf, z.dtype))
    best = jax.lax.scan(step, first, None, length=steps)[0][2]
    return np.asarray(_network(best, new, (target - mean) / spread)) - np.log(spread)


def _network(layers, x, y):
    """Log density of rows under a network that answers weights, means and log scales."""
    for weight, bias in layers[:-1]:
        x = jnp.tanh(x @ weight + bias)
    weight, bias = layers[-1]
    chance, location, log_scale = jnp.split(x @ weight + bias, 3, axis=1)
    parts = norm.logpdf(y[:, None], location, jnp.exp(log_scale))
    return jax.nn.logsumexp(jax.nn.log_softmax(chance, axis=1) + parts, axis=1)


def told_protocols(x, u, y, protocols) -> np.ndarray:
    """Oracle: least squares and logistic regression of rows whose protocols are told."""
    columns = _columns(x)
    weights = [
        np.linalg.lstsq(columns[u == k], y[u == k], rcond=None)[0]
        for k in range(protocols)
    ]
    left = y - np.sum(columns * np.stack(weights)[u], axis=1)
    variance = left @ left / (len(y) - protocols * columns.shape[1])

    def loss(flat):
        chance = log_softmax(_gate(flat, x, protocols), axis=1)
        return -chance[np.arange(len(u)), u].sum() + 0.01 * flat @ flat

    gate = minimize(loss, np.zeros(2 * (protocols - 1))).x
    return np.concatenate([np.ravel(weights), [np.log(variance)], gate])


def likeliest(x, y, truth) -> np.ndarray:
    """Oracle: the maximum of the likelihood, climbed from the truth."""
    num = truth.protocols
    origin, unit = np.zeros((1, 2)), np.eye(2)
    level = truth.functions(origin)
    slopes = np.concatenate([truth.functions(row[None]) - level for row in unit], 1)
    gate = np.log(truth.gate(unit[1:]))[:, 0] - np.log(truth.gate(origin))[:, 0]
    gate = np.stack([np.zeros(num - 1), (gate - gate[0])[1:]], axis=1)
    start = np.concatenate([np.ravel(np.hstack([level, slopes])), [0.0], gate.ravel()])

    def loss(flat):
        return -linear_mixture(flat, x, y, num)[2].sum()

    return minimize(loss, start, method="BFGS").x


def linear_mixture(flat, x, y, protocols):
    """Functions, gate and log density of rows, of an oracle's parameters."""
    num = protocols * (x.shape[1] + 1)
    functions = _columns(x) @ flat[:num].reshape(protocols, -1).T
    log_gate = log_softmax(_gate(flat[num + 1 :], x, protocols), axis=1)
    square = (y[:, None] - functions) ** 2 / np.exp(flat[num])
    parts = log_gate - 0.5 * (square + np.log(2 * np.pi) + flat[num])
    return functions, np.exp(log_gate), logsumexp(parts, axis=1)


def _columns(x):
    return np.column_stack([np.ones(len(x)), x])


def _gate(flat, x, protocols):
    own = np.vstack([np.zeros(2), flat.reshape(protocols - 1, 2)])
    return np.column_stack([np.ones(len(x)), x[:, 1]]) @ own.T
