"""What a study says of its families, made complete for the samplers and tried on the parent before anything runs."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.data import covalent_radii

from pesforge.errors import PesforgeError
from pesforge.family_settings import Compression, Dimer, Gaps, Interstitial, Phase, Shared
from pesforge.io import canonical_json
from pesforge.pairs import find_pairs
from pesforge.sampling import candidates
from pesforge.sampling.families import FAMILIES
from pesforge.sampling.measured import Measured
from pesforge.settings import Study
from pesforge.structure import MAX_ATOMS, build_parent, to_plain

LARGE = ("vacancy", "interstitial", "compression", "md", "liquid", "amorphous")
"""Families that repeat the parent cell."""
TRIED = ("surface", "stacking_fault", "vacancy", "interstitial", "dimer", "wide", "shared")
"""Families that not every crystal has, or not as often as asked for; their samplers are quick."""

DRAWN = 1000
"""Most structures of a family that are made before anything is computed, to try a sampler or to guess a time."""
SIZES = ("count", "paths")
"""Keys that say how many structures a family has; a larger number keeps the first ones."""

Complaint = tuple[tuple[str | int, ...], str]
"""Place in the study file, and what is wrong there."""


def prepare(
    study: Study, parent: Atoms, folder: Path, shared: Sequence[Mapping[str, Any]] = ()
) -> tuple[dict[str, dict[str, Any]], list[Complaint]]:
    """The settings of every sampled family as builtin types, as its sampler reads them; and what cannot be sampled.

    The crystals of `phase` are built, files read, and the longest distance of `dimer` is the cutoff where none is
    stated: the sampler of a family needs no other part of the study.

    Args:
        study: settings that are right in themselves.
        parent: parent crystal.
        folder: folder that files are relative to.
        shared: cells of the family `shared`.
    """
    complaints = list(_too_large(study, parent))
    if complaints:
        return {}, complaints
    found = {}
    for name in study.families:
        section = getattr(study.sample, name)
        plain = json.loads(canonical_json(section.model_dump(mode="json")))
        if isinstance(section, Phase):
            plain["cells"] = list(_crystals(section, study, folder, complaints))
        elif isinstance(section, Shared):
            plain["cells"] = [dict(cell) for cell in shared]
        elif isinstance(section, Dimer):
            plain["longest_ang"] = study.describe.cutoff_ang if section.longest_ang is None else section.longest_ang
            complaints += _below_the_filter("dimer", "shortest_factor", section.shortest_factor, study)
        elif isinstance(section, Interstitial):
            complaints += _below_the_filter("interstitial", "distance_factor", section.distance_factor, study)
        elif isinstance(section, Compression):
            factor = section.fraction_min * _nearest_factor(parent)
            complaints += _below_the_filter("compression", "fraction_min", factor, study)
        elif isinstance(section, Gaps):
            ranges = candidates.stated_range(study.sample)
            plain["candidates"] = ranges.model_dump(mode="json")
            complaints += _gaps(section, ranges)
        found[name] = plain
        if name in TRIED:
            complaints += _try(name, plain, study, parent)
    return found, complaints


def _too_large(study: Study, parent: Atoms) -> Iterator[Complaint]:
    """Supercells that are beyond reason."""
    repeated = {("sample", name): getattr(study.sample, name) for name in LARGE}
    if study.learn is not None:
        repeated["learn", "pool"] = study.learn.pool
    for place, section in repeated.items():
        atoms = len(parent) * math.prod(section.supercell) if section is not None else 0
        if atoms > MAX_ATOMS:
            yield (*place, "supercell"), f"{atoms} atoms; allowed are at most {MAX_ATOMS}."


def fewer(plain: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a family with `DRAWN` structures or directions at most."""
    return {**plain, **{key: min(plain[key], DRAWN) for key in SIZES if isinstance(plain.get(key), int)}}


def draft(families: Mapping[str, Mapping[str, Any]], parent: Atoms, seed: int) -> list[Atoms]:
    """The structures of families as they are before stiffness is measured: displacements are not those of the study.

    Args:
        families: settings that `prepare` made.
        parent: parent crystal.
        seed: seed of the study.

    Raises:
        DataError: the parent has no such structures.
    """
    frames = []
    measured = Measured.assumed(parent)
    for name, plain in families.items():
        if name == candidates.NAME:
            ranges = candidates.CandidateRange.model_validate(plain["candidates"])
            frames += [candidates.candidate(parent, ranges, measured, seed, n) for n in range(plain["count"])]
        else:
            model, sample = FAMILIES[name]
            frames += sample(parent, model.model_validate(plain), measured, seed)
    return frames


def _gaps(section: Gaps, ranges: candidates.CandidateRange) -> Iterator[Complaint]:
    """What the family `gaps` asks for and no candidate can give."""
    if section.count > ranges.number:
        text = f"is {section.count}, but there are {ranges.number} candidates; raise `sample.candidates.number`."
        yield ("sample", "gaps", "count"), text
    if "strains" in section.kinds and not (ranges.hydrostatic_max or ranges.deviatoric_max):
        text = "holds strains, but no family is strained; state a range in `sample.candidates`, or leave it out."
        yield ("sample", "gaps", "kinds"), text


def _crystals(section: Phase, study: Study, folder: Path, complaints: list[Complaint]) -> Iterator[dict[str, Any]]:
    """Competing crystals as builtin types; those that cannot be built are complained about."""
    for number, settings in enumerate(section.crystals):
        place = ("sample", "phase", "crystals", number)
        others = sorted(set(settings.species) - set(study.structure.species))
        if others:
            known = ", ".join(study.structure.species)
            complaints.append(((*place, "species"), f"{', '.join(others)} is not in `structure.species` ({known})."))
        try:
            yield to_plain(build_parent(settings, folder, key=f"sample.phase.crystals[{number}]"))
        except PesforgeError as error:
            complaints.append((place, str(error)))


def _try(name: str, plain: dict[str, Any], study: Study, parent: Atoms) -> list[Complaint]:
    """Complaints of a sampler about the parent."""
    try:
        frames = draft({name: fewer(plain)}, parent, study.seed)
    except PesforgeError as error:
        return [(("sample", name), str(error))]
    assert len(frames) == study.families[name] or plain != fewer(plain), f"{name} has {len(frames)} structures"
    return []


def _nearest_factor(parent: Atoms) -> float:
    """Shortest distance of the parent, relative to the sums of covalent radii."""
    first, second, distance = find_pairs(parent, float(parent.cell.lengths().min()) + 1e-6, "ijd", both_ways=False)
    radii = covalent_radii[parent.numbers]
    return float((distance / (radii[first] + radii[second])).min())


def _below_the_filter(family: str, key: str, factor: float, study: Study) -> list[Complaint]:
    """Refusal of structures that `curate` would drop after their labels were computed."""
    least = study.curate.min_distance_factor
    if factor >= least:
        return []
    text = (
        f"reaches down to {factor:.2f} of the sum of covalent radii, but `curate.min_distance_factor` drops labels "
        f"below {least:g}; raise this value or lower the filter."
    )
    return [(("sample", family, key), text)]
