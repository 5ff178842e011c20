"""Formation energies and hull of made-up systems whose answers are known in closed form."""

from dataclasses import replace

import pytest

from pesforge.errors import DataError
from pesforge.validation.hull import (
    Phase,
    chemical_potentials,
    energies_above_hull,
    formation_energies,
    formation_energy,
    missing_references,
    one_settings,
)

MU = {"Si": -5.4, "C": -9.1}
ABOVE = 0.037
"""Energy of the metastable compound above the tie line, eV/atom."""


def compound(name, formation, **counts):
    """A crystal with a given formation energy in eV/atom."""
    bound = sum(count * MU[element] for element, count in counts.items()) / sum(counts.values())
    return Phase(name, counts, bound + formation, "dft-1")


def binary():
    """Two elements, a stable SiC at −0.3 eV/atom, and SiC₃ a known energy above the line from SiC to C (at −0.15)."""
    return [
        compound("Si", 0.0, Si=8),
        compound("C", 0.0, C=2),
        compound("SiC", -0.3, Si=4, C=4),
        compound("SiC3", -0.15 + ABOVE, Si=1, C=3),
    ]


def test_formation_energies_are_those_that_were_built_in():
    assert formation_energies(binary()) == pytest.approx([0, 0, -0.3, -0.15 + ABOVE], abs=1e-12)
    by_hand = (4 * -5.4 + 4 * -9.1 - 8 * 0.3) / 8
    assert formation_energy(Phase("SiC", {"Si": 4, "C": 4}, by_hand, "dft-1"), MU) == pytest.approx(-0.3)


def test_the_hull_has_the_known_corners_and_the_known_height():
    assert energies_above_hull(binary()) == pytest.approx([0, 0, 0, ABOVE], abs=1e-12)


def test_a_second_structure_of_an_element_is_above_the_hull_by_its_energy_and_is_no_reference():
    phases = [*binary(), compound("C again", 0.11, C=4)]
    assert chemical_potentials(phases) == pytest.approx(MU)
    assert energies_above_hull(phases)[-1] == pytest.approx(0.11)
    lower = [*binary(), compound("C lower", -0.02, C=4)]
    assert chemical_potentials(lower)["C"] == pytest.approx(MU["C"] - 0.02)
    assert formation_energies(lower)[2] == pytest.approx(-0.3 + 0.01)


def test_a_compound_that_would_decompose_is_no_corner():
    phases = [item for item in binary() if item.name != "SiC"] + [compound("SiC", 0.2, Si=1, C=1)]
    assert energies_above_hull(phases)[-1] == pytest.approx(0.2 + (0.15 - ABOVE) * 2 / 3)


def test_another_zero_of_the_energies_of_each_element_changes_nothing():
    shift = {"Si": 812.5, "C": -31.0}
    moved = [
        replace(
            phase,
            energy_ev_per_atom=phase.energy_ev_per_atom
            + sum(share * shift[element] for element, share in phase.fractions.items()),
        )
        for phase in binary()
    ]
    assert formation_energies(moved) == pytest.approx(formation_energies(binary()), abs=1e-9)
    assert energies_above_hull(moved) == pytest.approx(energies_above_hull(binary()), abs=1e-9)


def test_the_size_of_the_cell_does_not_matter():
    doubled = [replace(item, counts={key: 3 * n for key, n in item.counts.items()}) for item in binary()]
    assert energies_above_hull(doubled) == pytest.approx(energies_above_hull(binary()), abs=1e-12)


def test_pymatgen_finds_the_same_formation_energies():
    from pymatgen.analysis.phase_diagram import PDEntry, PhaseDiagram
    from pymatgen.core import Composition

    entries = [
        PDEntry(Composition(item.counts), item.energy_ev_per_atom * sum(item.counts.values())) for item in binary()
    ]
    diagram = PhaseDiagram(entries)
    theirs = [diagram.get_form_energy_per_atom(entry) for entry in entries]
    assert formation_energies(binary()) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("compute", [one_settings, chemical_potentials, formation_energies, energies_above_hull])
def test_energies_of_different_settings_are_refused(compute):
    mixed = [replace(item, settings_hash="dft-2") if item.name == "C" else item for item in binary()]
    with pytest.raises(DataError, match=r"Si, SiC, SiC3 with dft-1; C with dft-2"):
        compute(mixed)


@pytest.mark.parametrize("compute", [chemical_potentials, formation_energies, energies_above_hull])
def test_an_element_without_its_own_crystal_has_no_chemical_potential(compute):
    with pytest.raises(DataError, match="no chemical potential for C"):
        compute([item for item in binary() if item.name != "C"])


def test_missing_references_are_named():
    assert missing_references([{"Si": 4, "C": 4}]) == ["C", "Si"]
    assert missing_references([{"Si": 4, "C": 4}, {"C": 2}]) == ["Si"]
    assert missing_references([{"Si": 2}]) == []


def test_nothing_is_refused():
    with pytest.raises(DataError, match="no crystal"):
        one_settings([])
