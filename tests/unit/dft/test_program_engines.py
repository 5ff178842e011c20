"""Quantum ESPRESSO and ABINIT without running them: headers, input, problems, what their texts tell, processes."""

import ast
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read
from ase.units import Ry

import pesforge
from pesforge.dft.abinit_engine import AbinitEngine
from pesforge.dft.engines import ENGINE_MODULES, get_engine
from pesforge.dft.espresso_engine import EspressoEngine
from pesforge.dft.failures import CRASH, MISSING_SETUP, SCF, TIMEOUT, TOO_CLOSE, time_limit
from pesforge.dft.program_engine import ProgramEngine, run_program
from pesforge.dft.pseudopotentials import (
    pseudopotential_digests,
    read_potcar,
    read_psp8,
    read_upf,
    reference_settings,
    settings_from_dict,
)
from pesforge.dft.settings import ReferenceSettings
from pesforge.dft.vasp_engine import VaspEngine
from pesforge.errors import DataError, LabelError, SettingsError
from pesforge.provenance import fingerprint
from pesforge.settings import Dft

UPF_2 = """<UPF version="2.0.1">
<PP_INFO>header="no"</PP_INFO>
<PP_HEADER generated="x" element="{element}" pseudo_type="{kind}"
 functional="{functional}" z_valence="4.000E+000" />
"""
UPF_1 = """<PP_HEADER>
   0                   Version Number
  Si                   Element
   NC                  Norm - Conserving pseudopotential
    F                  Nonlinear Core Correction
 SLA  PW   PBX  PBC    PBE  Exchange-Correlation functional
    4.00000000000      Z valence
</PP_HEADER>
"""
PSP8 = """{element}  r_core=   1.60303   1.72197   1.91712
{nucleus:.4f}      4.0000      170510    zatom,zion,pspd
{code}      {functional}   2     4   600     0    pspcod,pspxc,lmax,lloc,mmax,r2well
"""
SCAN = {"cutoff_ev": 400.0, "k_spacing_per_ang": 0.5, "scf_tolerance": 1e-4, "smearing_ev": 0.1}


def upf(path: Path, element="Si", kind="USPP", functional="PBE") -> Path:
    path.write_text(UPF_2.format(element=element, kind=kind, functional=functional))
    return path


def psp8(path: Path, element="Si", nucleus=14, functional=11, code=8) -> Path:
    path.write_text(PSP8.format(element=element, nucleus=nucleus, functional=functional, code=code))
    return path


@pytest.fixture
def espresso(tmp_path) -> Dft:
    upf(tmp_path / "Si.UPF")
    files = {"pseudopotentials": {"Si": "Si.UPF"}, "pseudopotential_folder": tmp_path}
    return Dft(engine="espresso", command=sys.executable, **files)


@pytest.fixture
def abinit(tmp_path) -> Dft:
    psp8(tmp_path / "Si.psp8")
    files = {"pseudopotentials": {"Si": "Si.psp8"}, "pseudopotential_folder": tmp_path}
    return Dft(engine="abinit", command=sys.executable, **files)


def written(engine: ProgramEngine, atoms: Atoms, folder: Path, attempt=1, mesh=(2, 3, 4), **changes) -> str:
    """The input file of a structure, spaces made single."""
    settings = reference_settings(engine.dft, **(SCAN | changes))
    potentials = {"Si": engine.read_potential(engine.dft.pseudopotential_folder / engine.dft.pseudopotentials["Si"])}
    folder.mkdir()
    calculator = engine.calculator(atoms, settings, mesh, attempt, potentials, folder)
    calculator.write_inputfiles(atoms, ("energy", "forces", "stress"))
    return "\n".join(" ".join(row.split()) for row in (folder / calculator.template.inputname).read_text().splitlines())


@pytest.mark.parametrize(
    ("words", "name"),
    [("PBE", "PBE"), (" SLA  PW   PBX  PBC", "PBE"), ("SLA PZ NOGX NOGC", "LDA"), ("PBESOL", "PBEsol"), ("X", "X")],
)
def test_upf_headers_of_version_2(tmp_path, words, name):
    header = read_upf(upf(tmp_path / "a", element=" B", functional=words))
    assert (header.element, header.functional, header.valence, header.norm_conserving) == ("B", name, 4.0, False)
    assert read_upf(upf(tmp_path / "a", kind="NC")).norm_conserving


def test_upf_headers_of_version_1(tmp_path):
    (tmp_path / "a").write_text(UPF_1)
    header = read_upf(tmp_path / "a")
    assert (header.element, header.functional, header.valence, header.norm_conserving) == ("Si", "PBE", 4.0, True)


