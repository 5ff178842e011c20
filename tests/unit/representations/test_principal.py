import numpy as np
import pytest

from pesforge.errors import DataError
from pesforge.representations.ace import AceBasis
from pesforge.representations.principal import principal_projections

BASIS = AceBasis(species=("Cu",), cutoff_ang=4.5, max_degree=(6, 6), l_max=(0, 3))


def test_projections_are_the_principal_components_of_the_scaled_invariants(copper_frames):
    scale = 1.0 / (1.0 + np.arange(BASIS.n_functions))
    matrix = principal_projections(copper_frames, BASIS, scale, 5)
    invariants = np.concatenate([BASIS.invariants(atoms) for atoms in copper_frames])
    projected = invariants @ matrix
    covariance = np.cov(projected.T, bias=True)
    np.testing.assert_allclose(covariance, np.eye(5), atol=1e-6)
    centred = (invariants - invariants.mean(axis=0)) * scale
    components = np.linalg.svd(centred, full_matrices=False)[2][:5]
    overlap = np.abs((matrix / scale[:, None]).T @ components.T)
    overlap /= np.linalg.norm(matrix / scale[:, None], axis=0)[:, None]
    np.testing.assert_allclose(overlap, np.eye(5), atol=1e-5)


def test_no_more_projections_than_the_data_have_directions(copper_frames):
    matrix = principal_projections(copper_frames[:1], BASIS, np.ones(BASIS.n_functions), 50)
    assert matrix.shape[1] <= len(copper_frames[0]) - 1


def test_equal_environments_are_refused(make_copper):
    with pytest.raises(DataError, match="invariants of all atoms are equal"):
        principal_projections([make_copper(0.0, 0)], BASIS, np.ones(BASIS.n_functions), 3)
