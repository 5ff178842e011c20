"""The LAMMPS plugin against the invariants of the basis, each run in a process of its own."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.lammps import Prism
from ase.calculators.lj import LennardJones
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write
from ase.stress import full_3x3_to_voigt_6_stress, voigt_6_to_full_3x3_stress
from lammps_run import BAR_IN_EV_PER_ANG3, run_lammps

from pesforge.cli import main
from pesforge.errors import DataError, PesforgeError
from pesforge.export.lammps import (
    UNCERTAINTY,
    build_plugin,
    leverage_terms,
    pair_lines,
    uncertainty_lines,
    write_ace_file,
    write_lammps,
)
from pesforge.export.potential import Potential
from pesforge.export.potential_folder import load_potential, save_model
from pesforge.potentials.posterior import Posterior
from pesforge.representations.ace import AceBasis
from pesforge.representations.stacked import stacked
from pesforge.representations.zbl import Zbl

START = ("units metal", "atom_style atomic", "boundary p p p")


def potential(species, cutoff_ang=4.5, max_degree=(6, 6, 6, 5), l_max=(0, 3, 3, 2), energy_ev=3.0, seed=1):
    basis = AceBasis(species, cutoff_ang, max_degree, l_max)
    coefficients = np.random.default_rng(seed).normal(size=basis.n_functions) / (1 + basis.degree) ** 2
    return Potential(
        "ace-linear", basis, energy_ev * coefficients, {symbol: -1.5 - i for i, symbol in enumerate(species)}
    )


def exact(model, atoms):
    """Energies of atoms, forces and stress from the invariants and their derivatives."""
    energies, forces, stress = model.basis.evaluate(atoms, model.atom_gradient)
    return energies + [model.zeros[symbol] for symbol in atoms.get_chemical_symbols()], forces, stress


def silicon():
    atoms = bulk("Si", a=5.43, cubic=True) * (2, 2, 1)
    atoms.rattle(0.15, seed=3)
    return atoms


def alloy():
    """A triclinic cell that is shorter than the cutoff, so that atoms meet several images of one another."""
    scaled = [[0.02, 0.01, 0.0], [0.5, 0.48, 0.03], [0.51, 0.02, 0.5], [0.0, 0.52, 0.47], [0.25, 0.3, 0.8]]
    cell = [[3.9, 0.0, 0.0], [0.6, 4.0, 0.0], [-0.4, 0.9, 4.3]]
    return Atoms("CuAuCuAuCu", scaled_positions=scaled, cell=cell, pbc=True)


@pytest.fixture(scope="module")
def plugin(tmp_path_factory):
    return build_plugin(tmp_path_factory.mktemp("plugin"))


def posterior_of(basis, directions=None, seed=0):
    """Random, in single precision as if it were stored; with as many directions as unknowns where none are given."""
    unknowns = basis.n_functions + len(basis.species)
    whitening = np.random.default_rng(seed).normal(size=(unknowns, directions or unknowns))
    return Posterior(whitening.astype(np.float32).astype(float), 0.37)


def job(folder, plugin, model, atoms, extra=("run 0",), elements=None):
    """Commands that compute `atoms`."""
    folder.mkdir(exist_ok=True)
    leverage = None if model.posterior is None else leverage_terms(model.basis, model.posterior)
    write_ace_file(folder / "pesforge.ace", model.compiled(), leverage)
    write(folder / "data", atoms, format="lammps-data", masses=True, specorder=list(model.species))
    lines = pair_lines(elements or model.species, folder)
    return [*START, f"read_data {folder}/data", f"plugin load {plugin}", *lines[1:], *extra]


def rotated_back(atoms, result):
    """Forces and stress in the frame of `atoms`, which LAMMPS turns to a triangular cell."""
    prism = Prism(atoms.cell.array, pbc=True)
    pressure = voigt_6_to_full_3x3_stress(result["thermo"][2:]) * BAR_IN_EV_PER_ANG3
    stress = full_3x3_to_voigt_6_stress(prism.tensor2_to_ase(-pressure))
    return prism.vector_to_ase(result["forces"]), stress


@pytest.mark.parametrize("atoms", [silicon(), alloy()], ids=["one species", "two species, triclinic"])
def test_energy_forces_pressure_and_their_shares_of_atoms(tmp_path, plugin, atoms):
    model = potential(tuple(dict.fromkeys(atoms.get_chemical_symbols())))
    energies, forces, stress = exact(model, atoms)
    extra = ("compute energies all pe/atom", "compute virials all stress/atom NULL virial")
    extra = (*extra, "compute e all reduce sum c_energies", "compute v all reduce sum c_virials[1]")
    extra = (*extra, "thermo_style custom step temp pe etotal press c_e c_v", "run 0")
    (result,) = run_lammps([job(tmp_path, plugin, model, atoms, extra)])
    found, found_stress = rotated_back(atoms, result)
    assert np.abs(forces).max() > 0.1
    assert np.abs(stress).max() > 1e-3
    assert result["energies"] == pytest.approx(energies, abs=1e-10)
    assert result["thermo"][0] == pytest.approx(energies.sum(), abs=1e-9)
    assert found == pytest.approx(forces, abs=1e-8)
    assert found_stress == pytest.approx(stress, abs=1e-9)
    shares = -result["virials"].sum(axis=0) * BAR_IN_EV_PER_ANG3 / atoms.get_volume()
    assert shares[:3] == pytest.approx(result["thermo"][2:5] * BAR_IN_EV_PER_ANG3, abs=1e-9)


def test_mixed_channels_and_two_cutoffs(tmp_path, plugin):
    """Densities that mix species, beside those of another cutoff; leverages run over the functions of both."""
    mixed = AceBasis(("Cu", "Au"), 4.8, (4, 4, 4), (0, 2, 2), mixing=((1.0, 1.0), (0.7, -0.4)))
    basis = stacked((mixed, AceBasis(("Cu", "Au"), 3.6, (3, 3), (0, 2))))
    rng = np.random.default_rng(4)
    zeros, posterior = {"Cu": -1.0, "Au": -2.0}, posterior_of(basis, 5)
    model = Potential("ace-linear", basis, rng.normal(size=basis.n_functions), zeros, posterior=posterior)
    atoms = alloy()
    extra = ("fix leverage all pair 1 pesforge leverage 1", "run 0")
    (result,) = run_lammps([job(tmp_path, plugin, model, atoms, extra)])
    energies, forces, stress = exact(model, atoms)
    found, found_stress = rotated_back(atoms, result)
    assert result["thermo"][0] == pytest.approx(energies.sum(), abs=1e-8)
    assert found == pytest.approx(forces, abs=1e-7)
    assert found_stress == pytest.approx(stress, abs=1e-8)
    assert result["leverage"] == pytest.approx(model.uncertainty(atoms).leverage, rel=1e-7)


def test_few_functions(tmp_path, plugin):
    """The radial functions that occur with one harmonic need not follow one another."""
    model, atoms = potential(("Si",)), silicon()
    absent = [i for i, function in enumerate(model.basis.functions) if any(c.radial == 1 for c in function.channels)]
    model.coefficients[absent] = 0.0
    (result,) = run_lammps([job(tmp_path, plugin, model, atoms)])
    energies, forces, _ = exact(model, atoms)
    assert result["thermo"][0] == pytest.approx(energies.sum(), abs=1e-9)
    assert result["forces"] == pytest.approx(forces, abs=1e-8)


def test_constant_energy(tmp_path, plugin):
    """Stiff enough to move, with a repulsion from the pair functions: the energy must not drift in 200 steps."""
    atoms = bulk("Si", a=5.43, cubic=True) * (2, 2, 2)
    model = potential(("Si",), energy_ev=1.0)
    extra = ("velocity all create 600 7 mom yes", "fix move all nve", "timestep 0.001", "neighbor 0.5 bin")
    extra = (*extra, "neigh_modify delay 0 every 1 check yes")
    first, last = run_lammps([job(tmp_path, plugin, model, atoms, (*extra, f"run {steps}")) for steps in (0, 200)])
    assert abs(last["thermo"][0] - first["thermo"][0]) / len(atoms) > 1e-3
    assert abs(last["thermo"][1] - first["thermo"][1]) / len(atoms) < 1e-5


def test_two_processes_agree_with_one(tmp_path, plugin):
    """Halves of the box on two processes, which exchange forces on each other's atoms, through the program `lmp`."""
    model = potential(("Si",))
    extra = (*uncertainty_lines(10), f"thermo_style custom step temp pe etotal press {UNCERTAINTY}")
    extra = (*extra, "fix move all nve", "run 20")
    model = replace(model, posterior=posterior_of(model.basis, 4))
    commands = job(tmp_path, plugin, model, silicon(), extra)
    commands = [line.replace("style pesforge", "style pesforge sigma") for line in commands]
    (tmp_path / "in").write_text("\n".join([*commands[:-2], "thermo_modify format float %.10f", *commands[-2:]]))
    found = []
    for processes in ("1", "2"):
        program = [shutil.which(name, path=Path(sys.executable).parent) for name in ("mpiexec", "lmp")]
        command = [program[0], "-n", processes, program[1], "-in", "in", "-log", "none"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=True)
        lines = done.stdout.splitlines()
        assert f"{processes} procs" in done.stdout
        last = next(i for i, line in enumerate(lines) if line.startswith("Loop time")) - 1
        found.append([float(word) for word in lines[last].split()])
    assert found[0][0] == 20
    assert found[1] == pytest.approx(found[0], rel=1e-8)


