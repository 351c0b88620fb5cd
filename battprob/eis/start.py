r"""Starts of a fit, found from the spectrum alone.

What stands in series at the top of a circuit adds up. Give every such block the same
typical proportions, its parameters being typical × r^a × τ^b by their dimensions
(`battprob.eis.elements`): the spectrum is then *linear* in the blocks' resistances r
once their times τ are chosen. So all sorted choices of times from a grid over the band
are tried, each with its best resistances by weighted least squares (one Gram matrix
serves them all), and the best few become starts.
"""

import jax
import jax.numpy as jnp
import numpy as np

from battprob._typing import Array, Complex, Float, PRNGKey
from battprob.eis._lattice import filling
from battprob.eis._network_impedance import node_impedance, structure
from battprob.eis._scales import inside, resistance_scale, to_free
from battprob.eis.network import Network
from battprob.eis.parser import leaves

_TIMES = 9
_OFFSETS = (-5.0, -2.5, 0.0, 2.5, 5.0)
_MOST_CHOICES = 400
_LEAST_SHARE = 0.02
_SCATTER = 1.2


def starts(
    network: Network,
    omega: Float[Array, " f"],
    impedance: Complex[Array, " f"],
    weight: Float[Array, " r"],
    *,
    key: PRNGKey,
    num: int,
) -> Float[Array, "num p"]:
    """`num` starts on the unconstrained scale, the later half scattered a little."""
    columns, times = _columns(network, omega)
    basis = _stack(columns)
    size = jnp.sqrt(2 * jnp.mean(basis**2, axis=1))
    basis = basis / size[:, None]
    gram = (basis * weight[None]) @ basis.T
    right = (basis * weight[None]) @ _stack(impedance)
    choices, near = _choices(network)
    scale = resistance_scale(impedance)
    amplitude, misfit = jax.vmap(lambda c: _amplitudes(gram, right, c, scale))(
        jnp.asarray(choices)
    )
    best = _best_apart(misfit, jnp.asarray(near), num)
    chosen = jnp.asarray(choices)[best]
    parameters = tuple(network.free_parameters.values())

    def free_typical(resistance, times):
        values = _typical(network, resistance, times)
        return to_free(inside(values, parameters), parameters)

    free = jax.vmap(free_typical)(amplitude[best] / size[chosen], times[chosen])
    # A lattice, moved at random: it fills space better than draws, and compiles faster.
    cell = filling(num, len(parameters)) + jax.random.uniform(key, (), free.dtype)
    scatter = _SCATTER * (2 * (cell % 1) - 1)
    late = jnp.arange(len(free)) >= (len(free) + 1) // 2
    return jnp.where(late[:, None], free + scatter, free)


def _best_apart(misfit, near, num):
    """The best choice, the best one not near it, and so on."""

    def pick(misfit, _):
        best = jnp.argmin(misfit)
        return jnp.where(near[best], jnp.inf, misfit), best

    return jax.lax.scan(pick, misfit, length=num)[1]


def time_weights(network: Network) -> Float[np.ndarray, "blocks p"]:
    """Weights of the log parameters in the log characteristic time of each block.

    The time that their dimensions make: of R and Q, log(R Q) by the power of second in
    the unit of Q.
    """
    parameters = list(network.free_parameters.values())
    weights = np.zeros((len(network.blocks()), len(parameters)))
    for row, own in zip(weights, block_slices(network), strict=True):
        powers = np.array([[parameters[i].ohm, parameters[i].second] for i in own])
        row[own] = np.linalg.pinv(powers.reshape(-1, 2))[1]
    return weights


def exchangeable(network: Network) -> list[list[int]]:
    """Groups of top-level blocks of equal structure, all of whose parameters are free."""
    groups: dict[str, list[int]] = {}
    for i, block in enumerate(network.blocks()):
        names = [name for leaf in leaves(block) for name in leaf.parameter_names()]
        if not set(names) & set(network.constant_names):
            groups.setdefault(structure(block), []).append(i)
    return [group for group in groups.values() if len(group) > 1]


