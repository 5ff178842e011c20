"""Labels of a reference calculator in one file that is whole at every moment, with a line in a journal for each."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import BaseCalculator
from ase.calculators.singlepoint import SinglePointCalculator

from pesforge.errors import DataError
from pesforge.fields import FAMILY, GROUP, ID
from pesforge.io import read_frames, write_frames
from pesforge.potentials.model import Model

REFERENCE = "reference"
"""Key under which a structure of the file names the calculator that labelled it."""


class LabelFile:
    """Structures that a reference calculator has labelled.

    Args:
        path: extended XYZ file; labels that it holds are kept.
        reference: the calculator.
        most: labels at most.
        say: takes a line for each label; None: they are appended to `path` with the suffix `.log`.

    Raises:
        DataError: the file cannot be read, or another calculator has labelled it.
    """

    def __init__(
        self, path: Path, reference: BaseCalculator, most: int, say: Callable[[str], None] | None = None
    ) -> None:
        self.path, self.reference, self.most = path, reference, most
        self._say = say or self._note
        self.source = type(reference).__name__
        self.frames = read_frames(path) if path.exists() else []
        others = sorted({str(atoms.info.get(REFERENCE)) for atoms in self.frames} - {self.source})
        if others:
            raise DataError(
                f"{path}: holds labels of {', '.join(others)}, not of {self.source}; name another file: labels of "
                "several methods do not mix."
            )

    def label(self, atoms: Atoms, why: str, potential: Model | None = None) -> Atoms:
        """The structure with its label, which is on the disk by then.

        Args:
            atoms: the structure.
            why: words for the journal.
            potential: what predicted the structure before, for its errors in the journal; None: nothing did.

        Raises:
            DataError: there are as many labels as are allowed, or the label is no finite number.
        """
        if len(self.frames) >= self.most:
            raise DataError(
                f"{why}: a label is needed, and {self.path} holds {len(self.frames)}, as many as are allowed. Raise "
                "`most`, or `margin` to ask for fewer; or cool the run down."
            )
        labelled = self._labelled(atoms)
        write_frames(self.path, [*self.frames, labelled])
        self.frames.append(labelled)
        self._say(f"label {len(self.frames)}: {why}{'' if potential is None else self._errors(labelled, potential)}")
        return labelled

    def _labelled(self, atoms: Atoms) -> Atoms:
        work = atoms.copy()
        work.set_constraint()
        work.info.clear()
        work.arrays.pop("momenta", None)
        work.calc = self.reference
        results: dict[str, Any] = {"energy": float(work.get_potential_energy()), "forces": np.array(work.get_forces())}
        if work.pbc.all() and "stress" in self.reference.implemented_properties:
            results["stress"] = np.array(work.get_stress())
        if not all(np.isfinite(values).all() for values in results.values()):
            raise DataError(f"{self.source} gives no finite energy or force for a structure of {len(atoms)} atoms.")
        name = f"label-{len(self.frames) + 1}"
        work.info.update({ID: name, GROUP: name, FAMILY: "on-the-fly", REFERENCE: self.source})
        work.calc = SinglePointCalculator(work, **results)
        return work

    def _errors(self, labelled: Atoms, potential: Model) -> str:
        energies, forces, _ = potential.evaluate(labelled)
        energy = 1e3 * abs(float(energies.sum()) - labelled.get_potential_energy()) / len(labelled)
        rms = float(np.sqrt(np.mean((forces - labelled.get_forces()) ** 2)))
        return f"; the potential of before erred by {energy:.2f} meV/atom and {rms:.4f} eV/Å"

    def _note(self, line: str) -> None:
        with self.path.with_suffix(".log").open("a", encoding="utf-8") as journal:
            journal.write(line + "\n")
