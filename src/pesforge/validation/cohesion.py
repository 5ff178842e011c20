"""Cohesive energy: what it takes to part a crystal into free atoms, by labels of free atoms and by the potential."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence

from ase import Atoms
from ase.calculators.calculator import Calculator

from pesforge.validation.check import Check, not_applicable, relative
from pesforge.validation.properties import energy_ev

NAME, GROUP, UNIT = "cohesive energy", "cohesion", "eV/atom"


def free_atoms(labels: Sequence[Atoms]) -> dict[str, Atoms]:
    """The label of a free atom of each element that has one."""
    return {str(atoms.symbols[0]): atoms for atoms in labels if len(atoms) == 1 and not atoms.pbc.any()}


def cohesive_ev_per_atom(counts: Mapping[str, int], free_ev: Mapping[str, float], crystal_ev: float) -> float:
    """Σ n_i E_i / Σ n_i less the energy of the crystal, eV/atom; positive where the crystal is bound.

    Args:
        counts: atoms of each element.
        free_ev: energy of a free atom of each in eV.
        crystal_ev: energy of the crystal, eV/atom.
    """
    return sum(n * free_ev[name] for name, n in counts.items()) / sum(counts.values()) - crystal_ev


def cohesion_check(
    calculator: Calculator,
    parent: Atoms,
    labels: Sequence[Atoms],
    *,
    crystal_ev_per_atom: Mapping[str, float | None],
    tolerance_percent: float,
) -> Check:
    """The cohesive energy by the potential against that of the labels.

    Free atoms are those of the labels, at the settings of all: without spin polarisation they are closed shells, so
    that the number compares two methods and is not that of an experiment.

    Args:
        calculator: the potential.
        parent: parent crystal.
        labels: labelled structures.
        crystal_ev_per_atom: energies at the minimum of each equation of state, `dft` and `potential` (None: it has
            none, which fails).
        tolerance_percent: largest deviation.
    """
    counts, free = Counter(map(str, parent.symbols)), free_atoms(labels)
    lacking = sorted(set(counts) - set(free))
    if lacking:
        meaning = f"no label of a free atom of {', '.join(lacking)}; the family `sample.dimer` has them"
        return not_applicable(NAME, GROUP, unit=UNIT, meaning=meaning)
    names = sorted(counts)
    energies = {
        "dft": [free[name].get_potential_energy() for name in names],
        "potential": [energy_ev(calculator, free[name]) for name in names],
    }
    found = {}
    for side, values in energies.items():
        crystal = crystal_ev_per_atom[side]
        free_ev = dict(zip(names, map(float, values), strict=True))
        found[side] = math.nan if crystal is None else cohesive_ev_per_atom(counts, free_ev, crystal)
    return relative(
        NAME,
        GROUP,
        found["potential"],
        reference=found["dft"],
        tolerance_percent=tolerance_percent,
        unit=UNIT,
        meaning="free atoms over the crystal at the minimum of its equation of state",
    )
