"""Quantum ESPRESSO, ABINIT and VASP without running them: what they depend on, their input, and what would fail."""

import ast
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import read
from ase.units import Bohr, Hartree, Ry
from pseudopotential_files import POTCAR, SCAN, upf

import pesforge
from pesforge.dft.abinit_engine import AbinitEngine
from pesforge.dft.cp2k_engine import Cp2kEngine, centred_points, multiplicity
from pesforge.dft.cp2k_engine import Files as Cp2kFiles
from pesforge.dft.engines import ENGINE_MODULES, get_engine
from pesforge.dft.espresso_engine import EspressoEngine
from pesforge.dft.failures import SCF
from pesforge.dft.program_engine import ProgramEngine
from pesforge.dft.pseudopotentials import (
    pseudopotential_path,
    read_potcar,
    read_upf,
    reference_settings,
)
from pesforge.dft.vasp_engine import VaspEngine
from pesforge.errors import LabelError
from pesforge.settings import Dft, Study


def written(engine: ProgramEngine, atoms: Atoms, folder: Path, attempt=1, mesh=(2, 3, 4), **changes) -> str:
    """The input file of a structure, spaces made single."""
    settings = reference_settings(engine.dft, **(SCAN | changes))
    potentials = {"Si": engine.read_potential(pseudopotential_path(engine.dft, "Si"))}
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


def section(text: str, name: str) -> str:
    """The content of a section of an input of CP2K."""
    return text.split(f"&{name}\n")[1].split(f"&END {name}")[0]


def test_input_of_cp2k(cp2k, tmp_path):
    engine = get_engine(cp2k)
    assert isinstance(engine, Cp2kEngine)
    assert engine.problems(cp2k, ["Si"]) == []
    text = written(engine, bulk("Si"), tmp_path / "run", mesh=(2, 1, 1), cutoff_ev=5000.0)
    assert "CUTOFF [eV] 5000.0" in section(text, "MGRID")
    assert f"ELECTRONIC_TEMPERATURE [K] {0.1 / 8.617330337217213e-05:.3f}"[:36] in text
    assert "ADDED_MOS -1" in text
    assert "EPS_SCF 1.000000e-06" in text
    assert "MAX_SCF 100" in text
    assert section(text, "KPOINTS").splitlines()[2:] == [
        "KPOINT 0.000000000000 0.000000000000 0.000000000000 1",
        "KPOINT 0.500000000000 0.000000000000 0.000000000000 1",
    ]
    assert "&KIND Si\nBASIS_SET SZV-GTH\nPOTENTIAL GTH-PBE-q4\n&END KIND" in text
    assert "Si 1.357500000000 1.357500000000 1.357500000000" in section(text, "COORD")
    assert "STRESS_TENSOR ANALYTICAL" in text
    assert "UKS" not in text
    assert (tmp_path / "run/POTENTIAL").read_text().splitlines()[:2] == ["Si GTH-PBE-q4 GTH-PBE", "    2    2"]
    assert "SZV-GTH" in (tmp_path / "run/BASIS").read_text()
    assert "DZVP" not in (tmp_path / "run/BASIS").read_text()
    spin = cp2k.model_copy(update={"spin_polarized": True, "initial_moment": 1.5, "functional": "LDA"})
    text = written(Cp2kEngine(spin), bulk("Si"), tmp_path / "spin", mesh=(1, 1, 1), smearing_ev=0.0)
    assert "KPOINTS" not in text
    assert "SMEAR" not in text
    assert "MULTIPLICITY 3" in text
    assert "MAGNETIZATION 1.5" in text
    assert "&XC_FUNCTIONAL PADE" in text


@pytest.mark.parametrize("mesh", [(2, 2, 2), (3, 2, 1), (4, 3, 2), (1, 1, 5)])
def test_points_of_cp2k_are_the_mesh_with_gamma_and_one_of_each_opposite_pair(mesh):
    rows = [[float(word) for word in row.split()] for row in centred_points(mesh)]
    points, weights = np.array(rows)[:, :3], np.array(rows)[:, 3]
    assert weights.sum() == np.prod(mesh)
    assert (points[0] == 0).all()
    counts = np.array(mesh)
    both = [tuple(np.round(sign * point * counts).astype(int) % counts) for point in points for sign in (1, -1)]
    assert set(both) == set(np.ndindex(mesh))
    assert len(set(both)) == weights.sum()


