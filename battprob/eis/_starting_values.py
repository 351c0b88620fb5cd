r"""Starting values of a fit, computed from the spectrum alone.

The blocks in series at the top of a circuit add up. Give every block typical
proportions: its parameters are typical × r^a × τ^b according to their dimensions
(`battprob.eis.elements`). For fixed times τ the spectrum is then *linear* in the
resistances r of the blocks. All ascending choices of times from a grid over the
frequency band are therefore tried, each with its best resistances by weighted least
squares. One Gram matrix serves all choices, and the best few become starting values.
"""

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Complex, Float, PRNGKey
from battprob.eis._default_prior import resistance_scale
from battprob.eis._lattice import lattice_points
from battprob.eis._network_impedance import node_impedance, structure
from battprob.eis._unconstrained import clip_inside, to_unconstrained
from battprob.eis.network import Network
from battprob.eis.parser import leaves

_TIMES = 9  # grid points of the time of a block over the band
_OFFSETS = (-5.0, -2.5, 0.0, 2.5, 5.0)  # e-folds of a second time in the same block
_MOST_CHOICES = 400
_LEAST_RESISTANCE = 0.02  # fraction of the characteristic resistance
_SCATTER = 1.2  # e-folds


def starting_values(
    network: Network,
    omega: Float[Array, " f"],
    impedance: Complex[Array, " f"],
    weight: Float[Array, " r"],
    *,
    key: PRNGKey,
    num: int,
) -> Float[Array, "num p"]:
    """Starting values on the unconstrained scale; the second half is scattered.

    Args:
        network: circuit to fit.
        omega: angular frequencies in rad/s.
        impedance: measured or approximate impedance in ohm.
        weight: inverse relative variances, Re before Im.
        key: PRNG key of the scatter.
        num: number of starting values.
    """
    columns, times = _columns(network, omega)
    basis = _stack(columns)
    size = jnp.sqrt(2 * jnp.mean(basis**2, axis=1))
    basis = basis / size[:, None]
    gram = (basis * weight[None]) @ basis.T
    moment = (basis * weight[None]) @ _stack(impedance)
    choices, near = _choices(network)
    scale = resistance_scale(impedance)
    amplitude, misfit = jax.vmap(lambda c: _amplitudes(gram, moment, c, scale))(
        jnp.asarray(choices)
    )
    best = _best_distinct(misfit, jnp.asarray(near), num)
    chosen = jnp.asarray(choices)[best]
    parameters = tuple(network.free_parameters.values())

    def unconstrained_typical(resistance, times):
        values = _typical(network, resistance, times)
        return to_unconstrained(clip_inside(values, parameters), parameters)

    z = jax.vmap(unconstrained_typical)(amplitude[best] / size[chosen], times[chosen])
    # A randomly shifted lattice fills space better than independent draws and compiles
    # faster.
    shift = jax.random.uniform(key, (), z.dtype)
    points = (lattice_points(num, len(parameters)) + shift) % 1
    scatter = _SCATTER * (2 * points - 1)
    second_half = jnp.arange(len(z)) >= (len(z) + 1) // 2
    return jnp.where(second_half[:, None], z + scatter, z)


def _best_distinct(misfit, near, num):
    """Indices of the best choice, the best one that is not near it, and so on."""

    def pick(misfit, _):
        best = jnp.argmin(misfit)
        return jnp.where(near[best], jnp.inf, misfit), best

    return jax.lax.scan(pick, misfit, length=num)[1]


def time_weights(network: Network) -> Float[np.ndarray, "blocks p"]:
    """Weights of the log parameters in the log characteristic time of each block.

    The time is the product of powers of the parameters that has the dimension of time;
    for R and Q it is R Q to a power that cancels the ohm.
    """
    parameters = list(network.free_parameters.values())
    weights = np.zeros((len(network.blocks()), len(parameters)))
    for row, index in zip(weights, block_indices(network), strict=True):
        powers = np.array([[parameters[i].ohm, parameters[i].second] for i in index])
        row[index] = np.linalg.pinv(powers.reshape(-1, 2))[1]
    return weights


