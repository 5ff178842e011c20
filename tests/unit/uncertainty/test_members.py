"""Noise heads recover a known noise beside an epistemic part, and an ensemble's own errors hold what they promise."""

import numpy as np
import pytest

from pesforge.metrics import Residuals
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.members import nothing, own_errors, stated
from pesforge.uncertainty.noise import NoiseHead, NoiseShape
from pesforge.uncertainty.variance import SYMMETRIC, moments

ATOMS = 6


def drawn(structures: int, members: int, seed: int):
    """Residuals of members on labels of a noise that features decide, forces and energies by different ones.

    The truth of a label is a draw around the same centre as the members, three times as wide: an ensemble that is too
    sure of itself by a factor.
    """
    rng = np.random.default_rng(seed)
    sizes = np.full(structures, ATOMS)
    features = rng.normal(size=(structures * ATOMS, 3)) + np.repeat(rng.normal(size=(structures, 3)), ATOMS, axis=0)
    mean = features.reshape(structures, ATOMS, 3).mean(axis=1)
    true = {
        "energy": 1e-3 * np.exp(0.7 * mean[:, 1]),
        "force": np.repeat(0.05 * np.exp(0.5 * features[:, 0]), 3),
        "stress": np.repeat(np.full(structures, 1e-3), 6),
    }
    scale = {"energy": 2e-4, "force": 0.01, "stress": 2e-4}
    found = []
    own = {kind: scale[kind] * np.exp(0.3 * rng.normal(size=len(values))) for kind, values in true.items()}
    error = {kind: values * rng.normal(size=len(values)) for kind, values in true.items()}
    shift = {kind: 3.0 * own[kind] * rng.normal(size=len(values)) for kind, values in true.items()}
    for _ in range(members):
        part = {kind: error[kind] + shift[kind] + own[kind] * rng.normal(size=len(own[kind])) for kind in own}
        found.append(Residuals(part["energy"], part["force"], part["stress"], sizes))
    return found, features, true, own


def learned(features, found, spread):
    every = np.arange(len(found.n_atoms))
    return NoiseHead.learned(features, found, spread, every.tolist(), every, floor=SYMMETRIC, seed=0)


def test_a_known_noise_comes_back_beside_what_the_members_do_not_know():
    members, features, true, own = drawn(400, 5, seed=1)
    found, spread = moments(members)[0], {kind: values**2 for kind, values in own.items()}
    head = learned(features, found, spread)
    noise = head.of(features, found.n_atoms)
    for kind, least in (("force", 0.95), ("energy", 0.9)):
        assert np.corrcoef(np.log(noise[kind]), np.log(true[kind]))[0, 1] > least
        slope = np.polyfit(np.log(true[kind] ** 2), np.log(noise[kind]), 1)[0]
        assert slope == pytest.approx(1.0, abs=0.25), kind
    assert np.std(np.log(noise["stress"])) < 0.1, "a constant noise is not made to vary"


