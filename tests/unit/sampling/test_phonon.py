"""Phonon displacements: their covariance is that of the force constants, and every limit is the textbook's."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.singlepoint import SinglePointCalculator
from ase.units import _amu, _e, _hbar
from crystals import alloy
from scipy.linalg import expm, inv, sqrtm

from pesforge.errors import DataError
from pesforge.family_settings import Phonon, Thermal
from pesforge.fields import BOLTZMANN_EV_PER_K
from pesforge.sampling.families import FAMILIES
from pesforge.sampling.frames import displacements_of
from pesforge.sampling.gaussian_evidence import rises_of, squares_of
from pesforge.sampling.measured import Measured
from pesforge.sampling.phonon import Modes, displacement_evidence, energy_evidence, sample
from pesforge.sampling.thermal import energy_evidence as thermal_energy_evidence

HBAR_OVER_KB = _hbar / _e / BOLTZMANN_EV_PER_K * np.sqrt(_e / _amu) * 1e10
"""ħ ω / k_B in K of an eigenvalue of 1 eV/(Å² u)."""


def springs(parent, seed=0):
    """Stable force constants of no symmetry at all but invariance under rigid shifts."""
    n = len(parent)
    noise = np.random.default_rng(seed).normal(size=(3 * n, 3 * n))
    rigid = np.eye(3 * n) - np.tile(np.eye(3), (n, n)) / n
    return rigid @ (noise @ noise.T / (3 * n) * 3 + 2 * np.eye(3 * n)) @ rigid


def analytic(parent, phi, temperature, statistics):
    """C = M^(-1/2) f(D) M^(-1/2) with f(D) = k_B T D⁻¹ or (ħ/2) D^(-1/2) coth(ħ D^(1/2) / 2 k_B T), by matrix roots.

    Rigid shifts get a stiffness of 1 first, and what they add is taken off.
    """
    masses = np.repeat(parent.get_masses(), 3)
    half = np.diag(1 / np.sqrt(masses))
    shifts = np.kron(np.sqrt(parent.get_masses() / parent.get_masses().sum())[:, None], np.eye(3))
    dynamical = half @ phi @ half + shifts @ shifts.T
    thermal = BOLTZMANN_EV_PER_K * temperature
    if statistics == "classical":
        function, of_shift = thermal * inv(dynamical), thermal
    else:
        root, quantum = sqrtm(dynamical).real, HBAR_OVER_KB * BOLTZMANN_EV_PER_K
        up, down = (expm(sign * root * HBAR_OVER_KB / (2 * temperature)) for sign in (1, -1))
        function = quantum / 2 * inv(root) @ (up + down) @ inv(up - down)
        of_shift = quantum / 2 / np.tanh(HBAR_OVER_KB / (2 * temperature))
    return half @ (function - of_shift * shifts @ shifts.T) @ half


def draws(parent, phi, temperature, count, statistics):
    settings = Phonon(temperatures_k=(temperature,), count=count, statistics=statistics)
    frames = sample(parent, settings, Measured({}, phi), 3)
    return frames, np.array([displacements_of(parent, frame).ravel() for frame in frames])


@pytest.mark.parametrize("statistics", ["classical", "quantum"])
def test_the_covariance_of_many_draws_is_the_analytic_matrix(statistics):
    parent, temperature = alloy(), 60.0
    phi = springs(parent)
    expected = analytic(parent, phi, temperature, statistics)
    assert (
        np.abs(Modes(parent, phi).covariance(temperature, statistics) - expected).max() < 1e-6 * np.abs(expected).max()
    )
    frames, shifts = draws(parent, phi, temperature, 4000, statistics)
    found = shifts.T @ shifts / len(shifts)
    error = np.sqrt((expected**2 + np.outer(np.diag(expected), np.diag(expected))) / len(shifts))
    assert (np.abs(found - expected) < 5 * error + 1e-12).all()
    correlation = expected / np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.abs(correlation[np.triu_indices(12, 1)]).max() > 0.3
    (row,) = displacement_evidence(parent, squares_of(parent, "phonon", frames), Measured({}, phi), statistics)
    assert row["msd_expected_ang2"] == pytest.approx(np.trace(expected) / len(parent), rel=1e-6)
    assert abs(row["msd_ang2"] - row["msd_expected_ang2"]) < 4 * row["msd_standard_error_ang2"] < 0.1 * row["msd_ang2"]
    masses = parent.get_masses()
    centres = np.einsum("a,sax->sx", masses, shifts.reshape(len(shifts), -1, 3)) / masses.sum()
    assert np.abs(centres).max() < 1e-7


def test_folded_wave_vectors_of_a_repeated_cell_are_excited_too():
    parent = bulk("Cu", a=3.6).repeat((2, 1, 1))
    phi = springs(parent, 4)
    expected = analytic(parent, phi, 300.0, "classical")
    _, shifts = draws(parent, phi, 300.0, 1500, "classical")
    assert np.trace(shifts.T @ shifts) / len(shifts) == pytest.approx(np.trace(expected), rel=0.1)


def test_quantum_amplitudes_end_in_zero_point_motion_and_in_equipartition():
    parent, phi = alloy(), springs(alloy())
    modes = Modes(parent, phi)
    quanta = HBAR_OVER_KB * BOLTZMANN_EV_PER_K * np.sqrt(np.linalg.eigvalsh(_mass_weighted(parent, phi))[3:])
    cold = modes.potential_energy_ev_per_atom(0.01, "quantum")
    assert cold == pytest.approx(quanta.sum() / 4 / len(parent), rel=1e-9)
    assert modes.potential_energy_ev_per_atom(0.01, "classical") < 1e-3 * cold
    hot = 100 * quanta.max() / BOLTZMANN_EV_PER_K
    for compared in (modes.covariance, modes.potential_energy_ev_per_atom):
        classical = compared(hot, "classical")
        assert compared(hot, "quantum") == pytest.approx(classical, rel=1e-4, abs=1e-4 * np.max(np.abs(classical)))
    (_, still), (_, moving) = (draws(parent, phi, 0.01, 500, which) for which in ("classical", "quantum"))
    assert (moving**2).mean() == pytest.approx(np.trace(modes.covariance(0.01, "quantum")) / 12, rel=0.1)
    assert (still**2).mean() < 1e-2 * (moving**2).mean()


def _mass_weighted(parent, phi):
    weights = 1 / np.sqrt(np.repeat(parent.get_masses(), 3))
    return phi * np.outer(weights, weights)


@pytest.mark.parametrize("statistics", ["classical", "quantum"])
def test_harmonic_energies_rise_as_expected(statistics):
    parent, phi = alloy(), springs(alloy())
    frames = sample(
        parent, Phonon(temperatures_k=(50.0, 400.0), count=900, statistics=statistics), Measured({}, phi), 1
    )
    for frame in frames:
        shift = displacements_of(parent, frame).ravel()
        frame.calc = SinglePointCalculator(frame, energy=-7.0 + shift @ phi @ shift / 2)
    rows = energy_evidence(parent, rises_of(-7.0, "phonon", frames), Measured({}, phi), statistics)
    assert [row["count"] for row in rows] == [100, 800]
    for row in rows:
        off = abs(row["rise_ev_per_atom"] - row["expected_ev_per_atom"])
        assert off < 4 * row["rise_standard_error_ev_per_atom"] < 0.25 * row["expected_ev_per_atom"]
        if statistics == "classical":
            assert row["expected_ev_per_atom"] == pytest.approx(
                1.5 * BOLTZMANN_EV_PER_K * row["temperature_k"] * (1 - 1 / len(parent))
            )
    assert thermal_energy_evidence(rises_of(-7.0, "thermal", frames)) == []


def test_displacements_of_the_wrong_statistics_show_in_the_evidence():
    parent, phi = alloy(), springs(alloy())
    frames, _ = draws(parent, phi, 20.0, 200, "quantum")
    (row,) = displacement_evidence(parent, squares_of(parent, "phonon", frames), Measured({}, phi), "classical")
    assert abs(row["msd_ang2"] - row["msd_expected_ang2"]) > 4 * row["msd_standard_error_ang2"]


def test_the_seed_decides_everything_and_more_structures_keep_the_first():
    parent, measured = alloy(), Measured({}, springs(alloy()))
    few, again, many, other = (
        FAMILIES["phonon"][1](parent, Phonon(temperatures_k=(300.0,), count=count), measured, seed)
        for count, seed in ((3, 1), (3, 1), (7, 1), (3, 2))
    )
    for one, two, three, four in zip(few, again, many[:3], other, strict=True):
        assert (one.positions == two.positions).all()
        assert (one.positions == three.positions).all()
        assert np.abs(one.positions - four.positions).max() > 1e-3
    assert len({frame.info["group"] for frame in many}) == 7


def test_an_unstable_parent_is_refused_with_the_frequency():
    parent, phi = alloy(), springs(alloy())
    values, vectors = np.linalg.eigh(_mass_weighted(parent, phi))
    soft = vectors[:, 5] * np.sqrt(np.repeat(parent.get_masses(), 3))
    wanted = -((2 * np.pi * 1.5e12) ** 2) * _amu / _e * 1e-20
    planted = phi + (wanted - values[5]) * np.outer(soft, soft)
    with pytest.raises(DataError, match=r"1 of its 9 vibrations have no restoring force, frequency 1\.5i THz"):
        sample(parent, Phonon(), Measured({}, planted), 1)
    flat = phi - values[5] * np.outer(soft, soft)
    with pytest.raises(DataError, match="1 of its 9 vibrations"):
        sample(parent, Phonon(), Measured({}, flat), 1)
    with pytest.raises(DataError, match="single atom"):
        sample(bulk("Cu"), Phonon(), Measured.assumed(bulk("Cu")), 1)


def test_the_stand_in_for_plans_is_stable():
    frames = sample(alloy(), Phonon(count=2), Measured.assumed(alloy()), 1)
    assert len(frames) == 2
    assert len(FAMILIES["thermal"][1](alloy(), Thermal(count=2), Measured.assumed(alloy()), 1)) == 2
