r"""Test of spectra against the Kramers-Kronig relations, with a p-value.

The relations hold for linear, causal and stationary systems. The measurement model is a
series of RC elements of either sign with a resistance, an inductance and a capacitance,
fitted to Re and Im together,

    Z = R + jωL + 1/jωC + Σ_k g_k / (1 + jωτ_k) + noise,   g_k ~ N(0, λ²)

with λ and the noise model by restricted likelihood, so that the number of elements need
not be chosen. Every such Z satisfies the relations. A factor 1 + d(ln ω) that varies
slowly with ln ω (drift) does not: Z d(ln jω) would satisfy them, and the difference is
about

    j Z u(ln ω),   u = -(π/2) d d / d ln ω

(Bode's relation). `p_value` belongs to the score test of the hypothesis that u, a
smooth random function of frequency, has zero variance. The statistic is a ratio of
quadratic forms. Its distribution is exact for every noise variance, given λ and the
dependence of the variance on frequency.

References:
    Agarwal, Orazem and Garcia-Rubio, J. Electrochem. Soc. 139 (1992) 1917 (measurement
    models);
    Boukamp, J. Electrochem. Soc. 142 (1995) 1885 (linear test);
    Lin, Biometrika 84 (1997) 309, doi:10.1093/biomet/84.2.309 (score test of
    variances);
    Imhof, Biometrika 48 (1961) 419 (ratios of quadratic forms).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from battprob._errors import DataError
from battprob._typing import ArrayLike, Bool, Complex, Float
from battprob.eis.likelihood import ComplexNormal
from battprob.eis.problem import checked_spectra

_FEWEST = 10  # frequencies
_PER_DECADE = 6  # RC elements
_MARGIN = 1.0  # decades of time constants beyond the measured band
_LOG10_RATIOS = np.arange(-1.0, 6.0)  # of λ² to the noise variance
_CONSTANT_PARTS = np.array([0.0, 0.03, 0.3, 1.0])  # of the variance; the rest is ∝ |Z|²
_SMOOTHNESS = 2.0  # decades over which a drift is correlated
_SIGNIFICANCE = 0.05


@dataclass(frozen=True, eq=False)
class KramersKronig:
    """Result of the test of a spectrum, or of each of a batch [n]; frequencies ascend.

    Attributes:
        frequency_hz: frequencies of all other arrays.
        p_value: probability of at least this much inconsistency in a consistent
            spectrum; below 0.05 in one of twenty consistent spectra.
        fitted: the nearest consistent spectrum, in the units of the input.
        residual: residuals of Re and Im in units of their standard deviations.
        drift: u(ln ω) in units of its standard deviations; large where the spectrum is
            inconsistent.
        outlier_p: probability of a residual at least as large at this frequency.
    """

    frequency_hz: Float[np.ndarray, " f"]
    p_value: Float[np.ndarray, "*n"]
    fitted: Complex[np.ndarray, "*n f"]
    residual: Float[np.ndarray, "*n f 2"]
    drift: Float[np.ndarray, "*n f"]
    outlier_p: Float[np.ndarray, "*n f"]

    @property
    def consistent(self) -> Bool[np.ndarray, "*n"]:
        """Which spectra pass at 5 % for the whole batch together (Holm's correction).

        One false alarm in twenty *batches*; one spectrum passes if `p_value > 0.05`.
        """
        p = np.atleast_1d(self.p_value)
        order = np.argsort(p)
        remaining = len(p) - np.arange(len(p))
        rejected = np.cumprod(p[order] * remaining < _SIGNIFICANCE) > 0
        passed = np.ones(len(p), bool)
        passed[order[rejected]] = False
        return passed.reshape(self.p_value.shape)

    @property
    def outlier(self) -> Bool[np.ndarray, "*n f"]:
        """Outliers at 5 % for all frequencies of a spectrum together (Bonferroni)."""
        return self.outlier_p * self.frequency_hz.size < _SIGNIFICANCE

    @property
    def drifting(self) -> Bool[np.ndarray, "*n f"]:
        """Frequencies of an inconsistent spectrum at which |drift| is above two."""
        return (np.abs(self.drift) > 2) & ~self.consistent[..., None]

    def __getitem__(self, row: int) -> "KramersKronig":
        """The result of one spectrum of a batch."""
        if not self.p_value.ndim:
            raise DataError(
                "this is the result of one spectrum, not of a batch: use it without [...]"
            )
        arrays = (
            self.p_value,
            self.fitted,
            self.residual,
            self.drift,
            self.outlier_p,
        )
        return KramersKronig(self.frequency_hz, *(np.asarray(a[row]) for a in arrays))

    def __str__(self):
        if self.p_value.ndim:
            wrong = np.flatnonzero(~self.consistent).tolist()
            return f"{len(wrong)} of {self.p_value.size} spectra inconsistent: {wrong}"
        verdict = "consistent" if self.consistent else "inconsistent"
        lines = [f"{verdict} with Kramers-Kronig, p = {self.p_value:.3g}"]
        for name, mask in (("drift", self.drifting), ("outliers", self.outlier)):
            if mask.any():
                hz = self.frequency_hz[mask]
                lines.append(
                    f"{name}: {hz.size} frequencies, {hz[0]:.3g} to {hz[-1]:.3g} Hz"
                )
        return "\n".join(lines)


def kramers_kronig(
    frequency_hz: ArrayLike, impedance_ohm: ArrayLike, *, admittance: bool = False
) -> KramersKronig:
    """Test spectra against the Kramers-Kronig relations.

    Args:
        frequency_hz: positive frequencies in Hz, in any order, shape [f], ten or more.
        impedance_ohm: complex impedances in ohm, shape [f] or, for a batch, [n f].
        admittance: test 1/Z in S instead, for systems that are stable only under
            controlled voltage.

    Raises:
        DataError: fewer than ten different frequencies, shapes that do not agree,
            values that are not finite, frequencies that are not positive, or a zero
            impedance.

    Example:
        >>> f = np.logspace(3, -1, 30)
        >>> noise = np.random.default_rng(0).normal(size=(2, 30))
        >>> z = 1 + 2 / (1 + 1j * f) + 0.01 * (noise[0] + 1j * noise[1])
        >>> drifting = z * np.linspace(1, 1.1, 30)  # the cell ages meanwhile
        >>> bool(kramers_kronig(f, drifting).p_value < 0.05)
        True
    """
    frequency, impedance = checked_spectra(frequency_hz, impedance_ohm, ComplexNormal())
    different = np.unique(frequency).size
    if different < _FEWEST:
        raise DataError(
            f"got {different} different frequencies: a Kramers-Kronig test needs "
            f"{_FEWEST} or more"
        )
    if np.any(impedance == 0):
        row, column = np.argwhere(np.atleast_2d(impedance) == 0)[0]
        raise DataError(
            f"impedance_ohm is zero at {frequency[column]:g} Hz of spectrum {row}: "
            "remove that frequency"
        )
    order = np.argsort(frequency)
    frequency, batch = frequency[order], np.atleast_2d(impedance)[:, order]
    model = _measurement_model(frequency)
    tested = [_test(model, 1 / z if admittance else z) for z in batch]
    fields = [np.stack(field) for field in zip(*tested, strict=True)]
    if impedance.ndim == 1:
        fields = [np.asarray(field[0]) for field in fields]
    return KramersKronig(frequency, *fields)


class _Model(NamedTuple):
    """The parts of the measurement model that depend on the frequencies only.

    Attributes:
        free: orthonormal directions of (Re, Im) that R, L and C do not influence.
        covariance: covariance of the RC elements along these directions for λ = 1.
        smooth: prior covariance of u.
    """

    free: Float[np.ndarray, "r d"]
    covariance: Float[np.ndarray, "d d"]
    smooth: Float[np.ndarray, "f f"]


class _Null(NamedTuple):
    """A consistent spectrum under one noise model.

    Attributes:
        root: Cholesky factor of its covariance.
        white: the spectrum whitened by it.
        variance: relative noise variance of Re and Im.
        loss: minus twice the restricted log likelihood.
    """

    root: Float[np.ndarray, "d d"]
    white: Float[np.ndarray, " d"]
    variance: Float[np.ndarray, " r"]
    loss: float


def _measurement_model(frequency):
    omega = 2 * np.pi * frequency
    low, high = -np.log10(omega.max()) - _MARGIN, -np.log10(omega.min()) + _MARGIN
    tau = np.logspace(low, high, int(np.ceil((high - low) * _PER_DECADE)) + 1)
    terms = [np.ones_like(omega), 1j * omega / omega.max(), omega.min() / (1j * omega)]
    basis = np.linalg.qr(_stack(np.array(terms)).T, mode="complete")[0]
    free = basis[:, len(terms) :]
    elements = free.T @ _stack(1 / (1 + 1j * omega * tau[:, None])).T
    decade = np.log10(frequency)
    distance = (decade[:, None] - decade[None]) / _SMOOTHNESS
    return _Model(free, elements @ elements.T, 1 + np.exp(-0.5 * distance**2))


def _test(model, z):
    """p-value, fitted spectrum, residuals, drift and outlier probabilities of one."""
    size = np.abs(z)
    scale = size.mean()
    target = _stack(z) / scale
    nulls = [_null(model, target, size / scale, part) for part in _CONSTANT_PARTS]
    null = min(nulls, key=lambda one: one.loss)
    # back @ back.T projects onto the residuals: Σ⁻¹ restricted to the free directions.
    back = model.free @ np.linalg.inv(null.root).T
    rotated = _stack(1j * z) / scale
    drift = rotated[:, None] * np.tile(model.smooth, (2, 2)) * rotated[None]
    form = back.T @ drift @ back
    square = null.white @ null.white
    ratio = null.white @ form @ null.white / square
    score = back @ null.white
    variance_scale = square / null.white.size
    noise = null.variance * score
    fitted = _unstack(target - noise) * scale
    return (
        np.array(_tail(np.linalg.eigvalsh(form) - ratio)),
        fitted,
        (noise / np.sqrt(variance_scale * null.variance)).reshape(2, -1).T,
        _drift(model, rotated, back, score, variance_scale),
        _outliers(back, score, square, null.white.size),
    )


def _null(model, target, size, constant_part):
    """The best λ for one noise model, by restricted likelihood."""
    variance = np.tile(constant_part + (1 - constant_part) * size**2, 2)
    noise = (model.free.T * variance[None]) @ model.free
    projected = model.free.T @ target

    def with_ratio(ratio):
        root = np.linalg.cholesky(noise + ratio * model.covariance)
        white = np.linalg.solve(root, projected)
        log_det = 2 * np.log(np.diagonal(root)).sum()
        return _Null(
            root, white, variance, white.size * np.log(white @ white) + log_det
        )

    return min(map(with_ratio, 10.0**_LOG10_RATIOS), key=lambda one: one.loss)


def _drift(model, rotated, back, score, variance_scale):
    """u(ln ω), for a variance equal to the noise's, in its sd under consistency."""
    half = rotated.size // 2
    by_frequency = (rotated * score).reshape(2, half).sum(0)
    weight = (rotated[:, None] * back).reshape(2, half, -1).sum(0)
    sd = np.sqrt(variance_scale * np.sum((model.smooth @ weight) ** 2, axis=1))
    return model.smooth @ by_frequency / sd


def _outliers(back, score, square, degrees_of_freedom):
    """P of a larger deletion residual of (Re, Im): F distribution with 2 and ν - 2."""
    half = score.size // 2
    pair = back.reshape(2, half, -1)
    block = np.einsum("ifd,jfd->fij", pair, pair)
    scores = score.reshape(2, half).T
    reduction = np.einsum("fi,fij,fj->f", scores, np.linalg.inv(block), scores)
    return np.clip(1 - reduction / square, 0, 1) ** (0.5 * degrees_of_freedom - 1)


def _tail(weight):
    """P(Σ w_i χ²_i > 0) by Imhof's integral, after a change of variable to (0, 1)."""
    weight = weight / np.abs(weight).max()
    node, node_weight = np.polynomial.legendre.leggauss(400)
    t = 0.5 * (node + 1)
    u = t / (1 - t)
    angle = 0.5 * np.arctan(weight[None] * u[:, None]).sum(1)
    log_size = 0.25 * np.log1p((weight[None] * u[:, None]) ** 2).sum(1)
    value = np.sin(angle) / u * np.exp(-log_size) / (1 - t) ** 2
    return float(np.clip(0.5 + np.sum(0.5 * node_weight * value) / np.pi, 0, 1))


def _stack(z):
    return np.concatenate([z.real, z.imag], axis=-1)


def _unstack(parts):
    real, imaginary = np.split(parts, 2)
    return real + 1j * imaginary
