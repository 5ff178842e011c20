"""The perfect parent in cells of other shape: which cells, their meshes, and a scan that they decide."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from pesforge.dft.convergence import convergence_cells, scan_parameter
from pesforge.dft.label import Label
from pesforge.dft.scan import Scan, scan
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.shapes import other_shapes, shapes, spread
from pesforge.errors import ConvergenceError
from pesforge.family_settings import Sample
from pesforge.settings import Converge, ConvergenceTargets, Dft

CELLS = ("displaced", "stretched", "compressed")
NOTHING = {"planes": [], "supercells": [], "widths": [], "primitive": False}
MORE = NOTHING | {"primitive": True}


def planted(energies, calls=None):
    """A scan whose cells are exact, with the energies per atom in meV of the shapes b against a, value by value."""

    def evaluate(value, name):
        if calls is not None:
            calls.append((value, name))
        energy = energies[int(value)] / 1e3 if name == "b" else 0.0
        return Label(energy, np.zeros((1, 3)), np.zeros(6))

    values = range(len(energies))
    return scan("k_spacing_per_ang", values, evaluate, cells=("x",), targets=ConvergenceTargets(), shapes=("a", "b"))


def test_a_pair_that_agrees_by_chance_is_refused():
    assert planted([5, 0.1, 3, 0.2, -0.3, 0.4]).chosen == 3
    assert planted([0.9, 0.9, 0.9]).chosen == 0
    with pytest.raises(ConvergenceError, match="different shape"):
        planted([0.9, 0.1, 1.1])
    with pytest.raises(ConvergenceError):
        planted([0.9, -0.3, 0.0])  # agreement at every mesh, but the difference itself changes by more than the target
    with pytest.raises(ConvergenceError):
        planted([float("nan")] * 4)


def test_shapes_are_not_computed_where_the_cells_or_the_first_shapes_refuse():
    calls = []
    found = planted([9, 0, 0, 0, 9], calls)
    assert found.chosen == 1
    assert [call for call in calls if call[1] == "b"] == [(0, "b"), (1, "b"), (2, "b"), (3, "b")]
    assert [row["energy_above_first_mev_per_atom"] for row in found.shapes] == [0, 9, 0, 0, 0, 0, 0, 0]
    assert Scan.from_dict(found.to_dict()) == found


def test_families_decide_the_shapes():
    assert other_shapes(Sample()) == {}
    assert other_shapes(Sample.model_validate({"dimer": {}, "compression": {}})) == {}
    phase = {"crystals": [{"prototype": "bcc", "species": ["Si"], "lattice_constant_ang": 3.1}]}
    assert other_shapes(Sample.model_validate({"phase": phase})) == NOTHING | {"primitive": True}
    assert other_shapes(Sample.model_validate({"wide": {"width_ang": 8.0}})) == NOTHING | {"widths": [8.0]}
    many = {
        "surface": {},
        "stacking_fault": {"lines": [{"hkl": [1, 1, 1], "direction": [1, -1, 0]}]},
        "vacancy": {},
        "interstitial": {"supercell": [2, 2, 1]},
        "compression": {"supercell": [2, 2, 2]},
        "wide": {},
    }
    expected = {
        "planes": [[1, 0, 0], [1, 1, 1]],
        "supercells": [[2, 2, 2], [2, 2, 1]],
        "widths": [7.5],
        "primitive": True,
    }
    assert other_shapes(Sample.model_validate(many)) == expected


def test_all_shapes_are_the_same_crystal():
    parent = bulk("Cu", "fcc", a=3.6, cubic=True)
    assert shapes(parent, {}) == {}
    found = shapes(parent, MORE | {"planes": [[1, 1, 1], [1, 0, 0]], "supercells": [[2, 2, 1]], "widths": [5.0]})
    assert list(found) == ["parent", "primitive", "supercell 2×2×1", "5 Å wide", "block (1 1 1)", "block (1 0 0)"]
    assert [len(shape.atoms) for shape in found.values()] == [4, 1, 4, 8, 3, 3]
    energies = {}
    for name, shape in found.items():
        atoms = shape.atoms.copy()
        atoms.calc = EMT()
        energies[name] = Label(atoms.get_potential_energy(), atoms.get_forces(), np.zeros(6))
    assert spread(energies, tuple(found)) < 1e-6
    alone = bulk("Cu", a=3.6)
    assert shapes(alone, MORE) == {}
    assert [len(shape.atoms) for shape in shapes(alone, MORE | {"planes": [[1, 0, 0]]}).values()] == [1, 1]
    assert list(shapes(parent, NOTHING | {"widths": [5.0]})) == ["parent", "5 Å wide"]


def test_the_mesh_of_a_supercell_is_folded_onto_its_unit():
    parent = bulk("Cu", "fcc", a=3.6, cubic=True)  # |b| = 1.745 1/Å
    settings = ReferenceSettings("gpaw", "PBE", False, 0.0, 200.0, 0.26, 1e-4, 0.1)
    found = shapes(parent, MORE | {"supercells": [[2, 3, 1]]})
    assert settings.mesh(parent.cell.array) == (7, 7, 7)
    assert found["supercell 2×3×1"].mesh(settings) == (8, 9, 7)
    assert found["parent"].mesh(settings) == (7, 7, 7)


def test_the_scan_computes_shapes_for_the_spacing_with_meshes_of_their_own():
    parent, seen = bulk("Cu", "fcc", a=3.6, cubic=True), []

    def calculate(atoms, settings, mesh=None):
        seen.append((len(atoms), settings.mesh_of(atoms) if mesh is None else mesh))
        return Label(0.0, np.zeros((len(atoms), 3)), np.zeros(6))

    other = MORE | {"supercells": [[2, 2, 2]]}
    found = scan_parameter(
        "k_spacing_per_ang", parent, dft=Dft(), converge=Converge(), calculate=calculate, other_shapes=other
    )
    assert found.chosen == 0.6
    assert (4, (4, 4, 4)) in seen  # the supercell's 2×2×2 at 0.6, where the parent has 3×3×3
    assert (1, (6, 6, 6)) in seen
    assert {row["cell"] for row in found.shapes} == {"parent", "primitive", "supercell 2×2×2"}
    assert set(convergence_cells(parent, Converge())) == set(CELLS)
