"""Quantum ESPRESSO, ABINIT and CP2K on two atoms of silicon, beside GPAW: gradients, agreement, real failures.

Needs Debian's packages quantum-espresso, quantum-espresso-data, abinit, abinit-data, cp2k; what is missing is skipped.
"""

import re
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
GTH = Path("/usr/share/cp2k")
FILES = {"Si": "Si.pbe-nl-rrkjus_psl.1.0.0.UPF", "H": "H.pbe-kjpaw.UPF"}
METHODS = {
    "gpaw": Dft(),
    "espresso": Dft(engine="espresso", pseudopotential_folder=UPF, pseudopotentials=FILES),
    "abinit": Dft(engine="abinit", pseudopotential_folder=PSP8, pseudopotentials={"Si": "Si.psp8", "H": "H.psp8"}),
    "cp2k": Dft(
        engine="cp2k",
        pseudopotential_folder=GTH,
        pseudopotentials={
            "Si": "GTH_POTENTIALS GTH-PBE-q4 BASIS_MOLOPT DZVP-MOLOPT-SR-GTH",
            "H": "GTH_POTENTIALS GTH-PBE-q1 BASIS_MOLOPT DZVP-MOLOPT-SR-GTH",
        },
    ),
}
CUTOFFS = {"gpaw": 400.0, "espresso": 500.0, "abinit": 600.0, "cp2k": 4000.0}
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
with_cp2k = needs("cp2k", GTH, "cp2k")
PROGRAMS = [
    pytest.param("espresso", marks=with_espresso),
    pytest.param("abinit", marks=with_abinit),
]
CP2K = pytest.param("cp2k", marks=[with_cp2k, pytest.mark.slow])
"""Its local orbitals cost more on two atoms than plane waves do: about 10 s for each calculation."""


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


@pytest.mark.parametrize("name", [*PROGRAMS, CP2K])
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


@pytest.mark.parametrize("name", [*PROGRAMS, CP2K])
def test_forces_and_stress_agree_with_gpaw(name, labels):
    """PBE with four kinds of pseudopotentials: what differs is theirs, if there are empty bands enough."""
    reference, label = labels("gpaw"), labels(name)
    assert np.abs(reference.forces).max() > 1.0
    bound = {"espresso": 0.02, "abinit": 0.01, "cp2k": 0.01}[name]
    assert np.abs(label.forces - reference.forces).max() < bound
    assert EV_PER_ANG3_IN_GPA * np.abs(label.stress - reference.stress).max() < 0.8


