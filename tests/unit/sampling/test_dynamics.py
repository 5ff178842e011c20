"""Molecular dynamics under guard, on a harmonic crystal whose averages are known."""

import numpy as np
import pytest
from ase import Atoms
from harmonic import Harmonic, cube

from pesforge.driven_settings import Md
from pesforge.errors import LabelError
from pesforge.fields import BOLTZMANN_EV_PER_K
from pesforge.sampling import md
from pesforge.sampling.autocorrelation import autocorrelation_time
from pesforge.sampling.drive import Drive, Guard
from pesforge.sampling.trajectory import STRIDE, Trajectory, independent_states, radial_distribution

SPRING = 1.0
LOOSE = Guard(0.2, 100.0)
SETTINGS = Md(supercell=(1, 1, 1), temperatures_k=(300.0,), count=5, damping_fs=50.0, timestep_fs=2.0, max_ps=40.0)


def drive(atoms, guard=LOOSE):
    return Drive(lambda: Harmonic(atoms.positions, SPRING), guard)


def test_the_potential_energy_is_that_of_equipartition():
    atoms = cube()
    run = Trajectory(atoms, drive(atoms), SETTINGS, 300.0, 1)
    assert run.run(200)
    run.forget()
    assert run.run(2000)
    kt = BOLTZMANN_EV_PER_K * 300.0
    expected = 1.5 * (len(atoms) - 1) * kt
    tau = autocorrelation_time(run.energies)
    error = np.std(run.energies) * np.sqrt(2 * tau / len(run.energies))
    assert error < 0.05 * expected
    assert abs(np.mean(run.energies) - expected) < 3.5 * error
    assert np.std(run.energies) == pytest.approx(np.sqrt(1.5 * (len(atoms) - 1)) * kt, rel=0.15)
    assert np.mean(run.temperatures) == pytest.approx(300.0, rel=0.03)
    squares = (np.array(run.states) - atoms.positions) ** 2
    expected_msd = 3 * kt / (SPRING * len(atoms)) * (1 - 1 / len(atoms))
    assert squares.sum(axis=2).mean() == pytest.approx(expected_msd, rel=0.1)


def test_snapshots_are_two_autocorrelation_times_apart_and_a_larger_count_keeps_them():
    atoms = cube()
    few = md.sample(atoms, SETTINGS, drive(atoms), 7)
    more = md.sample(atoms, SETTINGS.model_copy(update={"count": 9}), drive(atoms), 7)
    (row,) = few.runs
    assert (row["requested"], row["given"], row["stopped"], row["note"]) == (5, 5, None, None)
    assert row["measured_taus"] >= 50
    assert row["spacing_fs"] >= 2 * row["tau_fs"] > 0
    assert row["spacing_fs"] < 2 * row["tau_fs"] + STRIDE * 2.0
    assert len(more.frames) == 9
    for first, second in zip(few.frames, more.frames, strict=False):
        np.testing.assert_array_equal(first.positions, second.positions)
        assert first.info["id"] == second.info["id"]
    assert {frame.info["group"] for frame in more.frames} == {"md-300K"}
    other = md.sample(atoms, SETTINGS, drive(atoms), 8)
    assert not np.allclose(other.frames[0].positions, few.frames[0].positions)


def test_energies_at_the_spacing_are_independent():
    atoms = cube()
    run = Trajectory(atoms, drive(atoms), SETTINGS, 300.0, 3)
    run.run(200)
    states, found = independent_states(run, 150, 40_000_000)
    calculator = Harmonic(atoms.positions, SPRING)
    energies = [calculator.get_potential_energy(Atoms(atoms.symbols, state)) for state in states]
    centred = np.array(energies) - np.mean(energies)
    correlation = (centred[1:] @ centred[:-1]) / (centred @ centred)
    assert len(states) == 150
    assert abs(correlation) < np.exp(-2) + 3 / np.sqrt(150)
    assert found["tau_fs"] > STRIDE * 2.0 / 2, "or the spacing would be a stride and prove nothing"


