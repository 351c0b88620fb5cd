"""A cell's discharge curve from the open-circuit curves of its two electrodes.

    V(q) = U_p(y) - U_n(x) - R (1 + 3 (1 - x)) - D (1 - x)**4,
    x = x_full - q / C_n,    y = y_full + q / C_p,    C_n x + C_p y = lithium

with capacities C in Ah, lithiations x (graphite) and y (LFP), and the cyclable lithium in
Ah. Losing lithium slides the electrodes against each other, losing graphite squeezes its
curve: two of the ageing modes of Birkl et al. A 4C discharge is far from open circuit:
the graphite's curve is smeared over a spread of lithiations, and the voltage lost to
resistance (R) and to transport (D) grows as the graphite empties. These last forms are
ours, chosen by eye so that curves look like those of Severson et al. (2019).

References:
    U_p: Afshar, Morris and Khajepour (2017), arXiv:1709.03970. U_n: Chen et al. (2020),
    doi:10.1149/1945-7111/ab9050. Ageing modes: Birkl et al. (2017),
    doi:10.1016/j.jpowsour.2016.12.011.
"""

import numpy as np
from jaxtyping import Float

_LITHIATION_SD = 0.05
_GRAPHITE_LITHIATION = np.concatenate(
    [np.linspace(0.95, 0.1, 200), np.linspace(0.1, -0.05, 120)[1:]]
)


def lfp_potential_v(y: Float[np.ndarray, "*b"]) -> Float[np.ndarray, "*b"]:
    """Open-circuit potential in V of LFP at lithiation y."""
    plateau = 3.4077 - 0.020269 * y
    return plateau + 0.5 * np.exp(-150 * y) - 0.9 * np.exp(-30 * (1 - y))


def graphite_potential_v(x: Float[np.ndarray, "*b"]) -> Float[np.ndarray, "*b"]:
    """Open-circuit potential in V of graphite at lithiation x."""
    return (
        1.9793 * np.exp(-39.3631 * x)
        + 0.2482
        - 0.0909 * np.tanh(29.8538 * (x - 0.1234))
        - 0.04478 * np.tanh(14.9159 * (x - 0.2769))
        - 0.0205 * np.tanh(30.4444 * (x - 0.6103))
    )


def discharge_curves_ah(
    voltage_v: Float[np.ndarray, " v"],
    *,
    lithium_ah: Float[np.ndarray, " c"],
    graphite_ah: Float[np.ndarray, " c"],
    lfp_ah: float,
    resistive_v: Float[np.ndarray, " c"],
    diffusive_v: Float[np.ndarray, " c"],
) -> Float[np.ndarray, "c v"]:
    """Capacity discharged down to each voltage, one row a state of the cell.

    Args:
        voltage_v: falling grid; capacity is counted from its first voltage.
        lithium_ah: cyclable lithium of each state.
        graphite_ah: capacity of the graphite in each state.
        lfp_ah: capacity of the LFP.
        resistive_v: R above, in each state.
        diffusive_v: D above, in each state.
    """
    x = _GRAPHITE_LITHIATION
    y = (lithium_ah[:, None] - x * graphite_ah[:, None]) / lfp_ah
    lost = (
        resistive_v[:, None] * (1 + 3 * (1 - x)) + diffusive_v[:, None] * (1 - x) ** 4
    )
    voltage = lfp_potential_v(y) - _smeared_graphite_v(x) - lost
    capacity = y * lfp_ah
    rows = zip(voltage, capacity, strict=True)
    curves = np.stack([np.interp(-voltage_v, -v, q) for v, q in rows])
    return curves - curves[:, :1]


def _smeared_graphite_v(x):
    """Mean potential of graphite whose lithiation varies over its depth, as at 4C."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    return graphite_potential_v(x[:, None] + _LITHIATION_SD * nodes) @ (
        weights / weights.sum()
    )