def exchangeable(network: Network) -> list[list[int]]:
    """Groups of top-level blocks of equal structure whose parameters are all free."""
    groups: dict[str, list[int]] = {}
    for i, block in enumerate(network.blocks()):
        names = [name for leaf in leaves(block) for name in leaf.parameter_names()]
        if not set(names) & set(network.constant_names):
            groups.setdefault(structure(block), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def block_indices(network: Network) -> list[list[int]]:
    """Indices of the free parameters of every top-level block."""
    index = {name: i for i, name in enumerate(network.names)}
    return [
        [
            index[name]
            for leaf in leaves(block)
            for name in leaf.parameter_names()
            if name in index
        ]
        for block in network.blocks()
    ]


def _stack(z):
    return jnp.concatenate([z.real, z.imag], axis=-1)


def _typical(network, resistance, times):
    """Typical parameters of all blocks for a resistance and two log times of each."""
    columns = []
    for i, block in enumerate(network.blocks()):
        columns += [
            value
            for name, value in _block_values(block, resistance[i], times[i]).items()
            if name not in network.constant_names
        ]
    return jnp.stack(columns)


def _block_values(block, resistance, times):
    """Typical values; the first element with a time has times[0], others times[1]."""
    values, log_time = {}, times[0]
    for leaf in leaves(block):
        parameters = leaf.element.parameters
        for name, p in zip(leaf.parameter_names(), parameters, strict=True):
            power = resistance**p.ohm * jnp.exp(p.second * log_time)
            values[name] = p.typical * power
        if any(p.second for p in parameters):
            log_time = times[1]
    return values


def _columns(network, omega):
    """Impedance of blocks with r = 1 for all choices of times [columns f]; log times."""
    one = jnp.ones((), omega.dtype)
    early, late = -jnp.log(omega.max()), 1.0 - jnp.log(omega.min())
    columns, times = [], []
    for block in network.blocks():
        fraction, offset = _grid(block)
        first = early + (late - early) * jnp.asarray(fraction, omega.dtype)
        pairs = jnp.stack([first, first + jnp.asarray(offset, omega.dtype)], axis=1)

        def column(pair, block=block):
            return node_impedance(block, _block_values(block, one, pair), omega)

        columns.append(jax.vmap(column)(pairs))
        times.append(pairs)
    return jnp.concatenate(columns), jnp.concatenate(times)


def _grid(block):
    """Positions of a block's time in the band [0, 1], offsets of its second time."""
    dimensioned = sum(
        bool(p.ohm or p.second)
        for leaf in leaves(block)
        for p in leaf.element.parameters
    )
    timed = sum(
        any(p.second for p in leaf.element.parameters) for leaf in leaves(block)
    )
    if dimensioned < 2 or not timed:
        return np.array([0.5]), np.zeros(1)
    offsets = _OFFSETS if timed > 1 else (0.0,)
    fraction, offset = np.meshgrid(np.linspace(0, 1, _TIMES), offsets, indexing="ij")
    return fraction.ravel(), offset.ravel()


def _choices(network):
    """Column indices [choices blocks], and which choices are near each other.

    Times ascend among exchangeable blocks. If there are very many combinations, a fixed
    random subset of them is used, the same in every fit.
    """
    grids = [_grid(block) for block in network.blocks()]
    sizes = np.array([len(fraction) for fraction, _ in grids])
    if np.prod(sizes, dtype=float) <= 50 * _MOST_CHOICES:
        index = np.array(list(np.ndindex(*sizes)))
    else:
        rng = np.random.default_rng(0)
        index = rng.integers(0, sizes, (50 * _MOST_CHOICES, len(sizes)))
    for group in exchangeable(network):
        if sizes[group[0]] > 1:
            ascending = np.all(np.diff(index[:, group], axis=1) > 0, axis=1)
            index = index[ascending]
    index = index[:: -(-len(index) // _MOST_CHOICES)]
    # Coordinates in units of the grid spacing.
    position = np.stack(
        [
            np.concatenate(
                [fraction[i, None] * (_TIMES - 1), offset[i, None] / 2.5], axis=1
            )
            for (fraction, offset), i in zip(grids, index.T, strict=True)
        ],
        axis=1,
    ).reshape(len(index), -1)
    near = np.abs(position[:, None] - position[None]).max(-1) <= 1
    return index + np.concatenate([[0], np.cumsum(sizes)[:-1]]), near


def _amplitudes(gram, moment, choice, scale):
    """Positive least-squares resistances of one choice of columns, and the misfit."""
    part = gram[choice][:, choice]
    # Two blocks with neighbouring times have nearly equal columns.
    ridge = (
        1e-6 * jnp.trace(part) / len(choice) * jnp.eye(len(choice), dtype=part.dtype)
    )
    factor = jnp.linalg.cholesky(part + ridge)
    amplitude = jax.scipy.linalg.cho_solve((factor, True), moment[choice])
    amplitude = jnp.maximum(amplitude, _LEAST_RESISTANCE * scale)
    fitted = jnp.dot(amplitude, part @ amplitude)
    return amplitude, fitted - 2 * jnp.dot(amplitude, moment[choice])
