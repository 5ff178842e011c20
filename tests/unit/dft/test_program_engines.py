"""Quantum ESPRESSO, ABINIT and VASP without running them: what they depend on, their input, and what would fail."""

import ast
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read
from ase.units import Ry
from pseudopotential_files import POTCAR, SCAN, upf

import pesforge
from pesforge.dft.abinit_engine import AbinitEngine
from pesforge.dft.engines import ENGINE_MODULES, get_engine
from pesforge.dft.espresso_engine import EspressoEngine
from pesforge.dft.failures import SCF
from pesforge.dft.program_engine import ProgramEngine
from pesforge.dft.pseudopotentials import (
    read_potcar,
    read_upf,
    reference_settings,
)
from pesforge.dft.vasp_engine import VaspEngine
from pesforge.errors import LabelError
from pesforge.settings import Dft


def written(engine: ProgramEngine, atoms: Atoms, folder: Path, attempt=1, mesh=(2, 3, 4), **changes) -> str:
    """The input file of a structure, spaces made single."""
    settings = reference_settings(engine.dft, **(SCAN | changes))
    potentials = {"Si": engine.read_potential(engine.dft.pseudopotential_folder / engine.dft.pseudopotentials["Si"])}
    folder.mkdir()
    calculator = engine.calculator(atoms, settings, mesh, attempt, potentials, folder)
    calculator.write_inputfiles(atoms, ("energy", "forces", "stress"))
    return "\n".join(" ".join(row.split()) for row in (folder / calculator.template.inputname).read_text().splitlines())


@pytest.mark.parametrize("name", ENGINE_MODULES)
def test_labels_depend_on_all_code_of_their_engine(name):
    """Modules of `dft` that an engine imports decide its labels, apart from those that only carry them."""
    root = Path(pesforge.__file__).parent
    imported = set()
    for module in ENGINE_MODULES[name]:
        tree = ast.parse((root / f"{module}.py").read_text())
        names = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module]
        imported |= {name.removeprefix("pesforge.").replace(".", "/") for name in names if "pesforge.dft." in name}
    assert imported - {"dft/failures", "dft/label", "dft/settings"} <= set(ENGINE_MODULES[name])


def test_input_of_espresso(espresso, tmp_path):
    engine = get_engine(espresso)
    assert isinstance(engine, EspressoEngine)
    text = written(engine, bulk("Si"), tmp_path / "run")
    assert "K_POINTS automatic\n2 3 4 0 0 0" in text
    assert f"ecutwfc = {400 / Ry:.6g}"[:16] in text
    assert f"ecutrho = {10 * 400 / Ry:.6g}"[:16] in text
    assert "smearing = 'fermi-dirac'" in text
    assert f"degauss = {0.1 / Ry:.10f}"[:18] in text
    assert "tprnfor = .true." in text
    assert "tstress = .true." in text
    assert "nspin" not in text
    assert (tmp_path / "run" / "Si.UPF").read_bytes() == (tmp_path / "Si.UPF").read_bytes()
    fixed = written(engine, bulk("Si"), tmp_path / "fixed", smearing_ev=0.0)
    assert "occupations = 'fixed'" in fixed
    assert "degauss" not in fixed


def test_moments_of_espresso_are_fractions_of_the_valence_electrons(espresso, tmp_path):
    spin = espresso.model_copy(update={"spin_polarized": True, "initial_moment": 1.0})
    text = written(EspressoEngine(spin), bulk("Si"), tmp_path / "run")
    assert "nspin = 2" in text
    assert "starting_magnetization(1) = 0.25" in text


def test_tolerance_of_espresso_goes_with_its_square_and_with_the_size(espresso, tmp_path):
    engine = EspressoEngine(espresso)
    potentials = {"Si": read_upf(tmp_path / "Si.UPF")}

    def threshold(atoms, tolerance):
        settings = reference_settings(espresso, **(SCAN | {"scf_tolerance": tolerance}))
        return engine.parameters(atoms, settings, 1, potentials)["electrons"]["conv_thr"]

    assert threshold(bulk("Si"), 1e-4) == pytest.approx(8 * 1e-8 / Ry)
    assert threshold(bulk("Si", cubic=True), 1e-3) == pytest.approx(32 * 1e-6 / Ry)


def test_input_of_abinit(abinit, tmp_path):
    engine = get_engine(abinit)
    assert isinstance(engine, AbinitEngine)
    rows = written(engine, bulk("Si"), tmp_path / "run")
    for row in (
        "ngkpt\n2 3 4",
        "shiftk\n0.0 0.0 0.0",
        "ecut 400.0 eV",
        "tsmear 0.1 eV",
        "nband 8",
        "occopt 3",
        "ixc 11",
        "nsppol 1",
    ):
        assert row in rows
    assert rows.count("ngkpt") == rows.count("\nshiftk") == 1
    assert f'pseudos "{tmp_path}/run/Si.psp8"' in rows
    spin = abinit.model_copy(update={"spin_polarized": True, "initial_moment": 1.5})
    text = written(AbinitEngine(spin), bulk("Si"), tmp_path / "spin", smearing_ev=0.0)
    assert "nsppol 2" in text
    assert text.count("0.00000000000000 0.00000000000000 1.50000000000000") == 2
    assert "tsmear" not in text


