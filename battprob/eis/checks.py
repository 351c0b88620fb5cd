r"""Is a spectrum consistent with linearity, causality and stationarity, and how surely not?

The measurement model is a ladder of RC elements of either sign with a resistance, an
inductance and a capacitance in series, fitted to Re and Im together,

    Z = R + jωL + 1/jωC + Σ_k g_k / (1 + jωτ_k) + noise,   g_k ~ N(0, λ²)

with λ and the law of the noise by restricted likelihood, so that nobody chooses how many
elements there are. Every such Z obeys Kramers and Kronig. A drift by a factor 1 + d(ln ω)
that is slow in ln ω does not: Z d(ln jω) would obey, and so what is left is about

    j Z u(ln ω),   u = -(π/2) d d / d ln ω

(Bode's relation). `p_value` is that of the score test that u, a smooth random function of
frequency, has no variance: a ratio of quadratic forms whose distribution is exact whatever the
level of the noise, given λ and the shape of its law.

References:
    Agarwal, Orazem and Garcia-Rubio, J. Electrochem. Soc. 139 (1992) 1917 (measurement models);
    Boukamp, J. Electrochem. Soc. 142 (1995) 1885 (linear test);
    Lin, Biometrika 84 (1997) 309, doi:10.1093/biomet/84.2.309 (score test of variances);
    Imhof, Biometrika 48 (1961) 419 (ratios of quadratic forms).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike, Bool, Complex, Float
from battprob.eis._problem import checked
from battprob.eis.likelihood import ComplexNormal

_FEWEST = 10
_PER_DECADE = 6
_BEYOND = 1.0  # decades past the band
_LOG10_RATIOS = np.arange(-1.0, 6.0)  # of λ to the noise
_FLOORS = np.array([0.0, 0.03, 0.3, 1.0])  # share of an additive part in the variance
_REACH = 2.0  # decades over which a drift is alike
_LEVEL = 0.05


@dataclass(frozen=True, eq=False)
class KramersKronig:
    """How consistent a spectrum is, or each of a sequence [n]; frequencies ascending.

    Attributes:
        frequency_hz: of all that follows.
        p_value: chance of so much inconsistency in a consistent spectrum; below 0.05 in
            one of twenty of these.
        fitted: the nearest consistent spectrum, in the units given.
        residual: what is left of Re and Im, in its standard deviations.
        drift: u(ln ω) in its standard deviations: where the inconsistency is.
        outlier_p: chance of a residual as large at this frequency, were it noise.
    """

    frequency_hz: Float[np.ndarray, " f"]
    p_value: Float[np.ndarray, "*n"]
    fitted: Complex[np.ndarray, "*n f"]
    residual: Float[np.ndarray, "*n f 2"]
    drift: Float[np.ndarray, "*n f"]
    outlier_p: Float[np.ndarray, "*n f"]

    @property
    def consistent(self) -> Bool[np.ndarray, "*n"]:
        """Which spectra pass at 5 % for all of the sequence together (Holm).

        One false alarm in twenty *sequences*; for one spectrum `p_value > 0.05`.
        """
        p = np.atleast_1d(self.p_value)
        order = np.argsort(p)
        rejected = np.cumprod(p[order] * (len(p) - np.arange(len(p))) < _LEVEL) > 0
        passed = np.ones(len(p), bool)
        passed[order[rejected]] = False
        return passed.reshape(self.p_value.shape)

    @property
    def outlier(self) -> Bool[np.ndarray, "*n f"]:
        """Frequencies off at 5 % for all of a spectrum together (Bonferroni)."""
        return self.outlier_p * self.frequency_hz.size < _LEVEL

    @property
    def drifting(self) -> Bool[np.ndarray, "*n f"]:
        """Frequencies at which an inconsistent spectrum is off by two sd or more."""
        return (np.abs(self.drift) > 2) & ~self.consistent[..., None]

    def __getitem__(self, row: int) -> "KramersKronig":
        """What was found of one spectrum of a sequence."""
        if not self.p_value.ndim:
            raise DataError("this is of one spectrum: it has no rows")
        own = (self.p_value, self.fitted, self.residual, self.drift, self.outlier_p)
        return KramersKronig(self.frequency_hz, *(np.asarray(a[row]) for a in own))

    def __str__(self):
        if self.p_value.ndim:
            bad = np.flatnonzero(~self.consistent)
            return f"{len(bad)} of {self.p_value.size} spectra inconsistent: {bad.tolist()}"
        verdict = "consistent" if self.consistent else "inconsistent"
        lines = [f"{verdict} with Kramers-Kronig, p = {self.p_value:.3g}"]
        for name, where in (("drift", self.drifting), ("outliers", self.outlier)):
            if where.any():
                at = self.frequency_hz[where]
                lines.append(
                    f"{name}: {at.size} frequencies, {at[0]:.3g} to {at[-1]:.3g} Hz"
                )
        return "\n".join(lines)


def kramers_kronig(
    frequency_hz: ArrayLike, impedance_ohm: ArrayLike, *, admittance: bool = False
) -> KramersKronig:
    """Test spectra against the Kramers-Kronig relations.

    Args:
        frequency_hz: positive, in Hz, in any order, shape [f], ten or more.
        impedance_ohm: complex, in Ohm, shape [f] or, a sequence, [n f].
        admittance: test 1/Z in S instead, for what is stable under a voltage only.

    Raises:
        DataError: fewer than ten different frequencies, shapes that do not agree, values
            not finite, frequencies not positive, an impedance of nought.

    Example:
        >>> f = np.logspace(3, -1, 30)
        >>> noise = np.random.default_rng(0).normal(size=(2, 30))
        >>> z = 1 + 2 / (1 + 1j * f) + 0.01 * (noise[0] + 1j * noise[1])
        >>> drifting = z * np.linspace(1, 1.1, 30)  # the cell aged as it was measured
        >>> bool(kramers_kronig(f, drifting).p_value < 0.05)
        True
    """
    frequency, impedance = checked(frequency_hz, impedance_ohm, ComplexNormal())
    if np.unique(frequency).size < _FEWEST:
        raise DataError(
            f"{np.unique(frequency).size} different frequencies: a Kramers-Kronig test "
            f"needs {_FEWEST} or more"
        )
    if np.any(impedance == 0):
        raise DataError("impedance_ohm is nought somewhere: drop that frequency")
    order = np.argsort(frequency)
    frequency, batch = frequency[order], np.atleast_2d(impedance)[:, order]
    ladder = _ladder(frequency)
    tested = [_test(ladder, 1 / z if admittance else z) for z in batch]
    fields = [np.stack(field) for field in zip(*tested, strict=True)]
    if impedance.ndim == 1:
        fields = [np.asarray(field[0]) for field in fields]
    return KramersKronig(frequency, *fields)


class _Ladder(NamedTuple):
    """What the frequencies decide, seen along directions that no series term fits."""

    free: Float[np.ndarray, "r d"]
    covariance: Float[np.ndarray, "d d"]
    smooth: Float[np.ndarray, "f f"]


class _Null(NamedTuple):
    """A consistent spectrum's covariance as a Cholesky root, the target whitened by it."""

    root: Float[np.ndarray, "d d"]
    away: Float[np.ndarray, " d"]
    variance: Float[np.ndarray, " r"]
    loss: float


