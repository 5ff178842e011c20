import numpy as np
import pytest

from pesforge.representations.radial import spherical_bessel

CUTOFF = 5.2


def test_functions_are_orthonormal_on_the_ball():
    nodes, weights = np.polynomial.legendre.leggauss(200)
    distance = (nodes + 1) * CUTOFF / 2
    values, _ = spherical_bessel(distance, 13, CUTOFF)
    overlap = (values * weights * distance**2 * CUTOFF / 2) @ values.T
    np.testing.assert_allclose(overlap, np.eye(13), atol=1e-11)


def test_slopes_are_derivatives_of_values():
    distance, step = np.linspace(0.5, CUTOFF - 0.01, 40), 1e-5
    _, slopes = spherical_bessel(distance, 13, CUTOFF)
    above, below = (spherical_bessel(distance + sign * step, 13, CUTOFF)[0] for sign in (1, -1))
    np.testing.assert_allclose(slopes, (above - below) / (2 * step), atol=1e-7)


@pytest.mark.parametrize("count", [1, 5, 13])
def test_values_and_two_derivatives_vanish_at_the_cutoff(count):
    gap = np.array([1e-4, 0.0])
    values, slopes = spherical_bessel(CUTOFF - gap, count, CUTOFF)
    np.testing.assert_allclose(values[:, 1], 0, atol=1e-12)
    np.testing.assert_allclose(slopes[:, 1], 0, atol=1e-12)
    curvature = slopes[:, 0] / gap[0]
    assert np.abs(curvature).max() < 0.2
    assert np.abs(values[:, 0]).max() < 1e-9


def test_a_smaller_set_is_a_part_of_a_larger_one():
    distance = np.linspace(0.5, CUTOFF, 10)
    for small, large in zip(spherical_bessel(distance, 4, CUTOFF), spherical_bessel(distance, 9, CUTOFF), strict=True):
        np.testing.assert_allclose(small, large[:4], rtol=1e-12, atol=1e-14)