@pytest.mark.parametrize("directions", [None, 7])
@pytest.mark.parametrize("atoms", [silicon(), alloy()], ids=["one species", "two species"])
def test_leverage_and_sigma(tmp_path, plugin, atoms, directions):
    """As the posterior gives them from the rows, those of the energy zeros among them, also after a run."""
    model = potential(tuple(dict.fromkeys(atoms.get_chemical_symbols())), max_degree=(4, 4, 4, 4))
    model = replace(model, posterior=posterior_of(model.basis, directions))
    extra = (*uncertainty_lines(5), f"thermo_style custom step temp pe etotal press {UNCERTAINTY}")
    extra = (*extra, "fix move all nve", "timestep 1e-9")
    jobs = [job(tmp_path, plugin, model, atoms, (*extra, f"run {steps}")) for steps in (0, 7)]
    jobs = [[line.replace("style pesforge", "style pesforge sigma") for line in lines] for lines in jobs]
    now, later = run_lammps(jobs)
    expected = model.uncertainty(atoms)
    assert now["leverage"] == pytest.approx(expected.leverage, rel=1e-7)
    assert later["leverage"] == pytest.approx(expected.leverage, rel=1e-4)
    assert now["sigma"] == pytest.approx(expected.energy_sigma_ev, rel=1e-7)
    assert later["sigma"] == pytest.approx(expected.energy_sigma_ev, rel=1e-4)