def _ladder(frequency):
    omega = 2 * np.pi * frequency
    low, high = -np.log10(omega.max()) - _BEYOND, -np.log10(omega.min()) + _BEYOND
    tau = np.logspace(low, high, int(np.ceil((high - low) * _PER_DECADE)) + 1)
    terms = [np.ones_like(omega), 1j * omega / omega.max(), omega.min() / (1j * omega)]
    free = np.linalg.qr(_stack(np.array(terms)).T, mode="complete")[0][:, len(terms) :]
    elements = free.T @ _stack(1 / (1 + 1j * omega * tau[:, None])).T
    decade = np.log10(frequency)
    apart = (decade[:, None] - decade[None]) / _REACH
    return _Ladder(free, elements @ elements.T, 1 + np.exp(-0.5 * apart**2))


def _test(ladder, z):
    size = np.abs(z)
    scale = size.mean()
    target = _stack(z) / scale
    nulls = [_null(ladder, target, size / scale, floor) for floor in _FLOORS]
    null = min(nulls, key=lambda one: one.loss)
    back = ladder.free @ np.linalg.inv(null.root).T  # back @ back.T is the projector
    turned = _stack(1j * z) / scale
    drift = turned[:, None] * np.tile(ladder.smooth, (2, 2)) * turned[None]
    form = back.T @ drift @ back
    square = null.away @ null.away
    ratio = null.away @ form @ null.away / square
    pulled = back @ null.away
    level = square / null.away.size
    noise = null.variance * pulled
    fitted = _unstack(target - noise) * scale
    return (
        np.array(_tail(np.linalg.eigvalsh(form) - ratio)),
        fitted,
        (noise / np.sqrt(level * null.variance)).reshape(2, -1).T,
        _drift(ladder, turned, back, pulled, level),
        _outliers(back, pulled, square, null.away.size),
    )


