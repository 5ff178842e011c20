"""Files for LAMMPS, read back by LAMMPS: energy, forces and pressure are those of our calculator."""

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.stress import voigt_6_to_full_3x3_stress
from classical_models import classical
from lammps_static import static

from pesforge import load_potential
from pesforge.export import save_model
from pesforge.export.classical_files import write_classical

SPECIES = ("Au", "Cu")
BOUNDS = {
    "pair-lj": (1e-10, 1e-7, 1e-9),
    "pair-morse": (1e-10, 1e-7, 1e-9),
    "eam": (1e-9, 1e-6, 1e-8),
    "tersoff": (1e-12, 1e-11, 1e-12),
}
"""Energy (eV/atom), force (eV/Å), stress (eV/Å³): tables are interpolated, Tersoff is a formula on both sides."""


def alloy() -> Atoms:
    """A rattled triclinic cell of 40 atoms."""
    atoms = bulk("Cu", "fcc", a=3.8, cubic=True).repeat((2, 2, 2))
    atoms.symbols[::3] = "Au"
    atoms.set_cell(
        atoms.cell.array @ (np.eye(3) + np.array([[0, 0, 0], [0.05, 0.01, 0], [-0.03, 0.08, -0.02]])), scale_atoms=True
    )
    atoms.rattle(0.12, seed=3)
    return atoms


@pytest.mark.parametrize("kind", list(BOUNDS))
def test_lammps_agrees(tmp_path: Path, kind: str) -> None:
    atoms, model = alloy(), classical(kind, SPECIES)
    found = static(atoms, SPECIES, write_classical(tmp_path, model), tmp_path)
    energies, forces, stress = model.evaluate(atoms)
    zeros = sum(model.zeros[symbol] for symbol in atoms.get_chemical_symbols())
    energy_bound, force_bound, stress_bound = BOUNDS[kind]
    assert np.abs(forces).max() > 0.5
    assert found["energy"] / len(atoms) == pytest.approx((energies.sum() - zeros) / len(atoms), abs=energy_bound)
    np.testing.assert_allclose(found["forces"], forces, rtol=0, atol=force_bound)
    np.testing.assert_allclose(found["stress"], voigt_6_to_full_3x3_stress(stress), rtol=0, atol=stress_bound)


@pytest.mark.parametrize(
    ("kind", "name"),
    [("pair-morse", "potential.table"), ("eam", "potential.eam.alloy"), ("tersoff", "potential.tersoff")],
)
def test_the_folder_holds_the_file_and_the_same_potential(tmp_path: Path, kind: str, name: str) -> None:
    atoms, model = alloy(), classical(kind, SPECIES)
    save_model(tmp_path / "potential", model, {})
    assert (tmp_path / "potential" / name).stat().st_size > 100
    again = load_potential(tmp_path).potential
    assert again.kind == model.kind
    for first, second in zip(model.evaluate(atoms), again.evaluate(atoms), strict=True):
        assert np.array_equal(first, second)