def test_psp8_headers(tmp_path):
    header = read_psp8(psp8(tmp_path / "a", "Al", 13, -1012))
    assert (header.element, header.functional, header.valence, header.norm_conserving) == ("Al", "LDA", 4.0, True)
    with pytest.raises(DataError, match="format 6"):
        read_psp8(psp8(tmp_path / "a", code=6))


@pytest.mark.parametrize(
    "text", ["", "nonsense\nhere\nagain", "<PP_HEADER>\n 0 Version\n", '<PP_HEADER element="Si"/>']
)
def test_files_that_are_no_pseudopotentials(tmp_path, text):
    (tmp_path / "a").write_text(text)
    for header_of in (read_upf, read_psp8, read_potcar):
        with pytest.raises(DataError, match="/a: "):
            header_of(tmp_path / "a")
        with pytest.raises(DataError, match="cannot be read"):
            header_of(tmp_path / "b")


def test_labels_of_other_pseudopotentials_have_other_settings(espresso, tmp_path):
    settings = reference_settings(espresso, **SCAN)
    assert settings_from_dict(settings.to_dict()) == settings
    (tmp_path / "Si.UPF").rename(tmp_path / "other.UPF")
    renamed = espresso.model_copy(update={"pseudopotentials": {"Si": "other.UPF"}})
    assert reference_settings(renamed, **SCAN).hash == settings.hash
    upf(tmp_path / "other.UPF", kind="NC")
    assert reference_settings(renamed, **SCAN).hash != settings.hash
    with pytest.raises(DataError, match="converge"):
        EspressoEngine(renamed).calculate(bulk("Si"), settings, (1, 1, 1), 1)


def test_settings_of_gpaw_are_what_they_were():
    settings = reference_settings(Dft(), **SCAN)
    assert type(settings) is ReferenceSettings
    assert settings.hash == "dft-a84d12a386874218"
    assert pseudopotential_digests(Dft()) == {}
    assert settings_from_dict(settings.to_dict()) == settings
    assert fingerprint(*ENGINE_MODULES["gpaw"], "dft/settings") == fingerprint("dft/gpaw_engine", "dft/settings")


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


POTCAR = """  PAW_PBE {element} 05Jan2001
 4.00000000000000
   VRHFIN ={element}: s2p2
   LEXCH  = PE
   POMASS =   28.085; ZVAL   =    4.000    mass and valenz
"""


@pytest.fixture
def vasp(tmp_path) -> Dft:
    for element in ("Si", "C"):
        (tmp_path / f"POTCAR_{element}").write_text(POTCAR.format(element=element))
    files = {"Si": "POTCAR_Si", "C": "POTCAR_C"}
    return Dft(engine="vasp", command=sys.executable, pseudopotentials=files, pseudopotential_folder=tmp_path)


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


def test_potcar_files_of_several_elements_are_refused(tmp_path):
    (tmp_path / "a").write_text(POTCAR.format(element="Si") * 2)
    with pytest.raises(DataError, match="no POTCAR of one element"):
        read_potcar(tmp_path / "a")


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


PERCENT = " " + 78 * "%"
RECORDED = [
    (EspressoEngine, SCF, "     convergence NOT achieved after   3 iterations: stopping\n"),
    (
        EspressoEngine,
        TOO_CLOSE,
        f"{PERCENT}\n     Error in routine check_atoms (1):\n     atoms #   1 and #   2 overlap!\n{PERCENT}\n",
    ),
    (
        EspressoEngine,
        MISSING_SETUP,
        f"{PERCENT}\n     Error in routine readpp (1):\n     file ./Si.UPF not readable\n{PERCENT}\n",
    ),
    (EspressoEngine, CRASH, f"{PERCENT}\n     Error in routine electrons (1):\n     charge is wrong\n{PERCENT}\n"),
    (EspressoEngine, None, "Warning: card &CELL ignored\n     convergence has been achieved in   9 iterations\n"),
    (
        AbinitEngine,
        SCF,
        "--- !ScfConvergenceWarning\nmessage: |\n    nstep 3 was not enough SCF cycles to converge.\n...\n"
        " Calculation completed.\n",
    ),
    (
        AbinitEngine,
        TOO_CLOSE,
        "--- !ERROR\nsrc_file: m_chkinp.F90\nsrc_line: 3752\nmpi_rank: 0\nmessage: |\n"
        "    Atoms number   1 and   2 are located at the same point of the unit cell\n"
        "    (periodic images are taken into account).\n...\n",
    ),
    (
        AbinitEngine,
        CRASH,
        "--- !BUG\nsrc_file: m_x.F90\nsrc_line: 1\nmpi_rank: 0\nmessage: |\n    Something else.\n...\n",
    ),
    (AbinitEngine, None, "--- !WARNING\nsrc_file: m_x.F90\nmessage: |\n    A remark.\n...\n Calculation completed.\n"),
]


