"""Melts and quenches, on free particles, whose diffusion is known, and on a crystal that cannot melt."""

import numpy as np
import pytest
from ase import units
from ase.calculators.calculator import Calculator, all_changes
from harmonic import Harmonic, cube

from pesforge.driven_settings import Amorphous, Liquid
from pesforge.fields import BOLTZMANN_EV_PER_K
from pesforge.sampling import amorphous, liquid
from pesforge.sampling.drive import Drive, Guard

NO_GUARD = Guard(1e-6, 1e6)
HOT = {"supercell": (1, 1, 1), "melt_temperature_k": 3000.0, "timestep_fs": 2.0, "damping_fs": 20.0}


class Free(Calculator):
    """No forces at all: D = k_B T t / m with t the damping time (Einstein)."""

    implemented_properties = ["energy", "free_energy", "forces"]  # noqa: RUF012

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        energy = 1e-3 * float(np.sin(self.atoms.positions).sum())
        self.results = {"energy": energy, "free_energy": energy, "forces": np.zeros((len(self.atoms), 3))}


def test_free_particles_melt_diffuse_as_einstein_says_and_have_no_order():
    settings = Liquid(**HOT, temperatures_k=(1500.0,), count=3, equilibration_ps=0.2, max_ps=6.0)
    made = liquid.sample(cube(), settings, Drive(Free, NO_GUARD), 5)
    (row,) = made.runs
    assert row["moved_bonds"] >= 1
    assert row["given"] == len(made.frames) == 3
    mass = cube().get_masses()[0]
    expected = BOLTZMANN_EV_PER_K * 1500.0 * 20.0 * units.fs / mass * 1e3 * units.fs
    assert row["diffusion_ang2_per_ps"] == pytest.approx(expected, rel=0.3)
    assert row["temperature_observed_k"] == pytest.approx(1500.0, rel=0.1)
    assert np.mean(row["rdf"]["g"][10:]) == pytest.approx(1.0, abs=0.15)
    assert {frame.info["group"] for frame in made.frames} == {"liquid-1500K"}
    assert {frame.info["temperature_k"] for frame in made.frames} == {1500.0}


def test_a_crystal_that_does_not_melt_gives_no_liquid_and_no_glass():
    atoms = cube()
    drive = Drive(lambda: Harmonic(atoms.positions, 1.0), Guard(0.1, 1e6))
    settings = Liquid(**HOT, temperatures_k=(1500.0,), melt_max_ps=0.2)
    made = liquid.sample(atoms, settings, drive, 5)
    assert made.frames == []
    assert made.runs[0]["note"].startswith("not molten in 0.2 ps: atoms moved by 0.")
    made = amorphous.sample(atoms, Amorphous(**HOT, melt_max_ps=0.2), drive, 5)
    assert made.frames == []
    assert made.runs[0]["note"].startswith("not molten")
    assert (made.runs[0]["requested"], made.runs[0]["given"]) == (5, 0)


def test_a_quench_passes_its_temperatures_and_ends_at_rest():
    settings = Amorphous(**HOT, rate_k_per_ps=1350.0, snapshots=3, quenches=2)
    assert settings.structures() == 8
    made = amorphous.sample(cube(), settings, Drive(Free, NO_GUARD), 5)
    names = [frame.info["id"] for frame in made.frames[:4]]
    assert names == ["amorphous-00-000", "amorphous-00-001", "amorphous-00-002", "amorphous-00-end"]
    assert [frame.info["temperature_k"] for frame in made.frames[:4]] == [300.0, 1650.0, 975.0, 0.0]
    first, second = (
        {frame.info["id"][-3:]: frame for frame in made.frames if frame.info["group"] == group}
        for group in ("amorphous-00", "amorphous-01")
    )
    np.testing.assert_allclose(first["end"].positions, first["000"].positions)
    assert not np.allclose(first["end"].positions, second["end"].positions)
    row = made.runs[0]
    melting_steps = row["steps"] - 1000
    assert 0 < melting_steps < 5000, "2700 K at 1350 K/ps are 2 ps, 1000 steps"
    assert 250 < row["temperature_observed_k"] < 700, "that of the last tenth"
    assert row["end_fmax_ev_per_ang"] == 0


def test_more_snapshots_of_a_quench_keep_the_first():
    few, more = (
        amorphous.sample(
            cube(), Amorphous(**HOT, rate_k_per_ps=2700.0, snapshots=count), Drive(Free, NO_GUARD), 5
        ).frames
        for count in (2, 3)
    )
    for index in range(2):
        np.testing.assert_array_equal(few[index].positions, more[index].positions)


class Sticking(Free):
    """Free, until the way is downhill: a quench relaxes into a planted well in which two atoms meet."""

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        if not self.atoms.get_momenta().any():
            way = self.atoms.positions[1] - self.atoms.positions[0]
            self.results["forces"][0], self.results["forces"][1] = way, -way


def test_a_quench_that_the_guard_stops_while_it_relaxes_has_no_end_and_says_so():
    settings = Amorphous(**HOT, rate_k_per_ps=2700.0, snapshots=1)
    made = amorphous.sample(cube(), settings, Drive(Sticking, Guard(0.01, 1e6)), 5)
    assert [frame.info["id"] for frame in made.frames] == ["amorphous-00-000"]
    assert made.runs[0]["stopped"].startswith("Si-Si pair at")
    assert (made.runs[0]["requested"], made.runs[0]["given"]) == (2, 1)
