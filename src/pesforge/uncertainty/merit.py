"""Figures of merit of predicted variances: how often intervals hold, their width, and how well they rank errors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.stats

from pesforge.representations.arrays import BoolArray, FloatArray, IntArray
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.variance import Labels

STATED = (0.5, 0.68, 0.8, 0.9, 0.95, 0.99)
"""Levels of the table of coverage."""
CURVE = (*(n / 20 for n in range(1, 20)), 0.99)
"""Levels of the calibration curve, over which the expected calibration error is a mean."""


@dataclass(frozen=True)
class Scored:
    """R errors judged by laws that were made without them.

    Attributes:
        error: (R,) in the unit of the errors.
        deviation: (R,) predicted standard deviations.
        level: (R,) level of the interval that each error just lies on.
        half_width_90: (R,) half widths of the intervals of 90 %.
        log_likelihood: (R,).
        crps: (R,).
        owner: (R,) structure.
    """

    error: FloatArray
    deviation: FloatArray
    level: FloatArray
    half_width_90: FloatArray
    log_likelihood: FloatArray
    crps: FloatArray
    owner: IntArray

    @classmethod
    def of(cls, labels: Labels, law: Law) -> "Scored":
        """Errors judged by one law."""
        return cls(
            labels.error,
            law.deviation(labels),
            law.level(labels),
            law.half_width(labels, 0.9),
            law.log_likelihood(labels),
            law.crps(labels),
            labels.owner,
        )

    @classmethod
    def joined(cls, parts: "Sequence[Scored]") -> "Scored":
        """Errors of several folds, each judged by the law of its own."""
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__dataclass_fields__))

    def coverage(self, levels: Sequence[float], chosen: BoolArray | None = None) -> list[float]:
        """Share of the errors, or of some, that lie within the intervals of each level."""
        own = self.level if chosen is None else self.level[chosen]
        return [float(np.mean(own <= level)) for level in levels]

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: mean of |observed − nominal coverage| over the levels of the curve."""
        return float(np.mean(np.abs(np.array(self.coverage(CURVE)) - np.array(CURVE))))

    def figures(self, unit: float) -> dict[str, float | None]:
        """Everything but the curve; energies, forces or stresses in the unit of the report.

        Args:
            unit: size of the unit of the errors in that of the report.
        """
        ratio = self.error / np.maximum(self.deviation, np.finfo(np.float64).tiny)
        several = np.ptp(self.deviation) > 0 and np.ptp(np.abs(self.error)) > 0
        rank = float(scipy.stats.spearmanr(self.deviation, np.abs(self.error))[0]) if several else None
        return {
            "calibration_error_percent": 100.0 * self.calibration_error,
            "standardised_std": float(np.sqrt(np.mean(ratio**2))),
            "standardised_largest": float(np.max(np.abs(ratio))),
            "sharpness": unit * float(np.sqrt(np.mean(self.deviation**2))),
            "half_width_90": unit * float(np.median(self.half_width_90)),
            "spearman": rank,
            "log_likelihood": float(np.mean(self.log_likelihood)) - float(np.log(unit)),
            "crps": unit * float(np.mean(self.crps)),
        }