def test_leverage_of_a_function_without_coefficient(tmp_path, plugin):
    atoms = silicon()
    model = potential(("Si",))
    model = replace(model, posterior=posterior_of(model.basis, 3))
    model.coefficients[1:] = 0.0
    extra = ("fix leverage all pair 1 pesforge leverage 1", "run 0")
    (result,) = run_lammps([job(tmp_path, plugin, model, atoms, extra)])
    assert result["leverage"] == pytest.approx(model.uncertainty(atoms).leverage, rel=1e-7)


def test_types_in_another_order(tmp_path, plugin):
    """Types are mapped by the symbols of pair_coeff, whatever the order in the file."""
    atoms = alloy()
    model = potential(("Cu", "Au"))
    commands = job(tmp_path, plugin, model, atoms, elements=("Au", "Cu"))
    write(tmp_path / "data", atoms, format="lammps-data", masses=True, specorder=["Au", "Cu"])
    (result,) = run_lammps([commands])
    assert result["thermo"][0] == pytest.approx(exact(model, atoms)[0].sum(), abs=1e-9)


def damaged(tmp_path, plugin, change):
    commands = job(tmp_path, plugin, potential(("Si",), max_degree=(3, 3), l_max=(0, 2)), silicon())
    file = tmp_path / "pesforge.ace"
    file.write_text(change(file.read_text()))
    return commands


