"""The verdict on a potential: for which uses the checks allow it, for which not, and why.

The rule is stated here in full. Every use needs the *foundation*: all checks of the groups `labels`, `symmetry` and
`derivatives` pass, and each of these groups holds at least one check that applies. A use then needs the checks listed
in `USES`. A needed check that failed, or a need without any check that applies, forbids the use and is named as the
reason; an optional need forbids only where it was tested and failed. What was never sampled is listed as not usable
whatever the checks say.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pesforge.validation.check import Check


@dataclass(frozen=True)
class Need:
    """Checks that a use rests on.

    Attributes:
        group: group of the checks.
        prefix: how their names start, ignoring case; empty: all of the group.
        words: what they show, for the report.
        optional: forbids nothing where no such check was made.
    """

    group: str
    prefix: str
    words: str
    optional: bool = False

    def checks(self, checks: Sequence[Check]) -> list[Check]:
        """Those of `checks` that the need speaks of."""
        return [c for c in checks if c.group == self.group and c.name.lower().startswith(self.prefix)]


@dataclass(frozen=True)
class Use:
    """A way to use a potential and what it rests on.

    Attributes:
        name: key of its words.
        needs: what it rests on.
        only_tested: told of only where a check of its last need was made; elsewhere what was not sampled says it.
    """

    name: str
    needs: tuple[Need, ...]
    only_tested: bool = False


@dataclass(frozen=True)
class Domain:
    """What the training data span.

    Attributes:
        species: chemical elements.
        families: families of structures that were sampled.
        max_temperature_k: highest temperature of thermal displacements; 0: none.
        max_hydrostatic_strain: largest |tr ε / 3|.
        shortest_distance_ang: shortest distance between two atoms in Å.
        width_ang: largest distance of an atom from its nearest image in the cells that decide on the use, in Å;
            infinite where no cell is periodic.
    """

    species: tuple[str, ...]
    families: tuple[str, ...]
    max_temperature_k: float
    max_hydrostatic_strain: float
    shortest_distance_ang: float
    width_ang: float


FOUNDATION = (
    Need("labels", "", "conservative reference labels"),
    Need("symmetry", "", "symmetry"),
    Need("derivatives", "", "forces and stress as derivatives of the energy"),
)
ENERGY = Need("accuracy", "energy", "held-out energy error")
FORCE = Need("accuracy", "force", "held-out force error")
STRESS = Need("accuracy", "stress", "held-out stress error")
EOS = Need("eos", "", "equation of state")
COHESION = Need("cohesion", "", "cohesive energy")
ELASTIC = Need("elastic", "", "elastic constants")
PHONON = Need("phonon", "", "phonons")
HULL = Need("hull", "", "formation energies and stable phases")
DYNAMICS = Need("dynamics", "", "conservation of energy in molecular dynamics")
DEFECT = Need("defect", "", "energies of point defects")
SURFACE = Need("surface", "", "surface energies")
FAULT = Need("fault", "", "γ-lines")

RELAXATION = Use("relaxation", (FORCE, replace(DYNAMICS, optional=True)))
PHASE_DIAGRAM = Use("phase_diagram", (ENERGY, EOS, replace(HULL, optional=True)))
STABILITY = Use("stability", (ENERGY, HULL))
ELASTICITY = Use("elastic", (STRESS, EOS, ELASTIC))
BALANCED = Use("balanced", (ENERGY, FORCE, STRESS))
VIBRATIONS = Use("vibrations", (FORCE, PHONON))
DEFECTS = Use("defects", (ENERGY, DEFECT), only_tested=True)
SURFACES = Use("surfaces", (ENERGY, SURFACE), only_tested=True)
FAULTS = Use("faults", (ENERGY, FAULT), only_tested=True)
BINDING = Use("binding", (EOS, COHESION), only_tested=True)
USES = (BALANCED, RELAXATION, PHASE_DIAGRAM, ELASTICITY, VIBRATIONS, STABILITY, DEFECTS, SURFACES, FAULTS, BINDING)
WORDS = {
    "balanced": "energies, forces and stresses of structures like those in the training data (general use)",
    "relaxation": "relaxation and molecular dynamics within the sampled range",
    "phase_diagram": "energy differences and equation of state of the sampled crystal",
    "elastic": "elastic constants and stress under small strain",
    "vibrations": "phonons and harmonic vibrations",
    "stability": "formation energies and stable phases among the compared crystals",
    "defects": "energies of the labelled point defects and of others like them",
    "surfaces": "energies of the labelled surfaces",
    "faults": "stacking faults along the labelled lines",
    "binding": "cohesive energies",
}
UNSAMPLED = {
    "surface": "free surfaces",
    "stacking_fault": "stacking faults and plastic slip",
    "vacancy": "vacancies",
    "interstitial": "interstitials",
    "liquid": "liquids and melting",
    "amorphous": "amorphous structures",
    "phase": "other crystal phases and transitions between them",
    "dimer": "collisions, sputtering and gas-phase molecules",
}


def _quote(check: Check) -> str:
    def number(value: float | None) -> str:
        return "no finite value" if value is None or not math.isfinite(value) else f"{value:.3g} {check.deviation_unit}"

    return f"{check.name}: off by {number(check.deviation)}, allowed {number(check.tolerance)}"


def _tested(need: Need, checks: Sequence[Check]) -> bool:
    """Whether a check of the need applies."""
    return any(check.passed is not None for check in need.checks(checks))


def _obstacles(needs: Sequence[Need], checks: Sequence[Check]) -> list[str]:
    """Why `needs` are not met; empty if they are."""
    found = []
    for need in needs:
        relevant = [check for check in need.checks(checks) if check.passed is not None]
        if not relevant and not need.optional:
            found.append(f"{need.words}: not tested")
        failed = [check for check in relevant if not check.passed]
        found += [_quote(check) for check in failed[:3]]
        if len(failed) > 3:
            found.append(f"{need.words}: {len(failed) - 3} more checks failed")
    return found


def _outside(domain: Domain, cutoff_ang: float) -> list[dict[str, str]]:
    """Uses that the data forbid, whatever the checks say."""
    narrow = domain.width_ang < 2 * cutoff_ang
    missing = [words for family, words in UNSAMPLED.items() if family not in domain.families]
    ranges = [
        (", ".join(missing), "no such structure is in the training data"),
        (f"elements other than {', '.join(domain.species)}", "the potential has no parameters for them"),
        (
            f"temperatures above {domain.max_temperature_k:.0f} K",
            "the largest thermal displacements in the data that the use rests on",
        ),
        (
            f"linear strain beyond ±{100 * domain.max_hydrostatic_strain:.1f} %",
            "the largest volume change in the data that the use rests on",
        ),
        (
            f"distances below {domain.shortest_distance_ang:.2f} Å",
            "the shortest in the training data; below it the repulsion is a guess",
        ),
        (
            f"forces as accurate as here in cells wider than {domain.width_ang:.1f} Å" if narrow else "",
            f"in no label are atoms farther from their images, and they feel each other over {2 * cutoff_ang:.1f} Å: "
            "in every one some have moved together with their images, and no check has larger cells "
            "(`analysis.locality` measures what is missed, labels of `sample.wide` teach it)",
        ),
    ]
    return [{"use": use, "why": why} for use, why in ranges if use]


def verdict(
    checks: Sequence[Check], *, use: str, domain: Domain, cutoff_ang: float, unfit: Sequence[dict[str, str]] = ()
) -> dict[str, Any]:
    """What the potential may be used for, as a plain dict for the evidence.

    Keys: `use`, `usable` (the stated use), `usable_for` and `not_usable_for` (lists of {use, why}), `summary`,
    `passed`, `failed`, `not_applicable` (counts) and `failures` (names of failed checks).

    Args:
        checks: all checks of the study: labels, accuracy, symmetry, derivatives, properties.
        use: stated use, one of the names in `USES`.
        domain: what the training data span.
        cutoff_ang: distance up to which atoms of the potential feel each other.
        unfit: further uses that held-out errors forbid, with `use` and `why`.

    Raises:
        KeyError: `use` is not known.
    """
    words = WORDS[use]
    foundation = _obstacles(FOUNDATION, checks)
    usable_for, not_usable_for, reasons = [], [], {}
    for candidate in USES:
        if candidate.only_tested and not _tested(candidate.needs[-1], checks):
            continue
        obstacles = foundation + _obstacles(candidate.needs, checks)
        reasons[candidate.name] = obstacles
        if obstacles:
            not_usable_for.append({"use": WORDS[candidate.name], "why": "; ".join(obstacles)})
        else:
            proof = ", ".join(need.words for need in candidate.needs if _tested(need, checks))
            usable_for.append({"use": WORDS[candidate.name], "why": f"within tolerance: {proof}"})
    failures = [check.name for check in checks if check.passed is False]
    passed = sum(check.passed is True for check in checks)
    usable = not reasons[use]
    if usable:
        summary = f"The potential may be used for its stated purpose: {words}."
    else:
        summary = f"The potential must not be used for its stated purpose: {words}. Reason: {'; '.join(reasons[use])}."
    return {
        "use": use,
        "usable": usable,
        "usable_for": usable_for,
        "not_usable_for": [*not_usable_for, *unfit, *_outside(domain, cutoff_ang)],
        "summary": summary,
        "passed": passed,
        "failed": len(failures),
        "not_applicable": len(checks) - passed - len(failures),
        "failures": failures,
    }