def test_every_temperature_and_strain_is_a_run_and_a_group():
    atoms = cube()
    settings = Md(supercell=(2, 1, 1), temperatures_k=(100.0, 300.0), strains=(0.0, 0.02), count=2, max_ps=1.0)
    big = atoms.repeat((2, 1, 1))

    def calculator():
        return Harmonic(big.positions, SPRING)

    made = md.sample(atoms, settings, Drive(calculator, Guard(0.2, 100.0)), 1)
    groups = [frame.info["group"] for frame in made.frames]
    assert sorted(set(groups)) == ["md-100K", "md-100K-+0.02", "md-300K", "md-300K-+0.02"]
    assert [row["group"] for row in made.runs] == list(dict.fromkeys(groups))
    strained = next(frame for frame in made.frames if frame.info["group"] == "md-300K-+0.02")
    np.testing.assert_allclose(strained.cell.array, big.cell.array * 1.02)
    np.testing.assert_allclose(strained.info["reference_cell"], big.cell.array)
    np.testing.assert_allclose(strained.info["strain"], [0.02] * 3 + [0.0] * 3)
    assert strained.info["temperature_k"] == 300.0


def test_another_series_has_names_groups_and_random_numbers_of_its_own():
    atoms = cube()
    plain, first, other = (
        md.sample(atoms, SETTINGS, drive(atoms), 7, *names)
        for names in ((), ("learned", "learned-0"), ("learned", "learned-1"))
    )
    assert {frame.info["family"] for frame in first.frames} == {"learned"}
    assert {frame.info["group"] for frame in first.frames} == {"learned-0-300K"}
    assert [row["family"] for row in first.runs] == ["learned"]
    names = [frame.info["id"] for made in (plain, first, other) for frame in made.frames]
    assert len(set(names)) == 15
    starts = [made.frames[0].positions for made in (plain, first, other)]
    assert not any(np.allclose(a, b) for a, b in ((starts[0], starts[1]), (starts[1], starts[2])))


class Collapsing(Harmonic):
    """After some calls two atoms are pulled into each other: a planted runaway."""

    calls = 0

    def calculate(self, *arguments):
        super().calculate(*arguments)
        self.calls += 1
        if self.calls > 600:
            self.results["forces"][0] += [20.0, 0.0, 0.0]
            self.results["forces"][-4] -= [20.0, 0.0, 0.0]


@pytest.mark.parametrize(
    ("guard", "reason"), [(Guard(0.7, 1e6), "Si-Si pair at"), (Guard(0.1, 15.0), "force of"), (LOOSE, "")]
)
def test_a_planted_runaway_is_stopped_and_nothing_beyond_is_sampled(guard, reason):
    atoms = cube(spacing=2.6)
    settings = Md(
        supercell=(1, 1, 1), temperatures_k=(300.0,), count=60, equilibration_ps=0.05, max_ps=4.0, damping_fs=10.0
    )
    limits = Drive(lambda: Collapsing(atoms.positions, SPRING), guard)
    made = md.sample(atoms, settings, limits, 1)
    (row,) = made.runs
    if reason:
        assert row["stopped"].startswith(reason)
        assert 550 < row["steps"] < 800
        assert 0 < row["given"] == len(made.frames) < row["requested"]
    assert all(guard.outside(frame) is None for frame in made.frames)


def test_leverage_beyond_the_bound_stops_a_run():
    atoms = cube()

    def leverage(moved):
        return float(((moved.positions - atoms.positions) ** 2).sum())

    hot = Trajectory(atoms, drive(atoms, Guard(0.2, 100.0, leverage, 0.05)), SETTINGS, 3000.0, 1)
    assert not hot.run(100)
    assert hot.stopped.startswith("leverage of")
    cold = Trajectory(atoms, drive(atoms, Guard(0.2, 100.0, leverage, 1e9)), SETTINGS, 3000.0, 1)
    assert cold.run(100)


