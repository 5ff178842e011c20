"""SOAP against rotations averaged one by one, and its kernel."""

import numpy as np
import pytest
from ase import Atoms
from scipy.special import ive

from pesforge.errors import DataError, SettingsError
from pesforge.representations.smooth_cutoff import smooth_cutoff
from pesforge.representations.soap import Soap, _scaled_bessel, average_kernel, soap_kernel

SIGMA, CUTOFF = 0.6, 4.0


def cluster(seed: int) -> Atoms:
    rng = np.random.default_rng(seed)
    return Atoms("Si4", positions=np.concatenate([np.zeros((1, 3)), rng.normal(scale=1.2, size=(3, 3))]))


def rotations(count: int):
    """Rotations and weights that integrate products of harmonics up to degree `count` exactly."""
    angles = 2 * np.pi * np.arange(count) / count
    cosines, weights = np.polynomial.legendre.leggauss(count)

    def turn(angle, axes):
        matrix = np.eye(3)
        i, j = axes
        matrix[[i, j], [i, j]] = np.cos(angle)
        matrix[i, j], matrix[j, i] = -np.sin(angle), np.sin(angle)
        return matrix

    for alpha in angles:
        for cosine, weight in zip(cosines, weights, strict=True):
            for gamma in angles:
                matrix = turn(alpha, (0, 1)) @ turn(np.arccos(cosine), (0, 2)) @ turn(gamma, (0, 1))
                yield matrix, weight / 2 / count**2


def test_products_of_power_spectra_are_squared_overlaps_averaged_over_rotations():
    soap = Soap(("Si",), CUTOFF, n_max=20, l_max=10, sigma_ang=SIGMA)
    first, second = cluster(1), cluster(2)
    p, q = (soap.power_spectra(soap.density(atoms))[0] for atoms in (first, second))
    weights = [
        np.concatenate([[1.0], smooth_cutoff(np.linalg.norm(a.positions[1:], axis=1), CUTOFF)]) for a in (first, second)
    ]
    assert min(map(min, weights)) >= 0
    assert max(weights[0]) == 1
    mean = 0.0
    for matrix, weight in rotations(14):
        distance = ((first.positions[:, None] - second.positions @ matrix.T) ** 2).sum(axis=2)
        overlap = (np.pi * SIGMA**2) ** 1.5 * np.exp(-distance / (4 * SIGMA**2))
        mean += weight * (weights[0] @ overlap @ weights[1]) ** 2
    assert p @ q == pytest.approx(mean, rel=1e-4)


def test_the_kernel_is_one_for_itself_and_falls_with_zeta():
    soap = Soap(("Si",), CUTOFF, n_max=5, l_max=4)
    p, q = soap.atoms(cluster(1)), soap.atoms(cluster(2))
    assert p.shape == (4, soap.n_features)
    assert np.diag(soap_kernel(p, p, 4.0)) == pytest.approx(1.0)
    assert (soap_kernel(p, q, 4.0) < soap_kernel(p, q, 2.0)).all()
    owners = (np.array([0, 0, 1, 1]), np.zeros(4, dtype=int))
    means = average_kernel(p, q, owners, 2.0)
    assert means.shape == (2, 1)
    assert means[1, 0] == pytest.approx(soap_kernel(p[2:], q, 2.0).mean())


def test_a_neighbour_vanishes_smoothly_and_elements_are_told_apart():
    soap = Soap(("Si", "C"), CUTOFF, n_max=5, l_max=4)

    def pair(distance, symbols="Si2"):
        return soap.atoms(Atoms(symbols, positions=[[0, 0, 0], [0, 0, distance]]))[0]

    alone = soap.atoms(Atoms("Si", positions=[[0, 0, 0]]))[0]
    assert np.abs(pair(CUTOFF - 1e-3) - alone).max() < 1e-6
    assert np.abs(pair(CUTOFF + 1e-3) - alone).max() < 1e-14
    assert np.abs(pair(2.0, "SiC") - pair(2.0)).max() > 0.1
    near = pair(0.01)
    assert np.isfinite(near).all()


def test_bessel_functions_of_any_argument_equal_those_of_half_integer_order():
    argument = np.array([0.0, 1e-3, 1.0, 30.0, 499.0, 501.0, 1e4])
    for order in range(7):
        safe = np.maximum(argument, 1e-300)
        expected = np.where(argument > 0, np.sqrt(np.pi / (2 * safe)) * ive(order + 0.5, safe), float(order == 0))
        assert _scaled_bessel(order, argument) == pytest.approx(expected, rel=1e-10, abs=1e-15)


def test_far_neighbours_and_narrow_atoms_stay_finite():
    soap = Soap(("Si",), 8.0, n_max=6, l_max=6, sigma_ang=0.2)
    assert np.isfinite(soap.atoms(Atoms("Si2", positions=[[0, 0, 0], [0, 0, 5.5]]))).all()


def test_wrong_input_is_refused():
    with pytest.raises(SettingsError, match="must be above 0"):
        Soap(("Si",), 0.0)
    with pytest.raises(DataError, match=r"Elements \['C'\]"):
        Soap(("Si",), 4.0).atoms(Atoms("C"))