@cache
def differences(name) -> tuple[np.ndarray, np.ndarray]:
    """Energies (eV/atom) and stresses (GPa) of a displaced and of two strained cells over those of the crystal."""
    crystal = bulk("Si", a=5.40)
    displaced = crystal.copy()
    displaced.positions[1] += [0.12, -0.06, 0.10]
    stretched, sheared = crystal.copy(), crystal.copy()
    stretched.set_cell(1.02 * crystal.cell.array, scale_atoms=True)
    sheared.set_cell(crystal.cell.array @ (np.eye(3) + 0.05 * DIRECTION), scale_atoms=True)
    cells = [calculate(name, atoms) for atoms in (crystal, displaced, stretched, sheared)]
    energies = np.array([label.energy for label in cells[1:]]) - cells[0].energy
    return energies / len(crystal), EV_PER_ANG3_IN_GPA * np.array(
        [label.stress - cells[0].stress for label in cells[1:]]
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_energy_and_stress_differences_agree_with_gpaw(name):
    """What a potential learns are differences; the offset of the energy is the pseudopotentials' own."""
    energies, stresses = differences("gpaw")
    others, tensions = differences(name)
    assert np.abs(energies).min() > 0.01
    assert 1e3 * np.abs(others - energies).max() < 4.0
    assert np.abs(tensions - stresses).max() < 0.25


@pytest.mark.parametrize("name", ["gpaw", *PROGRAMS])
def test_meshes_are_centred_on_gamma(name, rattled):
    """Two k-points along a direction that hold Γ are a cell twice as long at Γ; a mesh that is shifted is not.

    The cell is sheared, because Quantum ESPRESSO adds all points that are equivalent by the symmetry of the lattice.
    """
    sheared = rattled.copy()
    sheared.set_cell(rattled.cell.array @ (np.eye(3) + 0.05 * DIRECTION), scale_atoms=True)
    one = calculate(name, sheared, (2, 1, 1), smearing_ev=0.1).energy
    two = calculate(name, sheared.repeat((2, 1, 1)), (1, 1, 1), smearing_ev=0.1).energy
    assert two / 2 == pytest.approx(one, abs=1e-4)


METALS = {
    "gpaw": ({}, 300.0),
    "espresso": ({"functional": "LDA", "pseudopotentials": {"Al": "Al.pz-vbc.UPF"}}, 200.0),
    "abinit": ({"pseudopotentials": {"Al": "Al.psp8"}}, 500.0),
}


@pytest.mark.parametrize("name", ["gpaw", *PROGRAMS])
def test_forces_in_a_metal_belong_to_the_free_energy(name):
    """Two atoms of aluminium with 0.6 eV of smearing: E − TS is what has the forces as its gradient."""
    changes, cutoff = METALS[name]
    dft = METHODS[name].model_copy(update=changes)
    metal = bulk("Al", a=4.05).repeat((2, 1, 1))
    metal.positions[1] += [0.12, 0.05, -0.08]
    way = np.array([[0.0, 0.0, 0.0], [0.8, 0.33, -0.5]])

    def label(step):
        moved = metal.copy()
        moved.positions += step * way
        numbers = {"cutoff_ev": cutoff, "k_spacing_per_ang": 0.5, "scf_tolerance": 1e-5, "smearing_ev": 0.6}
        return get_engine(dft).calculate(moved, reference_settings(dft, **numbers), (1, 2, 2), 1)

    slope = (label(STEP_ANG).energy - label(-STEP_ANG).energy) / (2 * STEP_ANG)
    force = -np.sum(label(0.0).forces * way)
    assert abs(force) > 0.1
    assert force == pytest.approx(slope, abs=0.005)


MAGNETS = {"gpaw": ({}, 300.0), "espresso": ({"pseudopotentials": {"Ni": "Ni.pbe-nd-rrkjus.UPF"}}, 350.0)}


@cache
def nickel(name) -> float:
    """What spin polarisation brings to nickel in eV/atom, on a coarse mesh."""
    changes, cutoff = MAGNETS[name]
    numbers = {"cutoff_ev": cutoff, "k_spacing_per_ang": 1.5, "scf_tolerance": 1e-4, "smearing_ev": 0.1}
    energies = []
    for spin in ({}, {"spin_polarized": True, "initial_moment": 1.0}):
        dft = METHODS[name].model_copy(update=changes | spin)
        energies.append(
            get_engine(dft).calculate(bulk("Ni", a=3.52), reference_settings(dft, **numbers), MESH, 1).energy
        )
    return energies[0] - energies[1]


@with_espresso
def test_spin_lowers_the_energy_of_a_ferromagnet_as_much_as_with_gpaw():
    assert nickel("gpaw") > 0.2
    assert nickel("espresso") == pytest.approx(nickel("gpaw"), abs=0.05)


@with_espresso
def test_a_ferromagnet_keeps_a_moment():
    """By what each code says itself: the energy alone could be lower for another reason."""
    from gpaw import GPAW

    from pesforge.dft.espresso_engine import EspressoEngine
    from pesforge.dft.gpaw_engine import GpawEngine

    said = []

    class Telling(EspressoEngine):
        def _results(self, calculator, work, settings, attempt, folder):
            results = super()._results(calculator, work, settings, attempt, folder)
            said.append((folder / calculator.template.outputname).read_text())
            return results

    spin = {"spin_polarized": True, "initial_moment": 1.0}
    numbers = {"k_spacing_per_ang": 1.5, "scf_tolerance": 1e-3, "smearing_ev": 0.1}
    changes, cutoff = MAGNETS["espresso"]
    dft = METHODS["espresso"].model_copy(update=changes | spin)
    atoms = bulk("Ni", a=3.52)
    Telling(dft).calculate(atoms, reference_settings(dft, cutoff_ev=cutoff, **numbers), MESH, 1)
    moments = [float(found) for found in re.findall(r"total magnetization\s+=\s+(\S+)", said[0])]
    settings = reference_settings(Dft(**spin), cutoff_ev=300.0, **numbers)
    atoms.set_initial_magnetic_moments([1.0])
    atoms.calc = GPAW(**GpawEngine().parameters(settings, MESH, 1))
    atoms.get_potential_energy()
    moments.append(atoms.calc.get_magnetic_moment())
    assert min(moments[-2:]) > 0.4
    assert moments[-2] == pytest.approx(moments[-1], abs=0.15)


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


@pytest.mark.parametrize("name", [*PROGRAMS, CP2K])
def test_scf_that_does_not_converge(name, rattled, tmp_path):
    error = failure(name, rattled, tmp_path, max_iterations=3)
    assert error.reason == SCF
    assert "within 3 SCF steps (attempt 1)" in str(error)
    assert list(tmp_path.rglob("*.json")) == []


@pytest.mark.parametrize("name", [*PROGRAMS, CP2K])
def test_atoms_on_top_of_each_other(name, tmp_path):
    atoms = Atoms("Si2", positions=np.zeros((2, 3)), cell=[4, 4, 4], pbc=True)
    assert failure(name, atoms, tmp_path).reason == TOO_CLOSE


@pytest.mark.parametrize("name", [*PROGRAMS, CP2K])
def test_an_element_without_pseudopotential(name, tmp_path):
    assert failure(name, bulk("Ge"), tmp_path).reason == MISSING_SETUP


@pytest.mark.parametrize("name", [*PROGRAMS, CP2K])
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


@pytest.mark.parametrize("name", [*PROGRAMS, pytest.param("cp2k", marks=with_cp2k)])
def test_the_files_of_the_documented_start_have_no_problems(name):
    dft = METHODS[name]
    assert get_engine(dft).problems(dft, ["Si", "H"]) == []
