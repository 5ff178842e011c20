"""Evidence of coverage: how much is filled, which bins are empty, and whether any candidate reaches them."""

from collections.abc import Iterable, Iterator
from itertools import islice, pairwise
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.coverage.bins import BIN_WIDTH_ANG, Bins, DescriptorBins, StrainBins
from pesforge.coverage.cloud import Cloud
from pesforge.family_settings import BinKind
from pesforge.fields import FAMILY, ID
from pesforge.representations.arrays import BoolArray
from pesforge.sampling.candidates import NAME as GAPS

FILLED, BY_GAPS, LOST, EMPTY, UNREACHED = "filled", "by_gaps", "lost", "empty", "unreached"
WHY = {
    EMPTY: "candidates reach it",
    UNREACHED: "no candidate reaches it",
    LOST: "its structures failed or were dropped",
}
AXES = {"strains": ("I₁", "√J₂"), "descriptors": ("component 1", "component 2")}
DIGITS = {"strains": 3, "descriptors": 2}
AT_ONCE = 256
"""Structures of the pool that are held at once."""


def coverage_evidence(cloud: Cloud, pool: Iterable[Atoms], kept: set[str]) -> dict[str, Any]:
    """Coverage of a study before labels are computed and after curation.

    `percent` has a row for each pair of species, the strains and the descriptors: shares of all bins that candidates
    reach, that the families without `gaps` fill, all families, and those structures that were kept. `distances`,
    `strains` and `descriptors` hold the state of every bin (`filled`, `by_gaps`: filled by that family alone, `lost`:
    filled no longer after curation, `empty`: not filled although candidates reach it, `unreached`), and `empty` the
    ranges of bins that are not filled in the end.

    Args:
        cloud: candidates of the study, and its bins.
        pool: all structures that were to be labelled; those with distances that are not believed, or with elements that
            the study does not have, fill no bin.
        kept: ids of those that were kept.
    """
    stages, gaps = _filled(cloud, pool, kept)
    states = _states(**{key.removesuffix("_percent"): mask for key, mask in stages.items()})
    bins, columns = cloud.bins, dict(_columns(cloud.bins))
    grids = {kind: states[bins.parts[kind]].reshape(part.shape).tolist() for kind, part in _grids(bins).items()}
    return {
        "candidates": len(cloud.believed),
        "refused": int((~cloud.believed).sum()),
        "min_distance_factor": bins.distances.min_distance_factor,
        "gaps": gaps,
        "percent": [
            {"measure": name, "bins": chosen.stop - chosen.start}
            | {key: 100 * float(mask[chosen].mean()) for key, mask in stages.items()}
            for name, chosen in columns.items()
        ],
        "distances": [
            {
                "pair": name,
                "start_ang": float(start),
                "width_ang": BIN_WIDTH_ANG,
                "state": states[columns[f"distances {name}"]].tolist(),
            }
            for name, start in zip(bins.distances.names, bins.distances.starts_ang, strict=True)
        ],
        "strains": {"edges": _strain_edges(bins.strains), "state": grids["strains"]} if "strains" in grids else None,
        "descriptors": {
            "edges": bins.descriptors.edges.tolist(),
            "explained_percent": (100 * bins.descriptors.explained).tolist(),
            "state": grids["descriptors"],
        },
        "empty": list(_empty_ranges(bins, states)),
    }


def _filled(cloud: Cloud, pool: Iterable[Atoms], kept: set[str]) -> tuple[dict[str, BoolArray], int]:
    """The bins filled at every stage, and the number of structures that fill gaps, part by part of the pool."""
    empty = np.zeros(len(cloud.reached), dtype=np.bool_)
    without_gaps, sampled, curated, gaps = empty, empty, empty, 0
    believed = (atoms for atoms in pool if _believed(cloud, atoms))
    while part := list(islice(believed, AT_ONCE)):
        found = cloud.bins.filled(part)
        of_gaps = np.array([atoms.info[FAMILY] == GAPS for atoms in part])
        stays = np.array([str(atoms.info[ID]) in kept for atoms in part])
        without_gaps = without_gaps | found[~of_gaps].any(axis=0)
        sampled = sampled | found.any(axis=0)
        curated = curated | found[stays].any(axis=0)
        gaps += int(of_gaps.sum())
    return {
        "reached_percent": cloud.reached,
        "without_gaps_percent": without_gaps,
        "sampled_percent": sampled,
        "curated_percent": curated,
    }, gaps


