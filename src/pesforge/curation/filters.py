"""Filters on geometry and labels alone: broken numbers, atoms too close, forces beyond belief."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols, covalent_radii

from pesforge.errors import DataError
from pesforge.fields import ID
from pesforge.pairs import find_pairs
from pesforge.settings import Curate


@dataclass(frozen=True)
class Decision:
    """One structure that was dropped: its id, the filter that dropped it and the reason in words."""

    id: str
    filter: str
    reason: str

    def to_dict(self) -> dict[str, str]:
        """The decision as a row of the evidence."""
        return asdict(self)


def broken_labels(frames: Sequence[Atoms]) -> list[Decision]:
    """Structures without energy or forces, or with a label that is not a number.

    A stress may be missing, but in a periodic structure it must not hold NaN.
    """
    decisions = []
    for atoms in frames:
        results = atoms.calc.results if atoms.calc is not None else {}
        required = ["energy", "forces"] + (["stress"] if "stress" in results and atoms.pbc.all() else [])
        missing = [name for name in required if name not in results]
        broken = [name for name in required if name not in missing and not np.isfinite(results[name]).all()]
        if missing or broken:
            parts = [f"{name} is missing" for name in missing] + [f"{name} is not a number" for name in broken]
            decisions.append(Decision(atoms.info[ID], "broken_label", ", ".join(parts)))
    return decisions


def too_short(frames: Sequence[Atoms], factor: float) -> list[Decision]:
    """Structures with a pair of atoms closer than `factor` times the sum of their covalent radii.

    Periodic images count, an atom's own images included.
    """
    decisions = []
    for atoms in frames:
        radii = covalent_radii[atoms.numbers]
        i, j, distance = find_pairs(atoms, factor * 2 * float(radii.max()), "ijd", both_ways=False)
        if not len(distance):
            continue
        ratio = distance / (radii[i] + radii[j])
        worst = int(np.argmin(ratio))
        if ratio[worst] < factor:
            pair = "-".join(chemical_symbols[atoms.numbers[index]] for index in (i[worst], j[worst]))
            decisions.append(
                Decision(
                    atoms.info[ID],
                    "too_short",
                    f"a {pair} pair is {distance[worst]:.3f} Å apart, {ratio[worst]:.2f} of the sum of covalent radii; "
                    f"at least {factor:g} is believed",
                )
            )
    return decisions


def absurd_forces(frames: Sequence[Atoms], limit: float) -> list[Decision]:
    """Structures with a force on some atom above `limit` (eV/Å)."""
    decisions = []
    for atoms in frames:
        largest = float(np.linalg.norm(atoms.get_forces(), axis=1).max())
        if largest > limit:
            reason = f"largest force {largest:.1f} eV/Å, at most {limit:g} is believed"
            decisions.append(Decision(atoms.info[ID], "absurd_forces", reason))
    return decisions


class Sieve:
    """Filters of labelled structures that come one after the other; of what is dropped only the reason stays.

    Args:
        settings: limits of the filters.
    """

    def __init__(self, settings: Curate) -> None:
        self.settings = settings
        self._dropped: tuple[list[Decision], ...] = ([], [], [])
        self._ids: set[str] = set()
        self._twice: set[str] = set()

    @property
    def decisions(self) -> list[Decision]:
        """One decision for each structure that was dropped, sorted by filter, then as they came."""
        return [decision for found in self._dropped for decision in found]

    def kept(self, frames: Iterable[Atoms]) -> Iterator[Atoms]:
        """The structures worth describing, in their order.

        Args:
            frames: labelled structures with distinct ids.

        Raises:
            DataError: two structures share an id, which is told at the end.
        """
        for atoms in frames:
            name = str(atoms.info[ID])
            (self._twice if name in self._ids else self._ids).add(name)
            if not self._drops(atoms):
                yield atoms
        if self._twice:
            raise DataError(f"ids must be unique, found more than once: {', '.join(sorted(self._twice)[:5])}.")

    def _drops(self, atoms: Atoms) -> bool:
        """Whether a structure is dropped, by the first filter that does."""
        limits = self.settings
        filters = (
            lambda: broken_labels([atoms]),
            lambda: too_short([atoms], limits.min_distance_factor),
            lambda: absurd_forces([atoms], limits.max_force_ev_per_ang),
        )
        for found, judge in zip(self._dropped, filters, strict=True):
            if decision := judge():
                found += decision
                return True
        return False


def filter_labels(frames: Iterable[Atoms], settings: Curate) -> tuple[list[Atoms], list[Decision]]:
    """The labelled structures worth describing, in their order, and a decision for each one dropped; see `Sieve`."""
    sieve = Sieve(settings)
    return list(sieve.kept(frames)), sieve.decisions