def test_input_of_vasp_sorts_the_atoms_by_element(vasp, tmp_path):
    engine = get_engine(vasp)
    assert isinstance(engine, VaspEngine)
    assert engine.problems(vasp, ["Si", "C"]) == []
    atoms = Atoms("SiCSi", positions=[[0, 0, 0], [1, 1, 1], [2, 2, 2]], cell=[5, 5, 5], pbc=True)
    potentials = {element: read_potcar(tmp_path / f"POTCAR_{element}") for element in ("Si", "C")}
    (tmp_path / "run").mkdir()
    settings = reference_settings(vasp, **SCAN)
    calculator = engine.calculator(atoms, settings, (2, 3, 4), 2, potentials, tmp_path / "run")
    calculator.write_inputfiles(atoms, ("energy", "forces", "stress"))
    files = {path.name: path.read_text() for path in (tmp_path / "run").iterdir()}
    assert set(files) == {"INCAR", "KPOINTS", "POSCAR", "POTCAR"}
    assert files["POTCAR"] == POTCAR.format(element="C") + POTCAR.format(element="Si")
    assert read(tmp_path / "run" / "POSCAR", format="vasp").positions == pytest.approx(atoms.positions[[1, 0, 2]])
    assert files["KPOINTS"].splitlines()[1:] == ["0", "Gamma", "2 3 4", "0 0 0"]
    rows = files["INCAR"].splitlines()
    for row in ("ENCUT = 400.0", "ISMEAR = -1", "SIGMA = 0.1", "ISPIN = 1", "NELM = 200", "ALGO = All", "ISIF = 2"):
        assert row in rows
    assert "EDIFF = 1.200000e-07" in rows
    calculator.template.order = [1, 0, 2]
    (tmp_path / "run" / "OUTCAR").write_text("no word of an end")
    with pytest.raises(LabelError) as caught:
        calculator.template.read_results(tmp_path / "run")
    assert caught.value.reason == SCF


def test_each_attempt_takes_the_next_remedy(espresso, abinit, tmp_path):
    for engine, key in ((EspressoEngine(espresso), "electron_maxstep = "), (AbinitEngine(abinit), "nstep ")):
        texts = [written(engine, bulk("Si"), tmp_path / f"{engine.name}{n}", n) for n in (1, 2, 3, 4)]
        for number, text in enumerate(texts, start=1):
            assert f"{key}{100 * number}" in text
        ways = [text.replace(f"{key}{100 * number}", "") for number, text in enumerate(texts, start=1)]
        ways = [way.replace(f"{engine.name}{number}/", "") for number, way in enumerate(ways, start=1)]
        assert len(set(ways)) == 3
        assert ways[2] == ways[3]


def test_problems_name_what_is_missing_and_how_to_get_it(espresso, abinit, tmp_path):
    assert get_engine(espresso).problems(espresso, ["Si"]) == []
    assert get_engine(abinit).problems(abinit, ["Si"]) == []

    def only(dft, elements=("Si",), **changes):
        changed = dft.model_copy(update=changes)
        (problem,) = get_engine(changed).problems(changed, elements)
        return problem

    assert "apt-get install quantum-espresso" in only(espresso, command=("no-such-pw.x",))
    assert "apt-get install abinit" in only(abinit, command=("no-such-abinit",))
    assert "/usr/share/espresso/pseudo" in only(espresso, pseudopotential_folder=None)
    assert "is not there" in only(abinit, pseudopotential_folder=tmp_path / "nowhere")
    upf(tmp_path / "Ge_x.UPF", "Ge")
    assert "no file for Ge. In " in only(espresso, ["Si", "Ge"])
    assert "Ge_x.UPF" in only(espresso, ["Si", "Ge"])
    assert "cannot be read" in only(espresso, pseudopotentials={"Si": "no.UPF"})
    assert "belongs to Ge, not to Si" in only(espresso, pseudopotentials={"Si": "Ge_x.UPF"})
    assert "made for the functional 'PBE', but `functional` is 'LDA'" in only(abinit, functional="LDA")
    assert "made for the functional 'PBE', but `functional` is 'PBEsol'" in only(espresso, functional="PBEsol")
    assert "allowed with ABINIT: PBE" in only(abinit, functional="RPBE")
    assert "needs `spin_polarized: true`" in only(espresso, initial_moment=1.0)
    assert "`initial_moment` above 0" in only(abinit, spin_polarized=True)
    assert "`smearing_ev` above 0" in only(espresso, spin_polarized=True, initial_moment=1.0, smearing_ev=0.0)


def test_gpaw_refuses_what_belongs_to_other_engines():
    for changes in ({"command": "pw.x"}, {"pseudopotentials": {"Si": "a"}}, {"pseudopotential_folder": "a"}):
        with pytest.raises(ValueError, match="GPAW_SETUP_PATH"):
            Dft(**changes)
    assert Dft(engine="abinit", command="a path/abinit").command == ("a path/abinit",)


def test_the_estimate_grows_with_atoms_and_k_points(espresso):
    engine = EspressoEngine(espresso)
    settings = reference_settings(espresso, **SCAN)
    small = engine.estimate_seconds(bulk("Si"), settings, (2, 2, 2))
    assert 0.2 < small < 10
    assert engine.estimate_seconds(bulk("Si"), settings, (4, 4, 4)) > 2 * small
    assert engine.estimate_seconds(bulk("Si", cubic=True), settings, (2, 2, 2)) > 2 * small
