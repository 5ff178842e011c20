"""What a label is expected to cost: symmetry, vacuum, and the cell that decides the k-points."""

import pytest
from ase import Atoms
from ase.build import bulk

from pesforge.dft.gpaw_engine import GpawEngine
from pesforge.dft.prices import VACUUM_COST, label_seconds
from pesforge.dft.settings import ReferenceSettings


def test_symmetry_and_vacuum_count_in_the_time_of_a_label():
    settings = ReferenceSettings("gpaw", "PBE", False, 0.0, 200.0, 0.24, 1e-3, 0.05)
    perfect = bulk("Si", "diamond", a=5.47, cubic=True)
    perfect.info["reference_cell"] = perfect.cell.array.copy()
    rattled, molecule = perfect.copy(), Atoms("Si2", positions=[[0, 0, 0], [0, 0, 2.2]], cell=[12] * 3)
    rattled.rattle(0.05, seed=1)
    whole = GpawEngine().estimate_seconds(rattled, settings, (5, 5, 5))
    assert label_seconds(rattled, settings, GpawEngine()) == whole
    assert label_seconds(perfect, settings, GpawEngine()) == pytest.approx(whole * 10 / 63)
    alone = GpawEngine().estimate_seconds(molecule, settings, (1, 1, 1))
    assert label_seconds(molecule, settings, GpawEngine()) == VACUUM_COST * alone


def test_the_k_points_of_a_price_are_those_of_the_reference_cell_where_there_is_one():
    settings = ReferenceSettings("gpaw", "PBE", False, 0.0, 200.0, 0.24, 1e-3, 0.05)
    squeezed = bulk("Si", "diamond", a=5.0, cubic=True)
    squeezed.rattle(0.05, seed=1)
    engine, own = GpawEngine(), (6, 6, 6)
    assert label_seconds(squeezed, settings, engine) == engine.estimate_seconds(squeezed, settings, own)
    squeezed.info["reference_cell"] = bulk("Si", "diamond", a=5.47, cubic=True).cell.array
    assert label_seconds(squeezed, settings, engine) == engine.estimate_seconds(squeezed, settings, (5, 5, 5))