def block_slices(network: Network) -> list[list[int]]:
    """Positions of every top-level block's free parameters."""
    position = {name: i for i, name in enumerate(network.names)}
    return [
        [
            position[name]
            for leaf in leaves(block)
            for name in leaf.parameter_names()
            if name in position
        ]
        for block in network.blocks()
    ]


def _stack(z):
    return jnp.concatenate([z.real, z.imag], axis=-1)


def _typical(network, resistance, times):
    """Parameters of all blocks from a resistance and two log times of each."""
    columns = []
    for i, block in enumerate(network.blocks()):
        columns += [
            value
            for name, value in _block_values(block, resistance[i], times[i]).items()
            if name not in network.constant_names
        ]
    return jnp.stack(columns)


def _block_values(block, resistance, times):
    """Typical values; the first timed element has the first time, all others the second."""
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
    """Every block at r = 1 and each choice of times [columns f], and the log times."""
    one = jnp.ones((), omega.dtype)
    early, late = -jnp.log(omega.max()), 1.0 - jnp.log(omega.min())
    columns, times = [], []
    for block in network.blocks():
        share, offset = _grid(block)
        first = early + (late - early) * jnp.asarray(share, omega.dtype)
        pairs = jnp.stack([first, first + jnp.asarray(offset, omega.dtype)], axis=1)

        def column(pair, block=block):
            return node_impedance(block, _block_values(block, one, pair), omega)

        columns.append(jax.vmap(column)(pairs))
        times.append(pairs)
    return jnp.concatenate(columns), jnp.concatenate(times)


def _grid(block):
    """Where in the band [0, 1] the time of a block may stand, and offsets of a second."""
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
    share, offset = np.meshgrid(np.linspace(0, 1, _TIMES), offsets, indexing="ij")
    return share.ravel(), offset.ravel()


def _choices(network):
    """Column numbers [choices blocks], and which choices are near each other.

    Times ascend among exchangeable blocks. Of a large product few are drawn, always the
    same ones.
    """
    grids = [_grid(block) for block in network.blocks()]
    sizes = np.array([len(share) for share, _ in grids])
    if np.prod(sizes, dtype=float) <= 50 * _MOST_CHOICES:
        index = np.array(list(np.ndindex(*sizes)))
    else:
        draw = np.random.default_rng(0)
        index = draw.integers(0, sizes, (50 * _MOST_CHOICES, len(sizes)))
    for group in exchangeable(network):
        if sizes[group[0]] > 1:
            ascending = np.all(np.diff(index[:, group], axis=1) > 0, axis=1)
            index = index[ascending]
    index = index[:: -(-len(index) // _MOST_CHOICES)]
    place = np.stack(
        [
            np.concatenate(
                [share[i, None] * (_TIMES - 1), offset[i, None] / 2.5], axis=1
            )
            for (share, offset), i in zip(grids, index.T, strict=True)
        ],
        axis=1,
    ).reshape(len(index), -1)
    near = np.abs(place[:, None] - place[None]).max(-1) <= 1
    return index + np.concatenate([[0], np.cumsum(sizes)[:-1]]), near


def _amplitudes(gram, right, choice, scale):
    """Least-squares resistances of one choice of columns, kept positive, and its misfit."""
    part = gram[choice][:, choice]
    ridge = (
        1e-6 * jnp.trace(part) / len(choice) * jnp.eye(len(choice), dtype=part.dtype)
    )
    factor = jnp.linalg.cholesky(part + ridge)
    amplitude = jax.scipy.linalg.cho_solve((factor, True), right[choice])
    amplitude = jnp.maximum(amplitude, _LEAST_SHARE * scale)
    fitted = jnp.dot(amplitude, part @ amplitude)
    return amplitude, fitted - 2 * jnp.dot(amplitude, right[choice])