@pytest.mark.parametrize(("engine", "kind", "text"), RECORDED)
def test_what_the_programs_say_tells_the_kind_of_failure(engine, kind, text):
    """Texts in the form of Quantum ESPRESSO 6.7 and ABINIT 9.6.2, shortened."""
    found = engine.failure(text)
    assert (found and found[0]) == kind


def test_structures_with_an_element_without_file(espresso, abinit):
    for dft in (espresso, abinit):
        settings = reference_settings(dft, **SCAN)
        with pytest.raises(LabelError, match="no file for Ge") as caught:
            get_engine(dft).calculate(bulk("Ge"), settings, (1, 1, 1), 1)
        assert caught.value.reason == MISSING_SETUP
        (dft.pseudopotential_folder / dft.pseudopotentials["Si"]).unlink()
        with pytest.raises(LabelError, match="is not there") as caught:
            get_engine(dft).calculate(bulk("Si"), settings, (1, 1, 1), 1)
        assert caught.value.reason == MISSING_SETUP


def test_a_missing_program_stops_the_study_and_not_one_label(espresso):
    dft = espresso.model_copy(update={"command": ("no-such-pw.x",)})
    settings = reference_settings(dft, **SCAN)
    with pytest.raises(SettingsError, match=r"dft.command: 'no-such-pw.x' cannot be run"):
        get_engine(dft).calculate(bulk("Si"), settings, (1, 1, 1), 1)


def test_a_program_that_crashes_leaves_its_last_words_and_no_folder(espresso, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    (tmp_path / "scratch").mkdir()
    words = (sys.executable, "-c", "print('unhappy with this'); print(12); raise SystemExit(3)")
    engine = get_engine(espresso.model_copy(update={"command": words}))
    with pytest.raises(LabelError, match="exit status 3; its last words: unhappy with this") as caught:
        engine.calculate(bulk("Si"), reference_settings(espresso, **SCAN), (1, 1, 1), 1)
    assert caught.value.reason == CRASH
    assert list((tmp_path / "scratch").iterdir()) == []


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def gone(pid: int) -> bool:
    """Whether a process ends within 5 s."""
    for _ in range(100):
        if not alive(pid):
            return True
        time.sleep(0.05)
    return False


def pids(folder: Path, count: int) -> list[int]:
    """Process numbers that a program wrote into its folder."""
    for _ in range(200):
        words = (folder / "pids").read_text().split() if (folder / "pids").is_file() else []
        if len(words) == count:
            return [int(word) for word in words]
        time.sleep(0.02)
    raise AssertionError("the program did not start")


FORKING = ("sh", "-c", "sleep 60 & echo $$ $! > pids; wait")


def test_a_time_limit_ends_the_program_and_its_children(tmp_path):
    with pytest.raises(LabelError) as caught, time_limit(0.5):
        run_program(FORKING, tmp_path, tmp_path / "out", tmp_path / "err")
    assert caught.value.reason == TIMEOUT
    assert all(gone(pid) for pid in pids(tmp_path, 2))


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's signal at the parent's death")
def test_a_program_does_not_outlive_a_killed_job(tmp_path):
    code = (
        "import sys; from pathlib import Path; from pesforge.dft.program_engine import run_program\n"
        "at = Path(sys.argv[1]); run_program(('sh', '-c', 'echo $$ > pids; exec sleep 60'), at, at / 'o', at / 'e')"
    )
    job = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    (pid,) = pids(tmp_path, 1)
    assert alive(pid)
    job.send_signal(signal.SIGKILL)
    job.wait()
    assert gone(pid)


def test_programs_see_the_environment_and_no_shell(tmp_path, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    code = "import os, sys; print(os.environ['OMP_NUM_THREADS'], os.environ['TMPDIR'], sys.argv[1])"
    run_program((sys.executable, "-c", code, "$HOME; `id`"), tmp_path, tmp_path / "out", tmp_path / "err")
    assert (tmp_path / "out").read_text() == f"3 {tmp_path} $HOME; `id`\n"
