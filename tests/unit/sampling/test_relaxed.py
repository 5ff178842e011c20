"""Relaxed defects: minima that are known, groups that stay together, and the guard."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from harmonic import Harmonic, cube
from scipy.optimize import minimize

from pesforge.driven_settings import Relaxed
from pesforge.family_settings import Interstitial, Vacancy
from pesforge.folds import check_split
from pesforge.sampling import interstitial, relaxed, vacancy
from pesforge.sampling.drive import Drive, Guard
from pesforge.sampling.frames import make_cell_frame
from pesforge.sampling.measured import Measured
from pesforge.sampling.relaxation import relax

STIFFNESS = {"Cu": 3.0, "Si": 3.0}
MEASURED = Measured(stiffness=STIFFNESS, force_constants=np.zeros((0, 0)))
LOOSE = Guard(0.3, 1e3)


def test_four_atoms_of_lennard_jones_relax_to_the_tetrahedron():
    atoms = Atoms("Si4", [[0, 0, 0], [2.9, 0.1, 0], [1.3, 2.6, 0.2], [1.4, 0.8, 2.3]])
    found = relax(atoms, Drive(lambda: LennardJones(sigma=2.5, epsilon=1.0, rc=60.0), LOOSE), 1e-4, 2000)
    assert found.converged
    assert found.fmax_ev_per_ang <= 1e-4
    distances = found.atoms.get_all_distances()[np.triu_indices(4, 1)]
    np.testing.assert_allclose(distances, 2.5 * 2 ** (1 / 6), atol=1e-4)
    assert found.atoms.calc is None


def test_a_vacancy_relaxes_to_the_minimum_that_a_brute_force_search_finds():
    parent = bulk("Cu", a=3.6, cubic=True)
    pool = vacancy.sample(parent, Vacancy(supercell=(2, 1, 1), count=2), MEASURED, 1)
    made = relaxed.sample(parent, Relaxed(fmax_ev_per_ang=1e-3, rattled=0), Drive(EMT, LOOSE, pool, STIFFNESS), 1)
    work = pool[0].copy()
    work.calc = EMT()

    def energy_and_slope(positions):
        work.positions = positions.reshape(-1, 3)
        return work.get_potential_energy(), -work.get_forces().ravel()

    best = minimize(energy_and_slope, pool[0].positions.ravel(), jac=True, method="BFGS", options={"gtol": 1e-4})
    (frame,) = made.frames
    assert energy_and_slope(frame.positions)[0] == pytest.approx(best.fun, abs=1e-5)
    assert best.fun < energy_and_slope(pool[0].positions)[0] - 1e-3, "or there was nothing to relax"
    moved = frame.positions - best.x.reshape(-1, 3)
    np.testing.assert_allclose(moved - moved.mean(axis=0), 0, atol=2e-3)
    np.testing.assert_array_equal(frame.cell.array, pool[0].cell.array)


def test_relaxed_defects_stay_with_the_unrelaxed_ones():
    parent = bulk("Cu", a=3.6, cubic=True)
    pool = vacancy.sample(parent, Vacancy(supercell=(1, 1, 1), count=3), MEASURED, 1)
    pool += interstitial.sample(parent, Interstitial(supercell=(1, 1, 1), count=3), MEASURED, 1)
    made = relaxed.sample(parent, Relaxed(rattled=2), Drive(EMT, LOOSE, pool, STIFFNESS), 1)
    first = relaxed.first_of_groups(pool, Relaxed())
    assert len(made.frames) == 3 * len(first) == sum(row["given"] for row in made.runs)
    groups = [frame.info["group"] for frame in (*pool, *made.frames)]
    assert set(groups) == {frame.info["group"] for frame in pool}
    families = {frame.info["group"]: frame.info["family"] for frame in pool}
    assert all(frame.info["family"] == families[frame.info["group"]] for frame in made.frames)
    assert len({frame.info["id"] for frame in (*pool, *made.frames)}) == len(groups)
    with pytest.raises(Exception, match="separates"):
        check_split(groups, range(len(pool)), range(len(pool), len(groups)))
    copies = [frame for frame in made.frames if frame.info["group"] == first[0].info["group"]]
    assert [frame.info["temperature_k"] for frame in copies] == [0.0, 300.0, 300.0]
    assert 0.001 < np.abs(copies[1].positions - copies[0].positions).max() < 1.0


def test_a_relaxation_that_falls_into_a_well_is_stopped_and_gives_nothing():
    sites = cube().positions.copy()
    sites[1] = sites[0] + [1.0, 0, 0]
    defect = make_cell_frame(cube(), origin=cube(), name="vacancy-00-000", family="vacancy", group="vacancy-00", seed=1)
    drive = Drive(lambda: Harmonic(sites, 1.0), Guard(0.6, 1e3), [defect], STIFFNESS)
    made = relaxed.sample(cube(), Relaxed(), drive, 1)
    assert made.frames == []
    assert made.runs[0]["stopped"].startswith("Si-Si pair at")
    assert (made.runs[0]["requested"], made.runs[0]["given"]) == (3, 0)


def test_a_relaxation_out_of_steps_says_so():
    defect = make_cell_frame(cube(), origin=cube(), name="vacancy-00-000", family="vacancy", group="vacancy-00", seed=1)
    rng = np.random.default_rng(1)
    drive = Drive(lambda: Harmonic(cube().positions + 0.3 * rng.normal(size=(8, 3)), 1.0), LOOSE, [defect], STIFFNESS)
    made = relaxed.sample(cube(), Relaxed(max_steps=2, rattled=0), drive, 1)
    assert made.runs[0]["note"].endswith("left after 2 steps, 0.02 was asked for")
    assert len(made.frames) == 1
