import numpy as np

from pesforge.representations.harmonics import spherical_harmonics


def test_low_harmonics_are_the_known_polynomials():
    vectors = np.random.default_rng(0).normal(size=(5, 3))
    x, y, z = (vectors / np.linalg.norm(vectors, axis=1)[:, None]).T
    values, _ = spherical_harmonics(vectors, 2)
    p, d = np.sqrt(3 / (4 * np.pi)), np.sqrt(15 / (4 * np.pi))
    expected = [
        np.full(5, np.sqrt(1 / (4 * np.pi))),
        *(p * y, p * z, p * x),
        *(d * x * y, d * y * z, d * (3 * z**2 - 1) / np.sqrt(12), d * x * z, d * (x**2 - y**2) / 2),
    ]
    np.testing.assert_allclose(values, expected, atol=1e-14)


def test_gradients_are_derivatives_by_the_vector():
    vectors, step = np.random.default_rng(1).normal(size=(4, 3)), 1e-5
    _, gradients = spherical_harmonics(vectors, 5)
    for axis in range(3):
        shift = step * np.eye(3)[axis]
        slope = (spherical_harmonics(vectors + shift, 5)[0] - spherical_harmonics(vectors - shift, 5)[0]) / (2 * step)
        np.testing.assert_allclose(gradients[axis], slope, atol=1e-7)


def test_no_vectors_give_empty_arrays():
    values, gradients = spherical_harmonics(np.empty((0, 3)), 3)
    assert values.shape == (16, 0)
    assert gradients.shape == (3, 16, 0)
