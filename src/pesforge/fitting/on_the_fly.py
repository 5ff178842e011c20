"""Learning while atoms move: a potential that asks a reference for a label where its own labels decide nothing."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator, Calculator, all_changes

from pesforge.errors import DataError
from pesforge.export import Potential, save_model
from pesforge.export.stage import own_errors
from pesforge.fitting.candidates import (
    NEAR_L_MAX,
    NEAR_STEPS,
    Family,
    FitSettings,
    all_pairs,
    cutoffs,
    mixed_channels,
)
from pesforge.fitting.label_file import LabelFile
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Factor, Weights
from pesforge.potentials.posterior import Posterior, whitening_of
from pesforge.representations.ace import AceBasis
from pesforge.representations.arrays import FloatArray
from pesforge.representations.design import Rows, assemble, rows_of
from pesforge.representations.pair_list import PairList
from pesforge.uncertainty.calibration import raw_laws
from pesforge.uncertainty.guard import NEARNESS, Guard

WEIGHTS = Weights(energy=1e4, force=1.0, stress=1e4)
"""Of squared residuals of energies per atom (eV), forces (eV/Å) and stresses (eV/Å³)."""
ALPHA = 1e-5
PRIOR_POWER = 2.0
NEIGHBOURS = 24.0
"""Neighbours that the cutoff encloses on average in the first labels."""
MARGIN = 2.0
"""Leverages up to so many times the largest one of a labelled atom need no label."""


class Growing:
    """A linear potential of one basis whose labels grow.

    Every label fits all coefficients anew from the rows that are kept. Adding the rows of a label to the normal
    equations would save little: a fit takes milliseconds beside the seconds to hours of a label, and scales of the
    prior and the energy zeros have to follow the labels.

    Args:
        basis: the functions.
        alpha: prior precision.
    """

    def __init__(self, basis: AceBasis, alpha: float) -> None:
        self.basis, self.alpha = basis, alpha
        self.frames: list[Atoms] = []
        self._rows: list[Rows] = []
        self._atoms: list[FloatArray] = []

    def add(self, frames: Sequence[Atoms]) -> Potential:
        """The potential of all labels with these structures among them.

        Raises:
            DataError: an element is not in the basis, or the labels tell too little.
        """
        for atoms in frames:
            self.frames.append(atoms)
            self._rows.append(rows_of(atoms, self.basis, str(len(self.frames))))
            own = np.eye(len(self.basis.species))[self.basis.species_index(atoms)]
            self._atoms.append(np.hstack([self.basis.invariants(atoms), own]))
        factor = self._problem().factorise(WEIGHTS, self.alpha)
        posterior = Posterior(whitening_of(factor), raw_laws(factor)["energy"].scale)
        return self._potential(factor, posterior.seen(self._atoms, len(self.basis.species)))

    def judged(self) -> Potential:
        """The potential of all labels with its own errors, calibrated on each label by the fit without it."""
        problem, every = self._problem(), np.ones(self.basis.n_functions, dtype=np.bool_)
        posterior, calibrated = own_errors(problem, WEIGHTS, self.alpha, every)
        known = posterior.seen(self._atoms, len(self.basis.species))
        return replace(self._potential(problem.factorise(WEIGHTS, self.alpha), known), calibrated=calibrated)

    def _problem(self) -> LinearProblem:
        return LinearProblem(assemble(self.frames, self.basis, self._rows), prior_power=PRIOR_POWER)

    def _potential(self, factor: Factor, posterior: Posterior) -> Potential:
        fit = factor.fit()
        zeros = dict(zip(self.basis.species, fit.zeros.tolist(), strict=True))
        return Potential("ace-linear", self.basis, fit.coefficients, zeros, posterior=posterior)


class Learner(Calculator):
    """ASE calculator that learns from a reference calculator as a run goes on.

    The first structure is labelled with a few rattled copies of it. From then on the potential moves the atoms; where
    the leverage of an atom crosses the border of the guard, the reference labels the structure, the label is stored,
    the potential is fitted again, and the same step goes on with the new forces. A file of labels of before is used
    first, so that a run that is started again asks for no label twice.

    Args:
        reference: gives energy and forces, and stress where it can: EMT, GPAW, any calculator of ASE.
        file: extended XYZ file of the labels, replaced whole at each of them: a kill loses none.
        functions: most functions of the potential.
        start: rattled copies of the first structure that are labelled at first.
        displacement_ang: standard deviation of their displacements.
        margin: leverages up to so many times the largest one of a labelled atom need no label.
        most: labels in the file at most.
        every: calls between two looks of the guard.
        alpha: prior precision.
        seed: of the displacements.
        say: takes a line for each label; None: they are appended to `file` with the suffix `.log`.

    Raises:
        DataError: a number is out of its range, or the file is none of labels of this reference.
    """

    implemented_properties = ["energy", "free_energy", "energies", "forces", "stress"]  # noqa: RUF012

    def __init__(
        self,
        reference: BaseCalculator,
        file: Path | str,
        *,
        functions: int = 100,
        start: int = 4,
        displacement_ang: float = 0.05,
        margin: float = MARGIN,
        most: int = 200,
        every: int = 1,
        alpha: float = ALPHA,
        seed: int = 0,
        say: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__()
        if min(functions, start, most, every) < 1 or not min(displacement_ang, margin, alpha) > 0:
            raise DataError(
                "functions, start, most and every must be 1 at least, displacement_ang, margin and alpha above 0."
            )
        self.store = LabelFile(Path(file), reference, most, say)
        self.functions, self.start, self.displacement_ang, self.seed = functions, start, displacement_ang, seed
        self.margin, self.every, self.alpha = margin, every, alpha
        self.calls = 0
        self.potential: Potential | None = None
        self._growing: Growing | None = None
        self._guard = Guard(margin=margin, stop=False)
        self._pairs = PairList()

    @property
    def labels(self) -> int:
        """Number of labels in the file."""
        return len(self.store.frames)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = all_changes,
    ) -> None:
        """Fill `results`; ask the reference first where the guard says so.

        Raises:
            DataError: more labels are needed than are allowed, or a label is no finite number.
        """
        super().calculate(atoms, properties, system_changes)
        assert isinstance(self.atoms, Atoms)
        if self.potential is None:
            self._begin(self.atoms)
        assert self.potential is not None
        seen = self._guard.results(self.atoms, partial(self.potential.uncertainty, pairs=self._pairs))
        if not seen[NEARNESS] <= 1.0:
            self._learn(self.atoms, seen[NEARNESS])
            seen = self._guard.results(self.atoms, partial(self.potential.uncertainty, pairs=self._pairs))
        energies, forces, stress = self.potential.evaluate(self.atoms, self._pairs)
        total = float(energies.sum())
        self.results = {"energy": total, "free_energy": total, "energies": energies, "forces": forces} | seen
        if np.isfinite(stress).all():
            self.results["stress"] = stress
        self.calls += 1

    def save(self, folder: Path | str) -> Potential:
        """Write the potential of all labels with its calibrated errors, see `pesforge.export.save_model`.

        Raises:
            DataError: nothing was learned yet, or the folder holds something else.
        """
        if self._growing is None:
            raise DataError("nothing was learned yet: run some steps before the potential is saved.")
        potential = self._growing.judged()
        data = {"labels": self.labels, "atoms": sum(len(atoms) for atoms in self.store.frames)}
        save_model(folder, potential, {"data": data, "method": {"alpha": self.alpha, "reference": self.store.source}})
        return potential

    def _begin(self, atoms: Atoms) -> None:
        """Fit the labels of the file, or label the first structure and rattled copies of it."""
        rng = np.random.default_rng(self.seed)
        while self.labels < self.start:
            copy = atoms.copy()
            copy.positions += self.displacement_ang * rng.normal(size=copy.positions.shape)
            self.store.label(copy, f"call {self.calls}: rattled by {self.displacement_ang:g} Å to begin with")
        species = tuple(sorted({symbol for one in self.store.frames for symbol in one.get_chemical_symbols()}))
        mixing, degrees = mixed_channels(len(species))
        family = Family(species, 1.0, NEAR_STEPS, NEAR_L_MAX, mixing, degrees)
        cutoff = cutoffs(all_pairs(self.store.frames[: self.start]), FitSettings(neighbours=(NEIGHBOURS,)))[0]
        self._growing = Growing(family.reaching(cutoff).largest(self.functions), self.alpha)
        self._take(self._growing.add(self.store.frames))

    def _learn(self, atoms: Atoms, nearness: float) -> None:
        """Label a structure and fit again."""
        assert self._growing is not None
        assert self.potential is not None
        told = f"call {self.calls}: leverage {nearness:.3g} times the border"
        labelled = self.store.label(atoms, told, self.potential)
        self._take(self._growing.add([labelled]))

    def _take(self, potential: Potential) -> None:
        """Use a potential from now on, with the border of its own labels."""
        assert potential.posterior is not None
        trained = potential.posterior.trained
        assert trained is not None
        self.potential, self._pairs = potential, PairList()
        self._guard = Guard(self.margin * trained.largest_leverage, stop=False, every=self.every)