def _null(ladder, target, size, floor):
    """The best λ for one law of the noise, by restricted likelihood."""
    variance = np.tile(floor + (1 - floor) * size**2, 2)
    noise = (ladder.free.T * variance[None]) @ ladder.free
    seen = ladder.free.T @ target

    def at(ratio):
        root = np.linalg.cholesky(noise + ratio * ladder.covariance)
        away = np.linalg.solve(root, seen)
        log_det = 2 * np.log(np.diagonal(root)).sum()
        return _Null(root, away, variance, away.size * np.log(away @ away) + log_det)

    return min(map(at, 10.0**_LOG10_RATIOS), key=lambda one: one.loss)


def _drift(ladder, turned, back, pulled, level):
    """u(ln ω) given one variance with the noise, in its sd under consistency."""
    half = turned.size // 2
    by_frequency = (turned * pulled).reshape(2, half).sum(0)
    weight = (turned[:, None] * back).reshape(2, half, -1).sum(0)
    spread = np.sqrt(level * np.sum((ladder.smooth @ weight) ** 2, axis=1))
    return ladder.smooth @ by_frequency / spread


def _outliers(back, pulled, square, freedom):
    """P of a larger deletion residual of (Re, Im): F of 2 and freedom - 2."""
    half = pulled.size // 2
    pair = back.reshape(2, half, -1)
    block = np.einsum("ifd,jfd->fij", pair, pair)
    own = pulled.reshape(2, half).T
    gained = np.einsum("fi,fij,fj->f", own, np.linalg.inv(block), own)
    return np.clip(1 - gained / square, 0, 1) ** (0.5 * freedom - 1)


def _tail(weight):
    """P(Σ w_i χ²_i > 0) by Imhof's integral, after a change of variable to (0, 1)."""
    weight = weight / np.abs(weight).max()
    node, share = np.polynomial.legendre.leggauss(400)
    t = 0.5 * (node + 1)
    u = t / (1 - t)
    angle = 0.5 * np.arctan(weight[None] * u[:, None]).sum(1)
    size = 0.25 * np.log1p((weight[None] * u[:, None]) ** 2).sum(1)
    value = np.sin(angle) / u * np.exp(-size) / (1 - t) ** 2
    return float(np.clip(0.5 + np.sum(0.5 * share * value) / np.pi, 0, 1))


def _stack(z):
    return np.concatenate([z.real, z.imag], axis=-1)


def _unstack(parts):
    real, imaginary = np.split(parts, 2)
    return real + 1j * imaginary