def test_a_run_that_a_leverage_stopped_gives_its_edge_where_it_is_asked_for_and_other_stops_have_none():
    atoms = cube()

    def leverage(moved):
        away = moved.positions - atoms.positions
        return float(((away - away.mean(axis=0)) ** 2).sum())

    settings = Md(supercell=(1, 1, 1), temperatures_k=(50.0, 3000.0), count=3, equilibration_ps=0.2, max_ps=2.0)
    limits = drive(atoms, Guard(0.2, 100.0, leverage, 0.3))
    plain, edged = (md.sample(atoms, settings, limits, 1, edges=edges) for edges in (False, True))
    kept = {frame.info["id"] for frame in plain.frames}
    (edge,) = [frame for frame in edged.frames if frame.info["id"] not in kept]
    assert edge.info["id"] == "md-3000K-edge"
    assert edge.info["group"] == "md-3000K"
    assert leverage(edge) > 0.3
    assert [row["stopped"] is None for row in edged.runs] == [True, False]
    assert edged.runs[1]["given"] == plain.runs[1]["given"] + 1
    (alone,) = md.sample(atoms, settings, limits, 1, without=["md-50K"]).runs
    assert alone == plain.runs[1]
    near = Drive(lambda: Harmonic(atoms.positions, SPRING), Guard(2.0, 100.0, leverage, 0.3))
    assert not any("edge" in frame.info["id"] for frame in md.sample(atoms, settings, near, 1, edges=True).frames)


def test_a_broken_leverage_stops_a_run():
    atoms = cube()
    assert Guard(0.2, 100.0, lambda _: float("nan"), 1.0).outside(atoms).startswith("leverage of nan")
    assert LOOSE.absurd(np.array([[np.nan, 0.0, 0.0]])).startswith("force of nan")


class Failing(Harmonic):
    def calculate(self, *arguments):
        super().calculate(*arguments)
        if np.abs(self.atoms.positions - self.sites).max() > 0.15:
            raise LabelError("scf", "did not converge")


def test_a_failed_reference_calculation_ends_the_run_with_its_reason():
    atoms = cube()
    made = md.sample(atoms, SETTINGS, Drive(lambda: Failing(atoms.positions, SPRING), LOOSE), 1)
    assert made.runs[0]["stopped"] == "did not converge"


def test_a_run_that_reaches_its_longest_time_gives_fewer_and_says_so():
    atoms = cube()
    settings = SETTINGS.model_copy(update={"max_ps": 0.4, "count": 50})
    made = md.sample(atoms, settings, drive(atoms), 1)
    (row,) = made.runs
    assert 0 < row["given"] < 50
    assert row["given"] == len(made.frames)
    assert "the longest time was reached" in row["note"]
    assert "τ only" in row["note"]


def test_the_radial_distribution_of_an_ideal_gas_is_one_and_of_a_crystal_its_shells():
    rng = np.random.default_rng(0)
    gas = Atoms("Si200", positions=rng.uniform(0, 15, (200, 3)), cell=[15] * 3, pbc=True)
    found = radial_distribution(gas, [rng.uniform(0, 15, (200, 3)) for _ in range(50)])
    assert np.mean(found["g"][20:]) == pytest.approx(1.0, abs=0.02)
    crystal = cube(3, 2.95)
    found = radial_distribution(crystal, [crystal.positions])
    radius, g = np.array(found["r_ang"]), np.array(found["g"])
    shell = 4 / 3 * np.pi * ((radius + 0.05) ** 3 - (radius - 0.05) ** 3)
    neighbours = g * shell * 26 / (27 * 2.95**3)
    assert neighbours[np.abs(radius - 2.95) < 0.06].sum() == pytest.approx(6)
    assert neighbours[np.abs(radius - 2.95 * 2**0.5) < 0.06].sum() == pytest.approx(12)
    assert g[radius < 2.85].max() == 0
    cell = cube(2, 2.95)
    own = radial_distribution(cell, [cell.positions])["g"]
    assert max(own[58:]) == 0, "the images at 5.9 Å are those of the atom itself"
