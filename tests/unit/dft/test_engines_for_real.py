"""Quantum ESPRESSO and ABINIT on two atoms of silicon, beside GPAW: gradients, agreement, failures provoked for real.

Needs Debian's packages quantum-espresso, quantum-espresso-data, abinit and abinit-data; what is missing is skipped.
"""

import shutil
import time
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pesforge.dft.engines import get_engine
from pesforge.dft.failures import MISSING_SETUP, SCF, TIMEOUT, TOO_CLOSE
from pesforge.dft.pseudopotentials import reference_settings
from pesforge.dft.store import LabelStore, calculate_or_recall
from pesforge.errors import LabelError
from pesforge.fields import EV_PER_ANG3_IN_GPA
from pesforge.settings import Dft

UPF = Path("/usr/share/espresso/pseudo")
PSP8 = Path("/usr/share/abinit/psp/Pseudodojo_nc_sr_04_pbe_standard_psp8")
FILES = {"Si": "Si.pbe-nl-rrkjus_psl.1.0.0.UPF", "H": "H.pbe-kjpaw.UPF"}
METHODS = {
    "gpaw": Dft(),
    "espresso": Dft(engine="espresso", pseudopotential_folder=UPF, pseudopotentials=FILES),
    "abinit": Dft(engine="abinit", pseudopotential_folder=PSP8, pseudopotentials={"Si": "Si.psp8", "H": "H.psp8"}),
}
CUTOFFS = {"gpaw": 400.0, "espresso": 500.0, "abinit": 600.0}
MESH = (2, 2, 2)
STEP_ANG = 0.01
STRAIN = 0.004
DIRECTION = np.array([[0.6, 0.3, -0.4], [0.3, -0.5, 0.2], [-0.4, 0.2, 0.4]])
"""Strain with six different components, so that a wrong order or sign of the stress shows."""


def needs(program: str, folder: Path, packages: str):
    missing = shutil.which(program) is None or not folder.is_dir()
    return pytest.mark.skipif(missing, reason=f"needs {program} and {folder} (Debian: apt-get install {packages})")


with_espresso = needs("pw.x", UPF, "quantum-espresso quantum-espresso-data")
with_abinit = needs("abinit", PSP8, "abinit abinit-data")
PROGRAMS = [
    pytest.param("espresso", marks=with_espresso),
    pytest.param("abinit", marks=with_abinit),
]


def settings_for(name, **changes):
    numbers = {"k_spacing_per_ang": 0.5, "scf_tolerance": 1e-5, "smearing_ev": 0.5, "cutoff_ev": CUTOFFS[name]}
    return reference_settings(METHODS[name], **(numbers | changes))


def calculate(name, atoms, mesh=MESH, **changes):
    return get_engine(METHODS[name]).calculate(atoms, settings_for(name, **changes), mesh, 1)


@pytest.fixture(scope="module")
def rattled():
    atoms = bulk("Si", a=5.40)
    atoms.positions[1] += [0.12, -0.06, 0.10]
    return atoms


@pytest.fixture(scope="module")
def labels(rattled):
    """Label of the rattled cell by each engine that is there, computed once."""
    known = {}

    def label(name):
        if name not in known:
            known[name] = calculate(name, rattled)
        return known[name]

    return label


@pytest.mark.parametrize("name", PROGRAMS)
def test_forces_and_stress_are_derivatives_of_the_energy(name, rattled, labels):
    """The smearing of 0.5 eV makes TS large: forces belong to the free energy E − TS and to no other."""
    label = labels(name)
    way = np.array([[0.0, 0.0, 0.0], [0.8, -0.5, 0.33]])
    energies = []
    for sign in (1, -1):
        moved = rattled.copy()
        moved.positions += sign * STEP_ANG * way
        energies.append(calculate(name, moved).energy)
    slope = (energies[0] - energies[1]) / (2 * STEP_ANG)
    assert -np.sum(label.forces * way) == pytest.approx(slope, abs=0.002)
    energies = []
    for sign in (1, -1):
        strained = rattled.copy()
        strained.set_cell(rattled.cell.array @ (np.eye(3) + sign * STRAIN * DIRECTION), scale_atoms=True)
        energies.append(calculate(name, strained).energy)
    slope = (energies[0] - energies[1]) / (2 * STRAIN) / rattled.get_volume()
    xx, yy, zz, yz, xz, xy = label.stress
    stress = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
    assert EV_PER_ANG3_IN_GPA * np.sum(stress * DIRECTION) == pytest.approx(EV_PER_ANG3_IN_GPA * slope, abs=0.15)


