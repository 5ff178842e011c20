"""Defects, surfaces and faults of fcc crystals whose bonds can be counted, and of an alloy by ASE's EMT."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from bonds import A, Bonds

from pesforge.family_settings import FaultLine, Interstitial, Plane, StackingFault, Surface, Vacancy
from pesforge.proof_settings import Defects
from pesforge.sampling import interstitial, stacking_fault, surface, vacancy
from pesforge.sampling.measured import Measured
from pesforge.settings import Tolerances
from pesforge.validation.defects import Sides, compare_defects, mesh_offsets, miller
from pesforge.validation.excess import J_PER_M2, Crystal, supercell
from pesforge.validation.relaxed_defects import predict_defects


def fcc():
    return bulk("Al", "fcc", a=A, cubic=True)


def labelled(frames, make, force=None):
    found = []
    for frame in frames:
        work = frame.copy()
        work.calc = make()
        forces = work.get_forces() if force is None else np.full((len(frame), 3), force)
        frame.calc = SinglePointCalculator(frame, energy=work.get_potential_energy(), forces=forces)
        found.append(frame)
    return found


def samples(parent):
    measured = Measured.assumed(parent)
    planes = (Plane(hkl=(1, 0, 0)), Plane(hkl=(1, 1, 1)))
    line = FaultLine(hkl=(1, 1, 1), direction=(1, 1, -2))
    return [
        *vacancy.sample(parent, Vacancy(supercell=(2, 2, 2), count=2), measured, 1),
        *interstitial.sample(parent, Interstitial(supercell=(2, 2, 2), count=2), measured, 1),
        *surface.sample(parent, Surface(planes=planes, layers=5, rattled=1), measured, 1),
        *stacking_fault.sample(parent, StackingFault(lines=(line,), points=3, layers=4), measured, 1),
    ]


def sides_of(parent, dft, potential, offsets=None):
    energies = []
    for make in (dft, potential):
        work = parent.copy()
        work.calc = make()
        energies.append(work.get_potential_energy())
    return Sides(Crystal(parent, energies[0], {}), Crystal(parent, energies[1], {}), offsets or {})


def compared(frames, parent, potential, dft=Bonds, offsets=None):
    sides = sides_of(parent, dft, potential, offsets)
    checks, evidence = compare_defects(potential(), frames, sides, Tolerances())
    return {check.name: check for check in checks}, evidence


@pytest.fixture(scope="module")
def frames():
    return labelled(samples(fcc()), Bonds)


def test_broken_bonds_are_counted(frames):
    """A vacancy costs the cohesive energy, (100) four and (111) three bonds per atom, a stacking fault none."""
    checks, evidence = compared(frames, fcc(), Bonds)
    vacant = checks["vacancy of Al, site 00, not relaxed"]
    assert vacant.reference == pytest.approx(6 * 0.5)
    # two faces: half of four bonds of 0.5 eV on a²/2 each; on (111) half of three on √3 a²/4
    assert checks["surface (1 0 0), not relaxed"].reference == pytest.approx(J_PER_M2 * 4 * 0.25 / (A**2 / 2))
    assert checks["surface (1 1 1), not relaxed"].reference == pytest.approx(
        J_PER_M2 * 3 * 0.25 / (np.sqrt(3) * A**2 / 4)
    )
    (line,) = evidence["lines"]
    assert line["shares"] == pytest.approx([0, 1 / 3, 2 / 3], abs=1e-4)
    fault, top = line["dft_mj_per_m2"][1:]
    assert abs(fault) < 1e-6
    # atom on top of atom: one bond instead of three, too long by nothing
    assert top == pytest.approx(1e3 * J_PER_M2 * 3 * 0.5 / (np.sqrt(3) * A**2 / 4) * (3 - 1) / 3)
    assert all(check.passed for check in checks.values())
    assert max(check.deviation for check in checks.values()) < 1e-9


def test_bonds_a_tenth_too_strong_fail_where_a_tenth_is_too_much(frames):
    checks, _ = compared(frames, fcc(), lambda: Bonds(depth=0.56))
    assert checks["surface (1 0 0), not relaxed"].deviation == pytest.approx(12.0)
    failed = {name for name, check in checks.items() if check.passed is False}
    assert {"surface (1 0 0), not relaxed", "vacancy of Al, site 00, not relaxed"} < failed
    assert "γ-line (1 1 1) [1 1 -2], not relaxed" in failed


def test_families_without_labels_say_what_to_switch_on():
    checks, evidence = compared([], fcc(), Bonds)
    assert [check.passed for check in checks.values()] == [None] * 4
    assert "`sample.vacancy: {}`" in checks["formation energy of vacancies"].meaning
    assert evidence == {"rows": [], "lines": []}


def test_what_dft_does_not_find_relaxed_is_not_believed():
    (first, *_) = vacancy.sample(fcc(), Vacancy(supercell=(2, 2, 2), count=1), Measured.assumed(fcc()), 1)
    first.info["id"] = "relaxed-vacancy-00-000"
    name = "vacancy of Al, site 00, relaxed by the driver"
    checks, evidence = compared(labelled([first], Bonds, force=0.3), fcc(), Bonds)
    assert checks[name].passed is None
    assert "0.52 eV/Å" in checks[name].meaning
    assert evidence["rows"][0]["dft"] == pytest.approx(3.0)
    checks, _ = compared(labelled([first], Bonds, force=0.01), fcc(), Bonds)
    assert checks[name].passed


def test_the_zero_of_a_supercell_is_the_crystal_on_its_own_mesh(frames):
    scan = {
        "chosen": 0.2,
        "shapes": [
            {"value": value, "cell": cell, "energy_above_first_mev_per_atom": energy}
            for value, cell, energy in (
                (0.3, "parent", 9.0),
                (0.2, "supercell 2×2×2", 2.0),
                (0.2, "block (1 1 1)", -3.0),
            )
        ],
    }
    offsets = mesh_offsets({"scans": [{"chosen": 1, "shapes": []}, scan]})
    assert offsets == {"supercell 2×2×2": 0.002, "block (1 1 1)": -0.003}
    checks, evidence = compared(frames, fcc(), Bonds, offsets=offsets)
    assert checks["vacancy of Al, site 00, not relaxed"].reference == pytest.approx(3.0 - 31 * 0.002)
    slab = next(row for row in evidence["rows"] if row["family"] == "surface")
    assert slab["mesh_error"] == pytest.approx(0.003 * 5 * J_PER_M2 / (2 * A**2 / 2))


def test_a_compound_needs_chemical_potentials():
    parent = bulk("NiAl", "cesiumchloride", a=2.9)
    found = labelled(vacancy.sample(parent, Vacancy(supercell=(3, 3, 3), count=2), Measured.assumed(parent), 1), EMT)
    sides = sides_of(parent, EMT, EMT)
    checks, _ = compare_defects(EMT(), found, sides, Tolerances())
    assert checks[0].passed is None
    assert "`validate.hull: {}`" in checks[0].meaning
    known = {"Ni": -1.0, "Al": -2.0}
    given = [Crystal(side.atoms, side.energy_ev, known) for side in (sides.dft, sides.potential)]
    checks, _ = compare_defects(EMT(), found, Sides(*given, {}), Tolerances())
    perfect = parent.repeat(3)
    perfect.calc = EMT()
    assert checks[0].name.startswith("vacancy of Ni, site 00")
    expected = found[0].get_potential_energy() - perfect.get_potential_energy() - 1.0
    assert checks[0].value == pytest.approx(expected)


def test_relaxed_predictions_lie_below_those_that_are_not_relaxed():
    parent = bulk("Cu", "fcc", a=3.59, cubic=True)
    parent.calc = EMT()
    crystal = Crystal(parent, parent.get_potential_energy(), {})
    settings = Defects(width_ang=7.0, line_points=3)
    training = bulk("Cu", "fcc", a=2.4 * np.sqrt(2), cubic=True)
    training.info["family"] = "vacancy"
    lines = [FaultLine(hkl=(1, 1, 1), direction=(1, 1, -2))]
    found = predict_defects(EMT(), crystal, settings, planes=[Plane(hkl=(1, 1, 1))], lines=lines, training=[training])
    rows = {row["name"]: row for row in found["rows"]}
    assert all(row["potential"] < row["unrelaxed"] + 1e-9 for row in rows.values())
    assert all(row["force_potential_ev_per_ang"] <= 0.01 for row in rows.values())
    # EMT relaxed by hand in a cell of 3×3×3
    by_hand = parent.repeat((2, 2, 2))[1:]
    from ase.optimize import BFGS

    by_hand.calc = EMT()
    BFGS(by_hand, logfile=None).run(fmax=1e-4)
    expected = by_hand.get_potential_energy() - 31 / 4 * crystal.energy_ev
    assert rows["vacancy of Cu, site 00"]["potential"] == pytest.approx(expected, abs=2e-3)
    assert "nearer than any" in rows["interstitial of Cu, void 00"]["note"]
    assert rows["vacancy of Cu, site 00"]["note"] is None
    assert rows["surface (1 1 1)"]["note"] == "no such structure in the training data"
    (line,) = found["lines"]
    assert line["potential_mj_per_m2"][0] == 0
    assert all(
        soft <= hard + 1e-6 for soft, hard in zip(line["potential_mj_per_m2"], line["unrelaxed_mj_per_m2"], strict=True)
    )


def test_a_relaxation_that_does_not_end_gives_no_value():
    crystal = Crystal(fcc(), -12.0, {})
    rows = predict_defects(EMT(), crystal, Defects(width_ang=4.0, max_steps=1), planes=[Plane(hkl=(1, 1, 0))])["rows"]
    unfinished = [row for row in rows if row["potential"] is None]
    assert unfinished
    assert all("no minimum" in row["note"] for row in unfinished)


def test_supercells_are_wide_enough_and_names_readable():
    assert supercell(fcc(), 10.0) == (3, 3, 3)
    hexagonal = bulk("Ti", "hcp", a=2.95, c=4.68)
    widths = 1 / np.linalg.norm(np.linalg.inv(hexagonal.repeat(supercell(hexagonal, 9.0)).cell.array), axis=0)
    assert widths.min() >= 9.0
    assert miller("1_1_m2") == "1 1 -2"
    assert isinstance(hexagonal, Atoms)
