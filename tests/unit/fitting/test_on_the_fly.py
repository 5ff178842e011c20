"""Learning while atoms move: copper that is heated, labelled by EMT where the guard says outside."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.io import read
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet

from pesforge import load_potential
from pesforge.errors import DataError
from pesforge.export import Potential
from pesforge.fitting import Learner

EXAMPLE = Path(__file__).parents[3] / "examples" / "learn_on_the_fly.py"
STEPS = 200


class Counted(EMT):
    """EMT that counts its labels, and dies after so many."""

    def __init__(self, most: int = 1000) -> None:
        super().__init__()
        self.asked, self.allowed = 0, most

    def calculate(self, *arguments: object) -> None:
        super().calculate(*arguments)
        self.asked += 1
        if self.asked > self.allowed:
            raise KeyboardInterrupt


def crystal() -> Atoms:
    return bulk("Cu", cubic=True) * (2, 2, 2)


def learner(reference: EMT, file: Path, **options: object) -> Learner:
    return Learner(reference, file, functions=60, displacement_ang=0.03, **options)  # type: ignore[arg-type]


def heated(atoms: Atoms, steps: int, errors: list[float] | None = None) -> None:
    """Heat from 100 to 1000 K; every tenth step the force error against EMT, in eV/Å, is kept."""
    rng = np.random.default_rng(0)
    run = Langevin(atoms, 3 * units.fs, temperature_K=100, friction=0.02 / units.fs, rng=rng, fixcm=False)

    def look() -> None:
        run.set_temperature(temperature_K=100 + 900 * run.nsteps / STEPS)
        if errors is not None and run.nsteps % 10 == 0:
            errors.append(error(atoms, atoms.get_forces()))

    run.attach(look)
    run.run(steps)


def error(atoms: Atoms, forces: np.ndarray) -> float:
    exact = atoms.copy()
    exact.calc = EMT()
    return float(np.sqrt(np.mean((forces - exact.get_forces()) ** 2)))


def test_a_run_that_learns_follows_the_reference_with_few_labels(tmp_path: Path) -> None:
    """Far fewer labels than steps; what the cold crystal alone has taught is much worse where the run ends."""
    atoms, reference, errors = crystal(), Counted(), []
    atoms.calc = learner(reference, tmp_path / "labels.extxyz")
    atoms.get_potential_energy()
    cold = atoms.calc.potential
    heated(atoms, STEPS, errors)
    assert atoms.calc.labels == reference.asked
    assert 4 < reference.asked < STEPS / 10
    assert max(errors) < 0.03
    assert error(atoms, cold.evaluate(atoms)[1]) > 3 * error(atoms, atoms.get_forces())
    journal = (tmp_path / "labels.log").read_text().splitlines()
    assert len(journal) == reference.asked
    assert "times the border; the potential of before erred by" in journal[-1]
    stored = read(tmp_path / "labels.extxyz", index=":")
    assert len(stored) == reference.asked
    assert error(stored[-1], stored[-1].get_forces()) < 1e-6
    atoms.calc.save(tmp_path / "potential")
    saved = load_potential(tmp_path / "potential", guard="stop")
    assert isinstance(saved.potential, Potential)
    np.testing.assert_allclose(saved.get_forces(atoms), atoms.get_forces(), atol=1e-6)
    assert saved.potential.uncertainty(atoms, forces=True).interval(0.95).energy_ev > 0


def test_a_killed_run_loses_no_label_and_a_new_one_asks_for_none_twice(tmp_path: Path) -> None:
    file, killed = tmp_path / "labels.extxyz", Counted(5)
    atoms = crystal()
    atoms.calc = learner(killed, file)
    with pytest.raises(KeyboardInterrupt):
        heated(atoms, STEPS)
    assert len(read(file, index=":")) == 5
    again, whole = Counted(), Counted()
    atoms = crystal()
    atoms.calc = learner(again, file)
    heated(atoms, 100)
    at_once = crystal()
    at_once.calc = learner(whole, tmp_path / "other.extxyz")
    heated(at_once, 100)
    assert again.asked < whole.asked
    assert atoms.calc.labels == 5 + again.asked


def test_the_step_goes_on_with_the_forces_of_the_new_fit(tmp_path: Path) -> None:
    """A step into the unknown: the label is taken at these very positions, and the fit follows it."""
    atoms, reference = crystal(), Counted()
    atoms.calc = learner(reference, tmp_path / "labels.extxyz")
    atoms.get_forces()
    before = atoms.calc.potential
    atoms.positions[0] += 0.5
    forces = atoms.get_forces()
    assert reference.asked == 5
    np.testing.assert_array_equal(atoms.calc.store.frames[-1].positions, atoms.positions)
    assert atoms.calc.results["nearness"] <= 1
    assert error(atoms, forces) < 0.3 * error(atoms, before.evaluate(atoms)[1])
    still = atoms.positions.copy()
    VelocityVerlet(atoms, 1 * units.fs).run(0)
    np.testing.assert_array_equal(atoms.positions, still)


def test_labels_have_an_end(tmp_path: Path) -> None:
    atoms = crystal()
    atoms.calc = learner(Counted(), tmp_path / "labels.extxyz", most=4)
    atoms.get_forces()
    atoms.positions[0] += 0.5
    with pytest.raises(DataError, match=r"times the border: a label is needed, and .* holds 4.*Raise `most`"):
        atoms.get_forces()


def test_what_cannot_be_learned_from_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "labels.extxyz"
    atoms = crystal()
    atoms.calc = learner(EMT(), file)
    atoms.get_forces()
    with pytest.raises(DataError, match="labels of EMT, not of LennardJones"):
        Learner(LennardJones(), file)
    with pytest.raises(DataError, match="at least"):
        Learner(EMT(), file, start=0)
    with pytest.raises(DataError, match="nothing was learned"):
        Learner(EMT(), file).save(tmp_path / "potential")
    broken = LennardJones(epsilon=np.nan)
    atoms.calc = Learner(broken, tmp_path / "other.extxyz")
    with pytest.raises(DataError, match="no finite energy"):
        atoms.get_forces()
    assert not (tmp_path / "other.extxyz").exists()


def test_the_example_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(EXAMPLE))
    assert 4 < len(read("labels.extxyz", index=":")) < 40
    assert load_potential("potential", guard="stop").guard is not None
    lines = [line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line and not line.startswith('"""')]
    assert len(lines) <= 11