def test_multiplicities_fit_the_number_of_electrons():
    assert [multiplicity(electrons, moment) for electrons, moment in ((8, 3.0), (8, 0.0), (9, 0.4), (1, 3.0))] == [
        3,
        1,
        2,
        2,
    ]


def test_output_of_cp2k_has_the_sign_of_a_pressure(tmp_path):
    """Text in the form of CP2K 2023.1, shortened."""
    text = """ ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]:               -7.500000000000000

 ATOMIC FORCES in [a.u.]

 # Atom   Kind   Element          X                  Y                  Z
      1      1      Si          0.025631427602    -0.019768840843     0.023182407917
      2      1      Si         -0.025631505244     0.019768903678    -0.023182476108
 SUM OF ATOMIC FORCES          -0.000000077641     0.000000062835    -0.000000068191     0.000000120940

 STRESS| Analytical stress tensor [GPa]
 STRESS|                        x                   y                   z
 STRESS|      x        1.00000000000E+00  -7.00000000000E+00   5.00000000000E+00
 STRESS|      y       -7.00000000000E+00   2.00000000000E+00  -8.00000000000E+00
 STRESS|      z        5.00000000000E+00  -8.00000000000E+00   3.00000000000E+00
 STRESS| 1/3 Trace                                             1.06025734682E+01
"""
    (tmp_path / "cp2k.out").write_text(text)
    results = Cp2kFiles().read_results(tmp_path)
    assert results["free_energy"] == pytest.approx(-7.5 * Hartree)
    assert results["forces"][1, 2] == pytest.approx(-0.023182476108 * Hartree / Bohr)
    assert 160.21766 * results["stress"] == pytest.approx([-1, -2, -3, 8, -5, 7], rel=1e-5)
    (tmp_path / "cp2k.out").write_text(text.replace("STRESS| Ana", "STRESS| Num"))
    with pytest.raises(LabelError, match="without energy, forces or stress"):
        Cp2kFiles().read_results(tmp_path)


def test_entries_of_cp2k_that_are_not_there_or_do_not_fit_are_named(cp2k):
    def only(words, **changes):
        changed = cp2k.model_copy(update=changes | {"pseudopotentials": {"Si": words}})
        (problem,) = get_engine(changed).problems(changed, ["Si"])
        return problem

    assert "CP2K needs four words" in only("GTH-PBE-q4")
    assert "has no entry Si GTH-BLYP-q4. Its names for Si: GTH-PBE, GTH-PBE-q4" in only("PP GTH-BLYP-q4 BS SZV-GTH")
    assert "cannot be read" in only("nowhere GTH-PBE-q4 BS SZV-GTH")
    assert "the basis set is for 3 electrons, the potential has 4" in only("PP GTH-PBE-q4 BS DZVP-GTH-q3")
    assert "made for the functional 'PBE'" in only("PP GTH-PBE-q4 BS SZV-GTH", functional="LDA")
    assert "allowed with CP2K: PBE, LDA, BLYP" in only("PP GTH-PBE-q4 BS SZV-GTH", functional="RPBE")


def test_labels_of_cp2k_depend_on_its_entries_and_on_nothing_else_in_their_files(cp2k, tmp_path):
    before = reference_settings(cp2k, **SCAN).hash
    for name, old, new, same in (
        ("PP", "    2    3", "    2    9", True),
        ("PP", "-6.26928833", "-6.26928834", False),
        ("BS", "DZVP", "TZVP", True),
        ("BS", "2.693604434572", "2.693604434573", False),
    ):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace(old, new))
        assert (reference_settings(cp2k, **SCAN).hash == before) == same
        (tmp_path / name).write_text(text)


def test_plane_wave_cutoffs_are_refused_for_the_density_grid_of_cp2k():
    with pytest.raises(ValueError, match="cutoff of the density grid"):
        Study(
            name="x",
            structure={"prototype": "diamond", "species": ["Si"], "lattice_constant_ang": 5.4},
            dft={"engine": "cp2k"},
        )


def test_each_attempt_takes_the_next_remedy(espresso, abinit, cp2k, tmp_path):
    engines = (
        (EspressoEngine(espresso), "electron_maxstep = "),
        (AbinitEngine(abinit), "nstep "),
        (Cp2kEngine(cp2k), "MAX_SCF "),
    )
    for engine, key in engines:
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
