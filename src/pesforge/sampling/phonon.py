"""Correlated displacements of the harmonic phonons that the parent cell holds."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import _amu, _e, _hbar

from pesforge.errors import DataError
from pesforge.family_settings import Phonon, Statistics
from pesforge.fields import BOLTZMANN_EV_PER_K
from pesforge.sampling.counts import thermal_draws
from pesforge.sampling.frames import FloatArray, make_frame
from pesforge.sampling.gaussian_evidence import ByTemperature, Expected, displacement_rows, energy_rows
from pesforge.sampling.measured import Measured

NAME = "phonon"
RIGID = 3
"""Modes that shift the whole crystal."""
SOFTEST_THZ = 0.01
"""Slower modes are no vibrations: phonopy leaves them out. Errors of force constants are far larger than that."""
HBAR_EV_S = _hbar / _e
PER_S = float(np.sqrt(_e / _amu) * 1e10)
"""Angular frequency in 1/s of an eigenvalue of 1 eV/(Å² u)."""
THZ = PER_S / (2e12 * np.pi)
"""Frequency in THz of such an eigenvalue."""


def sample(parent: Atoms, settings: Phonon, measured: Measured, seed: int) -> list[Atoms]:
    """Structures drawn from the harmonic canonical distribution of the parent cell; each draw is a group of its own.

    All modes whose wavelength fits into the cell are excited, the rigid shifts are not: the centre of mass stays. The
    number at each temperature goes with T. A structure depends on the seed, its temperature and its number there
    alone, so that a larger `count` keeps them.

    Args:
        parent: parent crystal.
        settings: temperatures, count, statistics.
        measured: force constants.
        seed: seed of the study.

    Raises:
        DataError: the parent is unstable, or its cell has no vibrations.

    Source: the library phonopy (A. Togo, J. Phys. Soc. Jpn. 92, 012001, 2023), `RandomDisplacements`.
    """
    Modes(parent, measured.force_constants).check()
    drawn = _random_displacements(parent, measured.force_constants, settings.statistics)
    frames = []
    words = (NAME, settings.statistics)
    for name, temperature, own in thermal_draws(words, settings.temperatures_k, settings.count, seed):
        drawn.run(temperature, number_of_snapshots=1, random_seed=own)
        frames.append(
            make_frame(
                parent,
                name=name,
                family=NAME,
                group=name,
                seed=own,
                displacements=drawn.u[0],
                temperature_k=temperature,
            )
        )
    return frames


def _random_displacements(parent: Atoms, force_constants: FloatArray, statistics: Statistics) -> Any:
    """phonopy's generator for the parent cell as a whole: its primitive cell is the parent, its only wave vector Γ.

    Symmetry inside of the parent is not used, so that folded wave vectors are modes like all others.
    """
    from phonopy.phonon.random_displacements import RandomDisplacements
    from phonopy.structure.atoms import PhonopyAtoms
    from phonopy.structure.cells import get_primitive, get_supercell

    n = len(parent)
    cell = PhonopyAtoms(
        symbols=[str(symbol) for symbol in parent.symbols],
        cell=parent.cell.array,
        scaled_positions=parent.get_scaled_positions(),
        masses=parent.get_masses(),
    )
    supercell = get_supercell(cell, np.eye(3, dtype=int))
    blocks = np.ascontiguousarray(force_constants.reshape(n, 3, n, 3).transpose(0, 2, 1, 3))
    return RandomDisplacements(
        supercell,
        get_primitive(supercell, np.eye(3)),
        blocks,
        dist_func=statistics,
        cutoff_frequency=SOFTEST_THZ,
        sampling_matrix="symmetric",
    )


@dataclass(frozen=True)
class Modes:
    """Vibrations of the parent cell from its force constants, and what harmonic theory expects of them.

    Args:
        parent: parent crystal.
        force_constants: Φ in eV/Å², (3n, 3n).
    """

    parent: Atoms
    force_constants: FloatArray

    @cached_property
    def _eigen(self) -> tuple[FloatArray, FloatArray]:
        """Eigenvalues of the dynamical matrix in eV/(Å² u), rising, and its eigenvectors in columns."""
        weights = 1 / np.sqrt(np.repeat(self.parent.get_masses(), 3))
        values, vectors = np.linalg.eigh(self.force_constants * np.outer(weights, weights))
        return values, vectors

    @property
    def frequencies_thz(self) -> FloatArray:
        """Frequencies in THz, (3n,), rising; imaginary ones are negative."""
        values = self._eigen[0]
        return THZ * np.sign(values) * np.sqrt(np.abs(values))

    def check(self) -> None:
        """Refuse a parent that is not at a minimum of its energy.

        Raises:
            DataError: a mode that is no rigid shift is imaginary or has no restoring force.
        """
        frequencies = self.frequencies_thz
        if len(self.parent) == 1:
            raise DataError(
                "a cell with a single atom has no vibrations: enlarge `structure.supercell`, or remove `sample.phonon`."
            )
        soft = np.delete(frequencies, np.argsort(np.abs(frequencies), kind="stable")[:RIGID])
        soft = soft[soft < SOFTEST_THZ]
        if len(soft):
            found = ", ".join(f"{-value:.3g}i" if value < 0 else f"{value:.3g}" for value in soft[:5])
            raise DataError(
                f"the parent is unstable: {len(soft)} of its {len(frequencies) - RIGID} vibrations have no restoring "
                f"force, frequency {found} THz (i: imaginary). Correct `structure` (lattice constant, positions, "
                "supercell), or remove `sample.phonon`."
            )

    def _mean_squares(self, temperature_k: float, statistics: Statistics) -> tuple[FloatArray, FloatArray]:
        """⟨Q²⟩ in Å² u of every vibration, and ω² ⟨Q²⟩ in eV, which is its mean energy."""
        values = self._eigen[0]
        values = values[values > (SOFTEST_THZ / THZ) ** 2]
        energies = np.full(len(values), BOLTZMANN_EV_PER_K * temperature_k)
        if statistics == "quantum":
            quanta = HBAR_EV_S * PER_S * np.sqrt(values)
            energies = quanta / 2 / np.tanh(quanta / (2 * BOLTZMANN_EV_PER_K * temperature_k))
        return energies / values, energies

    def expected(self, temperature_k: float, statistics: Statistics) -> Expected:
        """⟨u²⟩ and tr C² of the covariance C = M^(-1/2) E ⟨Q²⟩ Eᵀ M^(-1/2) of the displacements."""
        covariance = self.covariance(temperature_k, statistics)
        return Expected(
            msd_ang2=np.diagonal(covariance).reshape(-1, 3).sum(axis=1),
            trace_of_square_ang4=float((covariance**2).sum()),
        )

    def covariance(self, temperature_k: float, statistics: Statistics) -> FloatArray:
        """⟨u uᵀ⟩ in Å², (3n, 3n).

        Args:
            temperature_k: temperature in K.
            statistics: `classical` or `quantum`.
        """
        squares, _ = self._mean_squares(temperature_k, statistics)
        scaled = self._eigen[1][:, -len(squares) :] / np.sqrt(np.repeat(self.parent.get_masses(), 3))[:, None]
        return np.asarray((scaled * squares) @ scaled.T)

    def potential_energy_ev_per_atom(self, temperature_k: float, statistics: Statistics) -> float:
        """Mean potential energy per atom in eV: half of the mean energy of every vibration; (3/2) k_B T (n − 1)/n."""
        return float(self._mean_squares(temperature_k, statistics)[1].sum() / 2 / len(self.parent))


def displacement_evidence(
    parent: Atoms, squares: ByTemperature, measured: Measured, statistics: Statistics
) -> list[dict[str, Any]]:
    """Observed ⟨u²⟩ in Å² against the covariance of the force constants, by temperature (`displacement_rows`).

    Args:
        parent: parent crystal.
        squares: squared displacements of the family, see `squares_of`.
        measured: force constants.
        statistics: of the structures.
    """
    modes = Modes(parent, measured.force_constants)
    return displacement_rows(parent, squares, lambda temperature_k: modes.expected(temperature_k, statistics))


def energy_evidence(
    parent: Atoms, rises: ByTemperature, measured: Measured, statistics: Statistics
) -> list[dict[str, Any]]:
    """Mean rise of the energy per atom in eV against half of the mean harmonic energy, by temperature (`energy_rows`).

    Args:
        parent: parent crystal.
        rises: rises of the energy of the family, see `rises_of`.
        measured: force constants.
        statistics: of the structures.
    """
    modes = Modes(parent, measured.force_constants)
    return energy_rows(
        rises,
        lambda temperature_k: modes.potential_energy_ev_per_atom(temperature_k, statistics),
    )
