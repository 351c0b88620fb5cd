"""Discharge curve of a full cell from the open-circuit potentials of its electrodes.

    V(q) = U_p(y) - U_n(x) - R (1 + 3 (1 - x)) - D (1 - x)**4,
    x = x_full - q / C_n,    y = y_full + q / C_p,    C_n x + C_p y = lithium

The capacities C are in Ah, x and y are the lithiations of graphite and LFP, and the
cyclable lithium is in Ah. Loss of lithium inventory shifts the two potentials against
each other; loss of graphite compresses the graphite potential. These are two of the
degradation modes of Birkl et al. The polarisation terms describe a 4C discharge: the
resistive loss (R) and the transport loss (D) grow as the graphite is delithiated, and
the graphite potential is averaged over a distribution of lithiations. The form of these
terms was chosen so that the curves resemble those of Severson et al. (2019).

References:
    U_p: Afshar, Morris and Khajepour (2017), arXiv:1709.03970. U_n: Chen et al. (2020),
    doi:10.1149/1945-7111/ab9050. Degradation modes: Birkl et al. (2017),
    doi:10.1016/j.jpowsour.2016.12.011.
"""

import numpy as np
from jaxtyping import Float

_LITHIATION_SD = 0.05
# The grid is finer below 0.1, where the graphite potential is steep; it extends below 0
# so that every discharge reaches the lower cut-off voltage.
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
    """Capacity discharged down to each voltage, one row per state of the cell.

    Args:
        voltage_v: falling voltages; the capacity is zero at the first one.
        lithium_ah: cyclable lithium of each state.
        graphite_ah: graphite capacity of each state.
        lfp_ah: LFP capacity.
        resistive_v: R of each state.
        diffusive_v: D of each state.
    """
    x = _GRAPHITE_LITHIATION
    y = (lithium_ah[:, None] - x * graphite_ah[:, None]) / lfp_ah
    polarisation = (
        resistive_v[:, None] * (1 + 3 * (1 - x)) + diffusive_v[:, None] * (1 - x) ** 4
    )
    voltage = lfp_potential_v(y) - _averaged_graphite_potential_v(x) - polarisation
    capacity = y * lfp_ah
    rows = zip(voltage, capacity, strict=True)
    # `np.interp` needs rising abscissae; the voltage falls along the grid.
    curves = np.stack([np.interp(-voltage_v, -v, q) for v, q in rows])
    return curves - curves[:, :1]


def _averaged_graphite_potential_v(x):
    """Mean potential of graphite with normally distributed lithiation."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(9)
    return graphite_potential_v(x[:, None] + _LITHIATION_SD * nodes) @ (
        weights / weights.sum()
    )