def _believed(cloud: Cloud, atoms: Atoms) -> bool:
    """Whether a structure has the elements of the study alone, and no distance that the filters refuse."""
    distances = cloud.bins.distances
    return set(atoms.numbers) <= set(distances.numbers) and distances.filled(atoms)[1]


def _states(reached: BoolArray, without_gaps: BoolArray, sampled: BoolArray, curated: BoolArray) -> np.ndarray:
    """The state of every bin."""
    conditions = [curated & without_gaps, curated, sampled, reached]
    return np.select(conditions, [FILLED, BY_GAPS, LOST, EMPTY], UNREACHED)


def _grids(bins: Bins) -> dict[BinKind, StrainBins | DescriptorBins]:
    """The two kinds of bins on a plane; no strains where the study asks for none."""
    grids: dict[BinKind, StrainBins | DescriptorBins] = {"strains": bins.strains, "descriptors": bins.descriptors}
    return {kind: grid for kind, grid in grids.items() if grid.shape[0]}


def _columns(bins: Bins) -> Iterator[tuple[str, slice]]:
    """The bins of every measure."""
    for name, (start, stop) in zip(bins.distances.names, pairwise(bins.distances.offsets), strict=True):
        yield f"distances {name}", slice(int(start), int(stop))
    for kind in _grids(bins):
        yield kind, bins.parts[kind]


def _strain_edges(strains: StrainBins) -> list[list[float]]:
    """Edges of the bins along I₁ and √J₂."""
    first, second = strains.shape
    ends = ((-strains.i1_max, strains.i1_max, first + 1), (0.0, strains.root_j2_max, second + 1))
    return [np.linspace(*end).tolist() for end in ends]


def _empty_ranges(bins: Bins, states: np.ndarray) -> Iterator[dict[str, Any]]:
    """Rows of neighbouring bins that are not filled for one reason: along distances, or along the first axis."""
    distances = bins.distances
    for name, start, (first, stop) in zip(
        distances.names, distances.starts_ang, pairwise(distances.offsets), strict=True
    ):
        for low, high, state in _runs(states[first:stop]):
            near, far = start + low * BIN_WIDTH_ANG, min(start + high * BIN_WIDTH_ANG, distances.cutoff_ang)
            yield _row(f"distances {name}", f"{near:.2f} to {far:.2f} Å", high - low, state)
    edges = {"strains": _strain_edges(bins.strains), "descriptors": bins.descriptors.edges.tolist()}
    for kind, part in _grids(bins).items():
        (across, up), digits = AXES[kind], DIGITS[kind]
        lines = states[bins.parts[kind]].reshape(part.shape).T
        for line, (below, above) in zip(lines, pairwise(edges[kind][1]), strict=True):
            for low, high, state in _runs(line):
                left, right = edges[kind][0][low], edges[kind][0][high]
                where = (
                    f"{across} {left:.{digits}f} to {right:.{digits}f}, {up} {below:.{digits}f} to {above:.{digits}f}"
                )
                yield _row(kind, where, high - low, state)


def _row(measure: str, where: str, count: int, state: str) -> dict[str, Any]:
    return {"measure": measure, "where": where, "bins": count, "why": WHY[state]}


def _runs(states: np.ndarray) -> Iterator[tuple[int, int, str]]:
    """Start, end and state of every run of equal states among bins that are not filled."""
    changes = np.flatnonzero(states[1:] != states[:-1]) + 1
    for low, high in pairwise([0, *changes.tolist(), len(states)]):
        if states[low] in WHY:
            yield low, high, str(states[low])
