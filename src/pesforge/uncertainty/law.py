"""The law of an error: its width from two variances, Student's t or Gaussian, and quantiles bent to those observed."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.special
import scipy.stats

from pesforge.errors import DataError
from pesforge.representations.arrays import FloatArray
from pesforge.uncertainty.variance import Labels

MOST_DOF = 300.0
"""Degrees of freedom from which on Student's t is taken as the Gaussian that it then is to 1 %."""


class Variances(Protocol):
    """Two parts of variances up to factors: epistemic h and aleatoric n, of the same shape."""

    @property
    def spread(self) -> FloatArray:
        """h."""

    @property
    def noise(self) -> FloatArray:
        """n."""


@dataclass(frozen=True)
class Law:
    """An error e is a draw of w t, with w² = σ_a² n + s² h and t of Student's law of ν degrees of freedom.

    Intervals bend the quantiles of t: q(p) is t(p) where that held, and what left-out errors showed where it did not.

    Attributes:
        noise: σ_a in the unit of the errors.
        scale: s in that unit over the root of the leverage's: eV for linear fits, 1 for variances over members.
        dof: ν; infinite for a Gaussian.
        knots: (J,) quantiles of |t| at the levels that were observed, rising; empty: nothing is bent.
        observed: (J,) the same quantiles of |e|/w, rising.

    Raises:
        DataError: a number is not one that a law can have.
    """

    noise: float
    scale: float
    dof: float = np.inf
    knots: tuple[float, ...] = ()
    observed: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        bent = np.array([self.knots, self.observed]) if len(self.knots) == len(self.observed) else np.zeros((2, 2))
        rising = (bent > 0).all() and (np.diff(bent, axis=1) > 0).all()
        if not (0 <= self.noise < np.inf and 0 <= self.scale < np.inf and self.dof > 2 and rising):
            raise DataError(
                f"noise {self.noise:g}, scale {self.scale:g} and {self.dof:g} degrees of freedom are no law of errors: "
                "the first two must be finite and not negative, the last above 2, the quantiles rising."
            )

    def width(self, labels: Variances) -> FloatArray:
        """Widths w (R,) in the unit of the errors."""
        return np.sqrt(self.noise**2 * labels.noise + self.scale**2 * labels.spread)

    def aleatoric(self, labels: Variances) -> FloatArray:
        """Standard deviations (R,) of the noise alone."""
        return self._std * self.noise * np.sqrt(labels.noise)

    def epistemic(self, labels: Variances) -> FloatArray:
        """Standard deviations (R,) of what the model does not know."""
        return self._std * self.scale * np.sqrt(labels.spread)

    def deviation(self, labels: Variances) -> FloatArray:
        """Standard deviations (R,) of the errors; their squares are the sums of those of both parts."""
        return self._std * self.width(labels)

    @property
    def _std(self) -> float:
        return 1.0 if np.isinf(self.dof) else float(np.sqrt(self.dof / (self.dof - 2.0)))

    def half_width(self, labels: Variances, level: float) -> FloatArray:
        """Half widths (R,) of the intervals that hold with the probability `level`."""
        return self.width(labels) * self.quantile(level)

    def quantile(self, level: float) -> float:
        """Half width of the interval of probability `level` in units of w."""
        return float(self._bend(np.array([self._student(level)]), self.knots, self.observed)[0])

    def level(self, labels: Labels) -> FloatArray:
        """(R,) levels of the intervals that each error just lies on: evenly spread over 0…1 where the law holds."""
        width = np.maximum(self.width(labels), np.finfo(np.float64).tiny)
        plain = self._bend(np.abs(labels.error) / width, self.observed, self.knots)
        if np.isinf(self.dof):
            return np.asarray(scipy.special.erf(plain / np.sqrt(2.0)))
        return np.asarray(1.0 - 2.0 * scipy.stats.t.sf(plain, self.dof))

    def _student(self, level: float) -> float:
        tail = (1.0 + level) / 2.0
        return float(scipy.stats.norm.ppf(tail) if np.isinf(self.dof) else scipy.stats.t.ppf(tail, self.dof))

    @staticmethod
    def _bend(values: FloatArray, start: tuple[float, ...], end: tuple[float, ...]) -> FloatArray:
        """A rising map through the knots, straight in the logarithms between them and in proportion beyond."""
        if not start:
            return values
        logarithm = np.log(np.maximum(values, np.finfo(np.float64).tiny))
        shift = np.log(end) - np.log(start)
        return np.asarray(np.exp(logarithm + np.interp(logarithm, np.log(start), shift)))

    def log_likelihood(self, labels: Labels) -> FloatArray:
        """(R,) logarithms of the densities of the errors by w and t alone, the unit being that of the errors."""
        return log_density(labels.error, self.width(labels), self.dof)

    def crps(self, labels: Labels) -> FloatArray:
        """(R,) continuous ranked probability scores of w and t, in the unit of the errors; lower is better.

        Source: closed forms of Gneiting and Raftery, J. Am. Stat. Assoc. 102, 359 (2007), and of Jordan, Krüger and
        Lerch, J. Stat. Softw. 90(12), 1 (2019).
        """
        width = np.maximum(self.width(labels), np.finfo(np.float64).tiny)
        z, nu = labels.error / width, self.dof
        if np.isinf(nu):
            inner = z * scipy.special.erf(z / np.sqrt(2.0)) + 2.0 * scipy.stats.norm.pdf(z) - 1.0 / np.sqrt(np.pi)
            return np.asarray(width * inner)
        density, beyond = scipy.stats.t.pdf(z, nu), scipy.stats.t.cdf(z, nu)
        constant = np.exp(scipy.special.betaln(0.5, nu - 0.5) - 2.0 * scipy.special.betaln(0.5, nu / 2.0))
        inner = z * (2.0 * beyond - 1.0) + 2.0 * density * (nu + z**2) / (nu - 1.0)
        return np.asarray(width * (inner - 2.0 * np.sqrt(nu) / (nu - 1.0) * constant))


def log_density(error: FloatArray, width: FloatArray, dof: float) -> FloatArray:
    """Logarithm of the density of w t at the errors.

    Args:
        error: (R,) errors.
        width: (R,) widths w.
        dof: ν; infinite for a Gaussian.
    """
    square = (error / width) ** 2
    if np.isinf(dof):
        return np.asarray(-0.5 * square - np.log(width) - 0.5 * np.log(2.0 * np.pi))
    constant = scipy.special.gammaln((dof + 1.0) / 2.0) - scipy.special.gammaln(dof / 2.0)
    constant -= 0.5 * np.log(dof * np.pi)
    return np.asarray(constant - 0.5 * (dof + 1.0) * np.log1p(square / dof) - np.log(width))