def test_errors_of_a_file(tmp_path, plugin):
    changes = {
        "is not a file of pair_style pesforge": lambda text: "LAMMPS\n" + text,
        "the format must be from 2 to 2": lambda text: text.replace("pesforge-ace 2", "pesforge-ace 7"),
        "ends too early": lambda text: text[: len(text) // 2],
        "'order' is expected, not '": lambda text: text.replace("order 2", "0.5 order 2"),
        "a factor must be from 0 to": lambda text: text[: text.index("order 1")] + "order 1 1\n99 0.5\n",
        "is not finite": lambda text: text.replace("zeros -1.5", "zeros nan"),
        "is not a number": lambda text: text.replace("zeros -1.5", "zeros -1.5x"),
    }
    jobs = [damaged(tmp_path / str(i), plugin, change) for i, change in enumerate(changes.values())]
    for expected, result in zip(changes, run_lammps(jobs), strict=True):
        assert expected in result.get("error", "no error")
        assert "pesforge lammps" in result["error"]


def test_errors_of_an_input(tmp_path, plugin):
    model, atoms = potential(("Si",), max_degree=(3, 3), l_max=(0, 2)), silicon()
    good = job(tmp_path, plugin, model, atoms)
    leverage = "fix leverage all pair 1 pesforge leverage 1"
    cases = {
        "has no element Ge, it has: Si": [line.replace("ace Si", "ace Ge") for line in good],
        "cannot be opened": [line.replace("pesforge.ace", "absent.ace") for line in good],
        "takes no argument but sigma": [line.replace("pair_style pesforge", "pair_style pesforge 3") for line in good],
        "Pair style pesforge: the file carries no leverage": [
            line.replace("pair_style pesforge", "pair_style pesforge sigma") for line in good
        ],
        "needs newton pair on": ["newton off", *good],
        "needs units metal": [line.replace("units metal", "units real") for line in good],
        "carries no leverage": [*good[:-1], leverage, "run 0"],
        "the file carries no leverage": [*good[:-2], leverage, *good[-2:]],
    }
    for expected, result in zip(cases, run_lammps(list(cases.values())), strict=True):
        assert expected in result.get("error", "no error")


def test_posterior_of_another_basis():
    basis = potential(("Si",), max_degree=(3, 3), l_max=(0, 2)).basis
    with pytest.raises(DataError, match=f"of {basis.n_functions + 1} unknowns is needed, not one of 3"):
        leverage_terms(basis, Posterior(np.ones((3, 2)), 1.0))


def test_compiler_missing_or_failing(tmp_path):
    with pytest.raises(PesforgeError, match="needs the C\\+\\+ compiler no-such-compiler"):
        build_plugin(tmp_path, compiler="no-such-compiler")
    with pytest.raises(PesforgeError, match="cannot be compiled"):
        build_plugin(tmp_path, compiler="false")


def test_package_missing(tmp_path, monkeypatch):
    from pesforge.export.lammps import plugin as module

    real = module.metadata.files

    def files(name):
        if name == "mpich":
            raise module.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(module.metadata, "files", files)
    with pytest.raises(PesforgeError, match=r"mpich is not installed\. Install the optional packages: pip install"):
        build_plugin(tmp_path)


def test_folder_of_the_command_runs(tmp_path, plugin, capsys, monkeypatch):
    """The example input, run as it is, with the plugin in place."""
    model = potential(("Si",))
    save_model(tmp_path / "fit" / "potential", model, {})
    assert main(["lammps", str(tmp_path / "fit")]) == 0
    said = capsys.readouterr().out
    folder = tmp_path / "fit" / "potential" / "lammps"
    assert "add --build" in said
    assert f"pair_coeff * * {folder}/pesforge.ace Si" in said
    assert f"pair_coeff * * {folder}/potential.yace Si" in said
    (folder / plugin.name).write_bytes(plugin.read_bytes())
    write(folder / "structure.data", silicon(), format="lammps-data", masses=True)
    monkeypatch.chdir(folder)
    (result,) = run_lammps([(folder / "in.example").read_text().replace("run 1000", "run 0").splitlines()])
    assert result["thermo"][0] == pytest.approx(exact(model, silicon())[0].sum(), abs=1e-9)


def test_folder_of_a_fitted_potential_runs_with_its_uncertainty(tmp_path, plugin, capsys, monkeypatch):
    """From labels to LAMMPS by the two commands: leverages are those of the calculator.

    The standard deviation is the one of the posterior alone: 68.3 % of left-out energies lie within it.
    """
    frames = [silicon() for _ in range(12)]
    for seed, atoms in enumerate(frames):
        atoms.rattle(0.1, seed=seed)
        atoms.calc = LennardJones(sigma=2.1, epsilon=0.5, rc=5.0)
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces(), "stress": atoms.get_stress()}
        atoms.calc = SinglePointCalculator(atoms, **results)
    write(tmp_path / "train.extxyz", frames)
    fitted = tmp_path / "fit"
    assert main(["fit", str(tmp_path / "train.extxyz"), "--out", str(fitted), "--functions", "60"]) == 0
    assert main(["lammps", str(fitted)]) == 0
    said = capsys.readouterr().out
    assert "compute sigma all pair pesforge" in said
    assert "c_sigma[1]" in said
    folder = fitted / "potential" / "lammps"
    (folder / plugin.name).write_bytes(plugin.read_bytes())
    atoms = silicon()
    write(folder / "structure.data", atoms, format="lammps-data", masses=True)
    monkeypatch.chdir(folder)
    (result,) = run_lammps([(folder / "in.example").read_text().replace("run 1000", "run 0").splitlines()])
    calculator = load_potential(fitted)
    expected = replace(calculator.potential, calibrated=None).uncertainty(atoms)
    assert result["leverage"] == pytest.approx(expected.leverage, rel=1e-6)
    assert result["sigma"] == pytest.approx(expected.energy_sigma_ev, rel=1e-6)
    assert result["thermo"][0] == pytest.approx(calculator.get_potential_energy(atoms), abs=1e-8)


