"""A reference code that moves atoms: its settings, its mesh, and steps that are not computed twice."""

from contextlib import nullcontext

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from pesforge.dft.calculator import EngineCalculator, coarse_settings
from pesforge.dft.label import Label
from pesforge.dft.store import LabelStore
from pesforge.driven_settings import Driver, Md
from pesforge.errors import LabelError
from pesforge.sampling import md
from pesforge.sampling.drive import Drive, Guard
from pesforge.settings import Converge, Dft


class Counting:
    """EMT behind the interface of an engine; counts its calls and remembers meshes."""

    name = "counting"

    def __init__(self, fails_after=None):
        self.meshes, self.fails_after = [], fails_after

    def calculate(self, atoms, settings, mesh, attempt):
        self.meshes.append(mesh)
        if self.fails_after is not None and len(self.meshes) > self.fails_after:
            raise LabelError("scf", "did not converge")
        work = atoms.copy()
        work.calc = EMT()
        return Label(work.get_potential_energy(), work.get_forces(), np.zeros(6))


def coarse():
    return coarse_settings(Dft(), Driver(kind="dft", cutoff_ev=130.0), Converge())


def test_settings_are_the_drivers_own_or_the_loosest_of_the_scan():
    found = coarse()
    assert (found.cutoff_ev, found.k_spacing_per_ang, found.scf_tolerance) == (130.0, 0.6, 1e-3)


def test_a_killed_run_repeats_its_steps_from_the_store(tmp_path):
    parent = bulk("Cu", a=3.6, cubic=True)
    settings = Md(supercell=(1, 1, 1), temperatures_k=(300.0,), count=1, equilibration_ps=0.02, max_ps=0.05)
    store = LabelStore(tmp_path, "code")

    def run(engine):
        drive = Drive(lambda: EngineCalculator(engine, coarse(), store, 1, 60.0), Guard(0.5, 50.0))
        return md.sample(parent, settings, drive, 1)

    broken, whole, again = Counting(fails_after=30), Counting(), Counting()
    assert run(broken).runs[0]["stopped"] == "did not converge"
    first = run(whole)
    assert len(whole.meshes) == first.runs[0]["steps"] + 1 - 30
    second = run(again)
    assert again.meshes == []
    assert second.runs == first.runs
    assert set(whole.meshes) == {coarse().mesh(parent.cell.array)}
    assert not list(tmp_path.glob("labels"))


def test_a_run_of_a_strained_cell_keeps_the_mesh_of_the_cell_without_strain(tmp_path):
    parent = bulk("Cu", a=3.4, cubic=True)
    engine = Counting()
    settings = Md(
        supercell=(1, 1, 1), temperatures_k=(300.0,), strains=(0.2,), count=1, equilibration_ps=0.01, max_ps=0.01
    )
    drive = Drive(lambda: EngineCalculator(engine, coarse(), LabelStore(tmp_path, "code"), 1, 60.0), Guard(0.5, 50.0))
    md.sample(parent, settings, drive, 1)
    wanted = coarse().mesh(parent.cell.array)
    assert wanted != coarse().mesh(1.2 * parent.cell.array), "or the test proves nothing"
    assert set(engine.meshes) == {wanted}
    with pytest.raises(LabelError):
        EngineCalculator(Counting(0), coarse(), LabelStore(tmp_path, "other"), 1, 60.0).get_potential_energy(parent)


def test_every_step_is_told_to_whoever_keeps_a_journal(tmp_path):
    parent, store, told = bulk("Cu", a=3.6), LabelStore(tmp_path, "code"), []
    engine = Counting(fails_after=1)
    for number in range(3):
        atoms = parent.copy()
        atoms.calc = EngineCalculator(engine, coarse(), store, 1, 60.0, told.append)
        atoms.positions += 0.01 * (number == 2)
        with pytest.raises(LabelError) if number == 2 else nullcontext():
            atoms.get_forces()
    assert [event["event"] for event in told] == ["started", "finished", "recalled", "started", "failed"]
    assert {event["key"] for event in told[:3]} == {path.stem for path in tmp_path.glob("*/*.json")}
