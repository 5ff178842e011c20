"""The head of a run of molecular dynamics: its cell, its name and its seed, which all that comes of it carries."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.driven_settings import Liquid, Md
from pesforge.fields import STRAIN
from pesforge.sampling.drive import DrivenFrames
from pesforge.sampling.frames import FloatArray, make_cell_frame
from pesforge.sampling.trajectory import STRIDE, Trajectory, independent_states


@dataclass(frozen=True)
class Head:
    """What a run begins with.

    Args:
        family: sampler.
        parent: crystal that the structures are made from.
        start: elements and cell of the run.
        group: name of the run.
        seed: of the run.
        strain: linear strain of a crystal; the k-points of its structures are those of the cell without it.
    """

    family: str
    parent: Atoms
    start: Atoms
    group: str
    seed: int
    strain: float = 0.0

    def frame(self, name: str, positions: FloatArray, temperature_k: float) -> Atoms:
        """A structure of the run.

        Args:
            name: its name within the run.
            positions: (n, 3) in Å.
            temperature_k: temperature in K.
        """
        atoms = self.start.copy()
        atoms.positions = positions
        frame = make_cell_frame(
            atoms,
            origin=self.parent,
            name=f"{self.group}-{name}",
            family=self.family,
            group=self.group,
            seed=self.seed,
            temperature_k=temperature_k,
            reference_cell=self.start.cell.array / (1 + self.strain),
        )
        frame.info[STRAIN] = np.array([self.strain] * 3 + [0.0] * 3)
        return frame

    def snapshots(self, states: Sequence[FloatArray], temperature_k: float) -> list[Atoms]:
        """Structures of the states, positions (n, 3) in Å, numbered from 0."""
        return [self.frame(f"{number:03d}", positions, temperature_k) for number, positions in enumerate(states)]

    def add(
        self,
        made: DrivenFrames,
        frames: Sequence[Atoms],
        run: Trajectory,
        *,
        temperature_k: float,
        requested: int,
        **more: Any,
    ) -> None:
        """Put the structures of the run, and what it says of itself, to those of the family.

        Args:
            made: what the family has so far.
            frames: structures.
            run: the run.
            temperature_k: temperature that was set, in K.
            requested: how many structures were asked for.
            more: evidence that the family adds, or knows better.
        """
        made.frames.extend(frames)
        row = run.evidence(temperature_k, requested, len(frames))
        made.runs.append({"family": self.family, "group": self.group, **row, **more})


def strained(parent: Atoms, supercell: tuple[int, int, int], strain: float) -> Atoms:
    """A supercell with all lengths 1 + strain times as long."""
    atoms = parent.repeat(supercell)
    atoms.set_cell(atoms.cell.array * (1 + strain), scale_atoms=True)
    return atoms


def settled_states(run: Trajectory, settings: Md | Liquid) -> tuple[list[FloatArray], dict[str, Any]]:
    """Independent states of a run after its equilibration, and what was measured on them (`independent_states`)."""
    run.run(max(1, settings.steps(settings.equilibration_ps) // STRIDE))
    return independent_states(run, settings.count, settings.steps(settings.max_ps))