def test_the_epistemic_part_is_not_taken_for_noise():
    """Members disagree where a feature is large, and the noise is the same everywhere: only the second learns that."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(3000, 2))
    spread = np.exp(1.5 * features[:, :1]) * np.ones((1, 3))
    errors = rng.normal(size=(3000, 3)) * np.sqrt(0.5 + 2.0 * spread)
    blind, knowing = NoiseShape.learned(features, errors), NoiseShape.learned(features, errors, spread)
    assert np.std(np.log(blind.of(features))) > 0.7
    assert np.std(np.log(knowing.of(features))) < 0.3


def test_labels_that_vanish_by_symmetry_or_are_absent_teach_nothing():
    members, features, _, _ = drawn(80, 4, seed=2)
    crystal = np.arange(0, 40)
    for part in members:
        part.forces.reshape(80, -1)[crystal] = 0.0
        part.stress.reshape(80, 6)[:, 3:] = np.nan
    found, spread = moments(members)
    head = learned(features, found, spread)
    alone = [part.select(np.arange(40, 80)) for part in members]
    found, spread = moments(alone)
    other = learned(features[40 * ATOMS :], found, spread)
    assert set(head.shapes) == {"energy", "force", "stress"}
    floor = np.log(head.shapes["force"].of(features)).min()
    assert floor > np.log(other.shapes["force"].of(features)).min() - 2.0, "no variance runs to zero"


def test_intervals_of_an_ensemble_hold_before_and_after_as_they_should():
    members, features, _, _ = drawn(200, 5, seed=4)
    found, spread = moments(members)
    groups, families = [f"g{number // 2}" for number in range(200)], ["all"] * 200
    shared = {"groups": groups, "families": families, "seed": 0, "source": "five"}
    known = own_errors(found, spread, features, heteroscedastic=True, **shared)
    rows = {row["kind"]: row for row in known.evidence["kinds"]}
    assert set(rows) == {"energy", "force", "stress"}
    for row in rows.values():
        assert row["before"]["standardised_std"] > 2.0, "five members are far too sure of themselves"
        assert row["after"]["standardised_std"] == pytest.approx(1.0, abs=0.15)
        assert row["after"]["calibration_error_percent"] < 4.0
        assert row["calibrated"]
    better = {
        row["kind"]: row["log_likelihood_head"] - row["log_likelihood_constant"] for row in known.evidence["noise"]
    }
    assert better["force"] > 0.02
    assert better["energy"] > 0.02
    assert better["stress"] > -0.05, "a head that has nothing to learn costs little"
    flat = own_errors(found, spread, features, heteroscedastic=False, **shared)
    assert (flat.noise, flat.evidence["noise"]) == (None, [])


def test_what_is_stored_gives_the_laws_and_the_head_back():
    members, features, _, _ = drawn(40, 5, seed=5)
    found, spread = moments(members)
    known = own_errors(
        found, spread, features, range(40), ["a"] * 40, seed=0, heteroscedastic=True, source="five"
    )  # fmt: skip
    stored = known.calibrated("members").stored()
    for kind, law in known.laws.items():
        values = stored["laws"][kind]
        dof = np.inf if values["dof"] is None else values["dof"]
        assert Law(values["noise"], values["scale"], dof, values["knots"], values["observed"]) == law
        shape = NoiseShape(**{key: np.array(value) for key, value in stored["noise"][kind].items()})
        np.testing.assert_array_equal(shape.of(features), known.noise.shapes[kind].of(features))
    said = stated(known.evidence | {"note": None})
    assert (said["spread"], said["note"]) == ("five", "none")
    assert said["force"]["scale"] == known.laws["force"].scale
    assert set(said["force"]["coverage of intervals in percent"]) == {"50 %", "68 %", "80 %", "90 %", "95 %", "99 %"}


def test_too_few_labels_and_no_ensemble_say_so():
    members, features, _, _ = drawn(6, 5, seed=6)
    found, spread = moments([part.select([0, 1]) for part in members])
    shared = {"seed": 0, "heteroscedastic": True, "source": "five"}
    lone = own_errors(found, spread, features[: 2 * ATOMS], ["a", "a"], ["f", "f"], **shared)
    assert lone.evidence["kinds"] == []
    assert lone.evidence["remark"]
    assert lone.noise is None
    assert lone.calibrated("members") is None
    assert nothing("linear")["remark"] == "linear"
    assert stated(nothing("linear")) == {"spread": "none", "note": "none"}


def test_few_labels_that_tell_nothing_leave_the_noise_a_constant():
    """Forty energies and sixteen features: a head that followed them would have thirty-two weights."""
    rng, sizes = np.random.default_rng(7), np.full(40, ATOMS)
    features = rng.normal(size=(40 * ATOMS, 16))
    members = [Residuals(*(1e-3 * rng.normal(size=n) for n in (40, 720, 240)), sizes) for _ in range(5)]
    head = learned(features, *moments(members))
    for kind, values in head.of(features, sizes).items():
        assert np.std(np.log(values)) < 0.3, kind
