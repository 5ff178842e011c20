"""Guards in use: a run that leaves the training domain is stopped before it explodes, recorded, or slowed down."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.io import read, write
from ase.md.bussi import Bussi
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet

from pesforge.errors import DataError
from pesforge.export import PesforgeCalculator, Potential, load_potential, save_model
from pesforge.export.stage import own_errors
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis
from pesforge.representations.design import describe
from pesforge.uncertainty.guard import Guard, OutsideError, StepShortener, border_of


@pytest.fixture(scope="module")
def potential(copper_frames: list[Atoms]) -> Potential:
    """Copper near its crystal: nothing is known of atoms that are close to each other."""
    basis = AceBasis(("Cu",), 4.5, (10, 9, 7), (0, 4, 3))
    problem = LinearProblem(describe(copper_frames, basis), prior_power=2.0)
    weights, every = Weights(400.0, 1.0, 2500.0), np.ones(basis.n_functions, dtype=bool)
    fit = problem.fit(weights, 1e-4)
    posterior, calibrated = own_errors(problem, weights, 1e-4, every)
    zeros = {"Cu": float(fit.zeros[0])}
    known = Potential("ace-linear", basis, fit.coefficients, zeros, posterior=posterior, calibrated=calibrated)
    return known.knowing(copper_frames)


@pytest.fixture
def border(potential: Potential, copper_frames: list[Atoms]) -> float:
    return border_of(potential.uncertainty, copper_frames)


def moving(frames: list[Atoms], calculator: PesforgeCalculator, kelvin: float) -> Atoms:
    atoms = frames[0].copy() * (2, 2, 2)
    atoms.calc = calculator
    masses = atoms.get_masses()[:, None]
    atoms.set_momenta(np.sqrt(masses * units.kB * kelvin) * np.random.default_rng(1).normal(size=(len(atoms), 3)))
    return atoms


def test_a_calm_run_is_let_through_and_reports_what_it_sees(
    potential: Potential, border: float, copper_frames: list[Atoms]
) -> None:
    atoms = moving(copper_frames, PesforgeCalculator(potential, guard=Guard(border)), 300.0)
    VelocityVerlet(atoms, 2 * units.fs).run(50)
    found = potential.uncertainty(atoms)
    np.testing.assert_allclose(atoms.calc.results["leverage"], found.leverage)
    assert atoms.calc.results["energy_sigma"] == pytest.approx(found.energy_sigma_ev)
    assert atoms.calc.results["nearness"] == pytest.approx(found.leverage.max() / border)
    assert 0 < atoms.calc.results["nearness"] < 1


def test_a_run_driven_outside_is_stopped_before_it_explodes(
    potential: Potential, border: float, copper_frames: list[Atoms]
) -> None:
    """Without a guard the atoms reach nonsense; with it the run ends while all forces are still ordinary."""

    def largest_force(guard: Guard | None, steps: int) -> tuple[float, int, OutsideError | None]:
        atoms = moving(copper_frames, PesforgeCalculator(potential, guard=guard), 60000.0)
        run, forces = VelocityVerlet(atoms, 2 * units.fs), [0.0]
        run.attach(lambda: forces.append(float(np.abs(atoms.calc.results["forces"]).max())))
        try:
            run.run(steps)
        except OutsideError as error:
            return max(forces), run.nsteps, error
        return max(forces), run.nsteps, None

    unguarded, _, _ = largest_force(None, 60)
    guarded, steps, error = largest_force(Guard(border), 60)
    assert error is not None
    assert "times the border" in str(error)
    assert error.nearness > 1
    assert len(error.atoms) == 8 * len(copper_frames[0])
    assert steps < 20
    assert unguarded > 10 * guarded


def test_atoms_are_not_moved_on_after_the_guard_has_stopped(
    potential: Potential, border: float, copper_frames: list[Atoms]
) -> None:
    atoms = moving(copper_frames, PesforgeCalculator(potential, guard=Guard(border)), 60000.0)
    with pytest.raises(OutsideError) as caught:
        VelocityVerlet(atoms, 2 * units.fs).run(60)
    np.testing.assert_array_equal(atoms.positions, caught.value.atoms.positions)


def test_structures_outside_are_collected_apart_from_each_other(
    potential: Potential, border: float, copper_frames: list[Atoms], tmp_path: Path
) -> None:
    guard = Guard(border, stop=False, record=tmp_path / "ask.extxyz", apart=5, most=3)
    atoms = moving(copper_frames, PesforgeCalculator(potential, guard=guard), 20000.0)
    VelocityVerlet(atoms, 0.5 * units.fs).run(60)
    kept = read(tmp_path / "ask.extxyz", index=":")
    assert len(kept) == guard.recorded == 3
    calls = [one.info["call"] for one in kept]
    assert min(np.diff(calls)) >= 5
    for one in kept:
        assert one.info["nearness"] > 1
        np.testing.assert_allclose(one.arrays["leverage"], potential.uncertainty(one).leverage, rtol=1e-3)


@pytest.mark.parametrize("kind", ["verlet", "langevin"])
def test_the_time_step_is_halved_near_the_border_and_restored(
    potential: Potential, border: float, copper_frames: list[Atoms], kind: str
) -> None:
    guard = Guard(border, stop=False)
    atoms = moving(copper_frames, PesforgeCalculator(potential, guard=guard), 300.0)
    whole = 2 * units.fs
    run = (
        VelocityVerlet(atoms, whole)
        if kind == "verlet"
        else Langevin(
            atoms, whole, temperature_K=300.0, friction=0.01 / units.fs, fixcm=False, rng=np.random.default_rng(2)
        )
    )
    StepShortener(run, near=0.5)
    run.run(1)
    nearness = atoms.calc.results["nearness"]
    guard.border *= nearness / 0.7
    run.run(2)
    assert run.dt <= whole / 4
    guard.border *= 0.5
    run.run(6)
    assert run.dt == pytest.approx(whole / 8), "no shorter than asked for"
    guard.border *= 1e3
    run.run(4)
    assert run.dt == pytest.approx(whole)


def test_a_shorter_step_keeps_the_energy_where_a_long_one_does_not(
    potential: Potential, border: float, copper_frames: list[Atoms]
) -> None:
    def drift(shorten: bool) -> float:
        atoms = moving(copper_frames, PesforgeCalculator(potential, guard=Guard(border, stop=False)), 3000.0)
        run = VelocityVerlet(atoms, 12 * units.fs)
        if shorten:
            StepShortener(run, near=1e-6)
        energies: list[float] = []
        run.attach(lambda: energies.append(atoms.get_total_energy()))
        run.run(160 if shorten else 20)
        return float(np.ptp(energies))

    assert drift(True) < 0.2 * drift(False)


def test_the_guard_looks_at_every_nth_call(potential: Potential, copper_frames: list[Atoms]) -> None:
    seen: list[int] = []

    def counted(atoms: Atoms) -> object:
        seen.append(len(atoms))
        return potential.uncertainty(atoms)

    guard = Guard(1e9, every=4)
    for _ in range(9):
        guard.results(copper_frames[0], counted)  # type: ignore[arg-type]
    assert len(seen) == 3


def test_a_guarded_calculator_is_loaded_and_written_like_any_other(
    potential: Potential, border: float, copper_frames: list[Atoms], tmp_path: Path
) -> None:
    save_model(tmp_path / "copper", potential, {})
    atoms = copper_frames[0].copy()
    atoms.calc = load_potential(tmp_path / "copper", guard=Guard(border))
    atoms.get_forces()
    assert atoms.calc.results["nearness"] < 1
    assert "leverage" not in atoms.calc.export_properties()
    write(tmp_path / "one.extxyz", atoms)
    assert read(tmp_path / "one.extxyz").get_potential_energy() == pytest.approx(atoms.get_potential_energy())


def test_the_border_is_stored_and_needs_no_training_structures(
    potential: Potential, border: float, copper_frames: list[Atoms], tmp_path: Path
) -> None:
    """A word is enough, and the planted run is stopped by it before it explodes."""
    save_model(tmp_path / "copper", potential, {})
    calculator = load_potential(tmp_path / "copper", guard="stop")
    assert calculator.guard is not None
    assert calculator.guard.border == pytest.approx(border, rel=1e-5)
    atoms = moving(copper_frames, calculator, 60000.0)
    with pytest.raises(OutsideError, match="times the border"):
        VelocityVerlet(atoms, 2 * units.fs).run(60)
    assert np.abs(potential.evaluate(atoms)[1]).max() < 1e3
    wider = load_potential(tmp_path / "copper", guard=Guard(margin=6.0)).guard
    assert wider is not None
    assert wider.border == pytest.approx(2 * border, rel=1e-5)
    watched = moving(copper_frames, load_potential(tmp_path / "copper", guard="watch"), 60000.0)
    VelocityVerlet(watched, 2 * units.fs).run(15)
    assert watched.calc.results["nearness"] > 1
    with pytest.raises(DataError, match="stop, watch"):
        load_potential(tmp_path / "copper", guard="halt")  # type: ignore[arg-type]


def test_distances_from_the_training_atoms(potential: Potential, copper_frames: list[Atoms]) -> None:
    """They are those of the covariance written out, of mean square 1 in training, and grow away from it."""
    assert potential.posterior is not None
    covariance = potential.posterior.whitening @ potential.posterior.whitening.T
    rows = [potential.atom_rows(atoms) for atoms in copper_frames]
    mean = np.concatenate(rows).mean(axis=0)
    square = [np.einsum("np,pq,nq->n", part - mean, covariance, part - mean) for part in rows]
    found = [potential.uncertainty(atoms).mahalanobis for atoms in copper_frames]
    unit = np.mean(np.concatenate(square))
    np.testing.assert_allclose(np.square(found[3]), square[3] / unit, rtol=1e-6)
    assert np.mean(np.square(np.concatenate(found))) == pytest.approx(1.0)
    far = copper_frames[0].copy()
    far.set_cell(far.cell.array * 1.2, scale_atoms=True)
    calculator = PesforgeCalculator(potential, guard=Guard(stop=False))
    calculator.get_potential_energy(far)
    assert calculator.results["mahalanobis"].min() > np.max(np.concatenate(found))


def test_what_cannot_be_guarded_says_so(potential: Potential, copper_frames: list[Atoms]) -> None:
    with pytest.raises(DataError, match="holds no posterior"):
        PesforgeCalculator(replace(potential, posterior=None), guard=Guard(1.0))
    with pytest.raises(DataError, match="positive border"):
        Guard(0.0)
    assert potential.posterior is not None
    unbounded = replace(potential, posterior=replace(potential.posterior, trained=None))
    assert unbounded.uncertainty(copper_frames[0]).mahalanobis is None
    PesforgeCalculator(unbounded, guard=Guard(1.0)).get_potential_energy(copper_frames[0])
    with pytest.raises(DataError, match="without the largest leverage"):
        PesforgeCalculator(unbounded, guard=Guard())
    with pytest.raises(DataError, match="training structures"):
        border_of(potential.uncertainty, [])
    atoms = moving(copper_frames, PesforgeCalculator(potential), 300.0)
    with pytest.raises(DataError, match="cannot be changed on the way"):
        StepShortener(Bussi(atoms, 2 * units.fs, 300.0, 100 * units.fs))
