"""The result of one reference calculation."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Label:
    """Result of one reference calculation.

    Args:
        energy: free energy of the whole cell in eV; the forces are its gradient.
        forces: (n, 3) in eV/Å.
        stress: (6,) in eV/Å³, ASE's sign and Voigt order; NaN where the structure is not periodic in 3 directions.
        seconds: wall time of the successful attempt.
        attempt: number of the successful attempt, from 1.
    """

    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64]
    seconds: float = 0.0
    attempt: int = 1

    def to_dict(self) -> dict[str, Any]:
        """The label as builtin types; a stress that is not there is None."""
        return {
            "energy": float(self.energy),
            "forces": self.forces.tolist(),
            "stress": self.stress.tolist() if np.isfinite(self.stress).all() else None,
            "seconds": round(float(self.seconds), 3),
            "attempt": int(self.attempt),
        }

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Label":
        """The label that `to_dict` wrote."""
        stress = plain["stress"]
        return cls(
            energy=float(plain["energy"]),
            forces=np.asarray(plain["forces"], dtype=float).reshape(-1, 3),
            stress=np.full(6, np.nan) if stress is None else np.asarray(stress, dtype=float),
            seconds=float(plain["seconds"]),
            attempt=int(plain["attempt"]),
        )
