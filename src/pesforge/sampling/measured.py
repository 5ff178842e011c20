"""What is measured by DFT on the parent before structures are drawn from it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from ase import Atoms

from pesforge.sampling.frames import FloatArray


@dataclass(frozen=True)
class Measured:
    """The stiffness of the parent, as every sampler gets it."""

    stiffness: Mapping[str, float]
    """On-site force constant k_eff of every species in eV/Å²."""
    force_constants: FloatArray
    """Φ in eV/Å², shape (3n, 3n), atom-major x, y, z, summed over the periodic images of the second atom."""

    @classmethod
    def of(cls, evidence: Mapping[str, Any]) -> Self:
        """What the stage `measure_stiffness` wrote.

        Args:
            evidence: holds `stiffness_ev_per_ang2` and `force_constants_ev_per_ang2`.
        """
        return cls(
            stiffness=evidence["stiffness_ev_per_ang2"],
            force_constants=np.array(evidence["force_constants_ev_per_ang2"], dtype=float),
        )

    @classmethod
    def assumed(cls, parent: Atoms) -> Self:
        """A stand-in before anything is measured: every atom tied to the centre of all of them by 1 eV/Å².

        Args:
            parent: parent crystal.
        """
        n = len(parent)
        springs = np.eye(n) - np.full((n, n), 1 / n)
        return cls(stiffness=dict.fromkeys(parent.symbols, 1.0), force_constants=np.kron(springs, np.eye(3)))
