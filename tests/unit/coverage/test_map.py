"""The map of structures: a planted direction is the first axis, errors stand at their structures, atoms as they are."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from pesforge.coverage.bins import DescriptorBins, mean_descriptors
from pesforge.coverage.map import map_evidence
from pesforge.sampling.frames import make_frame

SCALES = np.linspace(0.95, 1.05, 11)
CUTOFF_ANG = 4.5


def swollen(scale: float) -> Atoms:
    """Silicon at a scale of its lattice."""
    return make_frame(bulk("Si", a=5.43 * scale, cubic=True), name=f"v{scale:.2f}", family="volume", group="v", seed=0)


@pytest.fixture(scope="module")
def plane():
    frames = [swollen(scale) for scale in SCALES]
    return DescriptorBins.of(("Si",), CUTOFF_ANG, mean_descriptors(frames, ("Si",), CUTOFF_ANG))


def test_volume_orders_the_first_axis_and_errors_stand_at_their_structures(plane):
    frames = [swollen(scale) for scale in SCALES]
    errors = [{"id": "v1.00", "energy_error_mev_per_atom": -1.5, "force_error_ev_per_ang": 0.02}]
    found = map_evidence(plane, frames[::-1], errors)
    places = [row["place"][0] for row in found["structures"]]
    assert np.all(np.diff(places) > 0) or np.all(np.diff(places) < 0)
    assert sum(found["explained_percent"]) > 99, "a curve of one parameter lies nearly in a plane"
    by_id = {row["id"]: row for row in found["structures"]}
    assert by_id["v1.00"]["energy_error_mev_per_atom"] == -1.5
    assert by_id["v0.95"]["energy_error_mev_per_atom"] is None, "not judged, so no error: not an error of zero"
    assert found["left_out"] == 0


def test_atoms_are_drawn_within_their_cell_and_to_a_hundredth(plane):
    atoms = swollen(1.0)
    atoms.positions += [0.0, 0.0, 30.123456]
    row = map_evidence(plane, [atoms], [])["structures"][0]
    cell, positions = np.reshape(row["cell"], (3, 3)), np.reshape(row["positions"], (-1, 3))
    assert np.abs(cell - atoms.cell.array).max() <= 0.005
    shares = np.linalg.solve(cell.T, positions.T).T
    assert np.all((shares > -0.01) & (shares < 1.01))
    apart = shares - atoms.get_scaled_positions()
    assert np.abs(apart - np.round(apart)).max() < 0.002
    assert row["species"] == ["Si"] * 8
    assert row["formula"] == "Si8"


def test_structures_of_unknown_species_are_left_out_and_counted(plane):
    stranger = make_frame(bulk("Ge", a=5.66, cubic=True), name="ge", family="volume", group="g", seed=0)
    found = map_evidence(plane, [stranger, swollen(1.0)], [])
    assert found["left_out"] == 1
    assert [row["id"] for row in found["structures"]] == ["v1.00"]
    assert map_evidence(plane, [stranger], [])["structures"] == []