@pytest.mark.parametrize("name", PROGRAMS)
def test_forces_and_stress_agree_with_gpaw(name, labels):
    """PBE with three kinds of pseudopotentials: what differs is theirs, if there are empty bands enough."""
    reference, label = labels("gpaw"), labels(name)
    assert np.abs(reference.forces).max() > 1.0
    assert np.abs(label.forces - reference.forces).max() < {"espresso": 0.02, "abinit": 0.01}[name]
    assert EV_PER_ANG3_IN_GPA * np.abs(label.stress - reference.stress).max() < 0.8


@pytest.mark.parametrize("name", PROGRAMS)
def test_remedies_change_the_way_and_not_the_result(name, rattled, labels):
    first = labels(name)
    for attempt in (2, 3):
        label = get_engine(METHODS[name]).calculate(rattled, settings_for(name), MESH, attempt)
        assert label.attempt == attempt
        assert label.energy == pytest.approx(first.energy, abs=1e-5)
        assert np.abs(label.forces - first.forces).max() < 5e-4


@cache
def energy_of_spin(name) -> float:
    """What spin polarisation brings to a hydrogen atom in a small box, in eV."""
    atom = Atoms("H", cell=[4.0] * 3, pbc=True)
    spin = METHODS[name].model_copy(update={"spin_polarized": True, "initial_moment": 1.0})
    numbers = {"cutoff_ev": CUTOFFS[name], "k_spacing_per_ang": 2.0, "scf_tolerance": 1e-5, "smearing_ev": 0.05}
    plain, polarized = (
        get_engine(dft).calculate(atom, reference_settings(dft, **numbers), (1, 1, 1), 1).energy
        for dft in (METHODS[name], spin)
    )
    return plain - polarized


@pytest.mark.parametrize("name", PROGRAMS)
def test_spin_binds_as_much_as_with_gpaw(name):
    assert energy_of_spin("gpaw") > 0.3
    assert energy_of_spin(name) == pytest.approx(energy_of_spin("gpaw"), abs=0.01)


def failure(name, atoms, folder, timeout=600.0, mesh=(1, 1, 1), dft=None, **options):
    """Error of a label that fails."""
    dft = dft or METHODS[name]
    engine = type(get_engine(dft))(dft, **options)
    with pytest.raises(LabelError) as caught:
        calculate_or_recall(
            atoms,
            settings=settings_for(name),
            engine=engine,
            store=LabelStore(folder, "code"),
            max_attempts=1,
            timeout_s=timeout,
            mesh=mesh,
        )
    return caught.value


@pytest.mark.parametrize("name", PROGRAMS)
def test_scf_that_does_not_converge(name, rattled, tmp_path):
    error = failure(name, rattled, tmp_path, max_iterations=3)
    assert error.reason == SCF
    assert "within 3 SCF steps (attempt 1)" in str(error)
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.parametrize("name", PROGRAMS)
def test_atoms_on_top_of_each_other(name, tmp_path):
    atoms = Atoms("Si2", positions=np.zeros((2, 3)), cell=[4, 4, 4], pbc=True)
    assert failure(name, atoms, tmp_path).reason == TOO_CLOSE


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_element_without_pseudopotential(name, tmp_path):
    assert failure(name, bulk("Ge"), tmp_path).reason == MISSING_SETUP


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_time_limit_ends_the_program_and_leaves_no_folder(name, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    error = failure(name, bulk("Si", cubic=True), tmp_path / "store", timeout=1.0, mesh=(5, 5, 5))
    assert error.reason == TIMEOUT
    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    time.sleep(0.2)
    assert [pid for pid in processes() if str(tmp_path) in pid] == []


def processes() -> list[str]:
    """Working folders of the processes that can be seen."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cwd"):
        try:
            found.append(str(path.readlink()))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_files_of_the_documented_start_have_no_problems(name):
    dft = METHODS[name]
    assert get_engine(dft).problems(dft, ["Si", "H"]) == []