def test_repulsion_of_nuclei(tmp_path, plugin, capsys):
    """The example input, on atoms that are far too close, and the lines that the command prints."""
    zbl, plain = Zbl(("Au", "Cu"), 1.3, 2.4), potential(("Au", "Cu"))
    model = replace(plain, baseline=zbl, posterior=posterior_of(plain.basis, 4))
    save_model(tmp_path / "a", model, {})
    assert main(["lammps", str(tmp_path / "a")]) == 0
    said = capsys.readouterr().out.splitlines()
    assert "pair_coeff 1 2 zbl 79.0 29.0" in said
    assert "pair_style hybrid/overlay pace zbl 1.3 2.4" in said
    assert any("not in the files" in line for line in said)
    folder = tmp_path / "a" / "lammps"
    (folder / plugin.name).write_bytes(plugin.read_bytes())
    positions = [[0, 0, 0], [2.0, 1.9, 0.1], [1.1, 0.2, 0.7], [0.3, 2.0, 2.1]]
    atoms = Atoms("AuCu3", positions, cell=[4.2, 4.4, 4.6], pbc=True)
    write(folder / "structure.data", atoms, format="lammps-data", masses=True, specorder=["Au", "Cu"])
    example = (folder / "in.example").read_text().replace("run 1000", "run 0")
    assert "pair_style hybrid/overlay pesforge sigma zbl 1.3 2.4\n" in example
    example = example.replace("structure.data", f"{folder}/structure.data").replace(" ./", f" {folder}/")
    commands = [line for line in example.splitlines() if not line.startswith("velocity")]
    (result,) = run_lammps([commands])
    energies, forces, stress = model.evaluate(atoms)
    assert np.abs(forces - plain.evaluate(atoms)[1]).max() > 50
    assert result["thermo"][0] == pytest.approx(energies.sum(), rel=1e-9)
    assert result["forces"] == pytest.approx(forces, rel=1e-7, abs=1e-6)
    assert rotated_back(atoms, result)[1] == pytest.approx(stress, rel=1e-7, abs=1e-7)
    expected = model.uncertainty(atoms)
    assert result["leverage"] == pytest.approx(expected.leverage, rel=1e-6)
    assert result["sigma"] == pytest.approx(expected.energy_sigma_ev, rel=1e-6)


def test_what_yace_cannot_hold_is_said_and_an_older_file_removed(tmp_path):
    parts = (AceBasis(("Si",), 5.0, (3, 3), (0, 2)), AceBasis(("Si",), 4.0, (3, 3), (0, 2)))
    basis = stacked(parts)
    (tmp_path / "potential.yace").write_text("an older one")
    (note,) = write_lammps(tmp_path, Potential("ace-linear", basis, np.ones(basis.n_functions), {"Si": 0.0}))
    assert note.startswith("potential.yace is not written: ")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.example", "pesforge.ace"]


def test_only_linear_potentials(tmp_path):
    class Other:
        kind = "pair"
        species = ("Si",)

    with pytest.raises(DataError, match="kind ace-linear, not pair"):
        write_lammps(tmp_path, Other())
