"""The repulsion of nuclei: against LAMMPS, smoothness at both radii, derivatives, kept pairs, refusals."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from lammps_run import run_lammps

from pesforge.errors import DataError, SettingsError
from pesforge.representations.pair_list import PairList
from pesforge.representations.zbl import COULOMB_EV_ANG, Zbl

SILICON = Zbl(("Si",), 0.9, 1.8)
ALLOY = Zbl(("Au", "Cu"), 1.5, 3.1)
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def dense() -> Atoms:
    """Atoms closer than any crystal has them, in a cell shorter than the outer radius."""
    scaled = [[0.02, 0.01, 0.0], [0.5, 0.48, 0.03], [0.51, 0.02, 0.5], [0.0, 0.52, 0.47]]
    cell = [[2.8, 0.0, 0.0], [0.3, 2.9, 0.0], [-0.2, 0.4, 3.0]]
    return Atoms("CuAuCuAu", scaled_positions=scaled, cell=cell, pbc=True)


def pair(zbl: Zbl, distance: float) -> tuple[float, float]:
    energy, slope = zbl.pairs(np.array([distance]), np.array([0]), np.array([0]))
    return float(energy[0]), float(slope[0])


def lammps(zbl: Zbl, distances: list[float], symbols: tuple[str, str], charges: tuple[int, int]) -> list[float]:
    """Energies of two atoms from LAMMPS."""
    jobs = []
    for distance in distances:
        jobs.append(
            [
                "units metal",
                "atom_style atomic",
                "boundary f f f",
                "region box block -5 5 -5 5 -5 5",
                "create_box 2 box",
                "create_atoms 1 single 0 0 0",
                f"create_atoms 2 single {distance!r} 0 0",
                "mass * 1.0",
                f"pair_style zbl {zbl.inner_ang} {zbl.outer_ang}",
                f"pair_coeff 1 1 {charges[0]} {charges[0]}",
                f"pair_coeff 2 2 {charges[1]} {charges[1]}",
                f"pair_coeff 1 2 {charges[0]} {charges[1]}",
                "run 0",
            ]
        )
    return [float(result["thermo"][0]) for result in run_lammps(jobs)]


def test_energies_of_two_atoms_are_those_of_lammps() -> None:
    distances = [0.3, 0.8, 1.2, 1.6, 1.79, 2.4]
    for zbl, symbols, charges in ((SILICON, ("Si", "Si"), (14, 14)), (ALLOY, ("Au", "Cu"), (79, 29))):
        expected = lammps(zbl, distances, symbols, charges)
        found = [float(zbl.evaluate(Atoms(symbols, [[0, 0, 0], [r, 0, 0]]))[0].sum()) for r in distances]
        assert found == pytest.approx(expected, rel=1e-9, abs=1e-10)
        assert found[0] > 500


def test_far_within_it_is_the_screened_coulomb_energy_by_hand() -> None:
    """Differences within the inner radius do not know the switching; the formula is written out once more."""

    def by_hand(r: float) -> float:
        x = r / (0.8854 * 0.529177 / (2 * 14**0.23))
        terms = (0.1818 * np.exp(-3.2 * x), 0.5099 * np.exp(-0.9423 * x), 0.2802 * np.exp(-0.4028 * x))
        return float(COULOMB_EV_ANG * 14 * 14 / r * (sum(terms) + 0.02817 * np.exp(-0.2016 * x)))

    found = pair(SILICON, 0.3)[0] - pair(SILICON, 0.8)[0]
    assert found == pytest.approx(by_hand(0.3) - by_hand(0.8), rel=1e-3)


@pytest.mark.parametrize("radius", [SILICON.inner_ang, SILICON.outer_ang])
def test_energy_force_and_curvature_are_continuous(radius: float) -> None:
    step = 1e-5
    below, above = pair(SILICON, radius - step), pair(SILICON, radius + step)
    here = pair(SILICON, radius)
    assert above[0] - below[0] == pytest.approx(2 * step * here[1], abs=1e-7)
    curvature = [(here[1] - below[1]) / step, (above[1] - here[1]) / step]
    slopes = [pair(SILICON, radius - each)[1] for each in (0.01, 0.02, 0.03)]
    third = (slopes[0] - 2 * slopes[1] + slopes[2]) / 1e-4
    assert curvature[0] == pytest.approx(curvature[1], abs=3 * step * max(abs(third), 1.0))


def test_beyond_the_outer_radius_there_is_nothing() -> None:
    assert pair(SILICON, SILICON.outer_ang) == (0.0, 0.0)
    atoms = bulk("Si", cubic=True)
    for part in SILICON.evaluate(atoms):
        assert np.array_equal(part, np.zeros_like(part))


def test_it_always_repels() -> None:
    distances = np.linspace(0.1, 1.79, 200)
    energy, slope = SILICON.pairs(distances, np.zeros(200, dtype=int), np.zeros(200, dtype=int))
    assert (slope < 0).all()
    assert (np.diff(energy) < 0).all()


def test_forces_and_stress_are_derivatives() -> None:
    atoms, step = dense(), 1e-5
    _, forces, stress = ALLOY.evaluate(atoms)
    assert np.abs(forces).max() > 10
    for row in range(12):
        ends = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[row // 3, row % 3] += sign * step
            ends.append(ALLOY.evaluate(moved)[0].sum())
        assert forces.ravel()[row] == pytest.approx((ends[1] - ends[0]) / (2 * step), abs=1e-5)
    for component, (row, column) in enumerate(VOIGT):
        ends = []
        for sign in (1, -1):
            strain = np.eye(3)
            strain[row, column] += sign * step / 2
            strain[column, row] += sign * step / 2
            moved = atoms.copy()
            moved.set_cell(atoms.cell.array @ strain, scale_atoms=True)
            ends.append(ALLOY.evaluate(moved)[0].sum())
        slope = (ends[0] - ends[1]) / (2 * step) / atoms.get_volume()
        assert stress[component] == pytest.approx(slope, rel=1e-6, abs=1e-6)
    assert np.isnan(ALLOY.evaluate(Atoms("Cu"))[2]).all()


def test_kept_pairs_give_the_same() -> None:
    atoms, pairs, rng = dense(), PairList(), np.random.default_rng(0)
    for _ in range(12):
        atoms.positions += 0.03 * rng.normal(size=(4, 3))
        atoms.set_cell(atoms.cell.array * (1 + 0.01 * rng.normal()), scale_atoms=True)
        for mine, anew in zip(ALLOY.evaluate(atoms, pairs), ALLOY.evaluate(atoms), strict=True):
            np.testing.assert_allclose(mine, anew, rtol=1e-11, atol=1e-10)
    assert 1 <= pairs.n_found < 12


def test_refusals_and_plain_values() -> None:
    with pytest.raises(SettingsError, match="0 < inner < outer"):
        Zbl(("Si",), 1.0, 1.0)
    with pytest.raises(DataError, match=r"\['Ge'\]"):
        SILICON.evaluate(Atoms("SiGe", [[0, 0, 0], [1, 0, 0]]))
    with pytest.raises(DataError, match="same place"):
        SILICON.evaluate(Atoms("Si2", [[0, 0, 0], [0, 0, 0]]))
    assert Zbl.from_dict(ALLOY.to_dict()) == ALLOY
