"""The repulsion of nuclei below the shortest distances of the training data: its radii, and what is left to fit."""

from collections.abc import Mapping, Sequence
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers, covalent_radii

from pesforge.potentials.model import Model
from pesforge.representations.arrays import FloatArray
from pesforge.representations.neighbours import raw_pairs
from pesforge.representations.zbl import Zbl

INNER_SHARE = 0.8
"""Inner radius in units of the outer one."""
CLOSEST_ANG = 0.3
"""Distance down to which the repulsion of two atoms is checked."""
CHECK_STEP_ANG = 0.02


def _bond(species: Sequence[str]) -> float:
    """Smallest sum of two covalent radii in Å."""
    return 2.0 * min(float(covalent_radii[atomic_numbers[symbol]]) for symbol in species)


def repulsion_for(frames: Sequence[Atoms]) -> Zbl:
    """The repulsion whose outer radius is the smaller one of a bond and the shortest distance in the data.

    A bond is the smallest sum of two covalent radii. Where the data reach, the fit alone decides.

    Args:
        frames: training structures.
    """
    species = tuple(sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()}))
    outer = _bond(species)
    for atoms in frames:
        vector = raw_pairs(atoms, outer)[3]
        if len(vector):
            outer = float(np.sqrt(np.einsum("px,px->p", vector, vector).min()))
    return Zbl(species, INNER_SHARE * outer, outer)


def without_repulsion(frames: Sequence[Atoms], baseline: Zbl) -> list[Atoms]:
    """Copies of labelled structures whose labels lack the repulsion: what is left to fit.

    Args:
        frames: structures with energy, forces and perhaps stress in their calculators.
        baseline: the repulsion.
    """
    found = []
    for atoms in frames:
        energies, forces, stress = baseline.evaluate(atoms)
        taken: dict[str, Any] = {"energy": energies.sum(), "forces": forces, "stress": stress}
        labels = {name: value - taken.get(name, 0.0) for name, value in atoms.calc.results.items()}
        rest = atoms.copy()
        rest.calc = SinglePointCalculator(rest, **labels)
        found.append(rest)
    return found


def attraction(potential: Model, outer_ang: float) -> dict[str, FloatArray]:
    """Distances in Å below `outer_ang` at which two atoms alone attract each other, for every pair of elements.

    Only pairs of elements with such distances are named: an empty answer means that all of them repel each other.

    Args:
        potential: the potential.
        outer_ang: where to begin; distances go down to 0.3 Å.
    """
    distances = np.arange(CLOSEST_ANG, outer_ang, CHECK_STEP_ANG)
    found = {}
    for pair in combinations_with_replacement(potential.species, 2):
        pull = [potential.evaluate(Atoms(pair, [[0, 0, 0], [r, 0, 0]]))[1][0, 0] for r in distances]
        attracted = distances[np.array(pull) > 0]
        if len(attracted):
            found["-".join(pair)] = attracted
    return found


def with_repulsion(choice: Mapping[str, Any], potential: Model, baseline: Zbl, notes: list[str]) -> dict[str, Any]:
    """The choice of a fit with its repulsion told; a note is added where two atoms alone still attract each other.

    Args:
        choice: what was chosen, with a `text`.
        potential: the whole potential.
        baseline: its repulsion.
        notes: what is odd, to be added to.
    """
    inner, outer = baseline.inner_ang, baseline.outer_ang
    attracted = {
        pair: [float(distances.min()), float(distances.max())]
        for pair, distances in attraction(potential, outer).items()
    }
    shares = [f"{pair} from {first:.2f} to {last:.2f} Å" for pair, (first, last) in attracted.items()]
    verdict = f"Two atoms alone repel each other from {outer:.2f} to {CLOSEST_ANG:g} Å."
    if attracted:
        verdict = f"Two atoms alone still attract each other within {outer:.2f} Å: {', '.join(shares)}."
        notes.append(
            f"the repulsion of nuclei does not outweigh the fit everywhere: {verdict} Add pairs of atoms at such "
            "distances to the training data, or fit fewer functions."
        )
    text = (
        f"{choice['text']} The screened repulsion of nuclei (ZBL) was taken off the labels and added to the fit; it is "
        f"switched off from {inner:.3f} to {outer:.3f} Å, the smaller one of the shortest distance in the "
        f"training data and a bond by covalent radii. {verdict}"
    )
    return {**choice, "text": text, "zbl": {"inner_ang": inner, "outer_ang": outer, "attraction_ang": attracted}}
