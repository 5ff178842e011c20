"""The cloud of candidates: it says which bins a study could fill, and lends structures to fill them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from ase import Atoms

from pesforge.coverage.bins import Bins, DescriptorBins, DistanceBins, StrainBins, mean_descriptors
from pesforge.errors import DataError
from pesforge.representations.archive import load_arrays, save_arrays
from pesforge.representations.arrays import BoolArray
from pesforge.sampling.candidates import CandidateRange, candidate
from pesforge.sampling.measured import Measured

NAMES = (
    "numbers",
    "limits",
    "parent_cell",
    "strain_range",
    "species",
    "mean",
    "scale",
    "components",
    "edges",
    "explained",
    "filled",
    "believed",
)


@dataclass(frozen=True)
class Cloud:
    """Bins, and what the candidates fill of them."""

    bins: Bins
    filled: BoolArray
    """Which bins each candidate fills, (C, B); none for one that is refused."""
    believed: BoolArray
    """Whether the distances of each candidate are long enough for its label to pass the filters, (C,)."""

    @property
    def reached(self) -> BoolArray:
        """Which bins some candidate fills, (B,)."""
        return np.asarray(self.filled.any(axis=0))

    def save(self, path: Path | str) -> None:
        """Write the cloud to a file that ends in .npz, atomically."""
        distances, strains, descriptors = self.bins.distances, self.bins.strains, self.bins.descriptors
        save_arrays(
            path,
            {
                "numbers": distances.numbers,
                "limits": [distances.cutoff_ang, distances.min_distance_factor],
                "parent_cell": strains.parent_cell,
                "strain_range": [strains.i1_max, strains.root_j2_max],
                "species": descriptors.species,
                **{name: getattr(descriptors, name) for name in ("mean", "scale", "components", "edges", "explained")},
                "filled": self.filled,
                "believed": self.believed,
            },
        )

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """The cloud that `save` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        found = load_arrays(path, NAMES)
        cutoff, factor = found["limits"].tolist()
        bins = Bins(
            DistanceBins(tuple(found["numbers"].tolist()), cutoff, factor),
            StrainBins(found["parent_cell"], *found["strain_range"].tolist()),
            DescriptorBins(
                tuple(found["species"].tolist()),
                cutoff,
                *(found[name] for name in ("mean", "scale", "components", "edges", "explained")),
            ),
        )
        return cls(bins, found["filled"], found["believed"])


def draw_cloud(
    parent: Atoms,
    settings: CandidateRange,
    measured: Measured,
    seed: int,
    *,
    cutoff_ang: float,
    min_distance_factor: float,
) -> Cloud:
    """The cloud of a study.

    Args:
        parent: parent crystal.
        settings: number and ranges of the candidates.
        measured: k_eff of every species.
        seed: seed of the study.
        cutoff_ang: upper end of the distances, and cutoff of the descriptors, in Å.
        min_distance_factor: lower end of the distances, over sums of covalent radii; nearer candidates are refused.

    Raises:
        DataError: fewer than two candidates are left, or they do not differ.
    """
    species = tuple(sorted({str(symbol) for symbol in parent.symbols}))
    distances = DistanceBins(tuple(sorted({int(number) for number in parent.numbers})), cutoff_ang, min_distance_factor)
    strains = StrainBins(parent.cell.array, 3 * settings.hydrostatic_max, settings.deviatoric_max / np.sqrt(2))
    near, strained, features, believed = [], [], [], np.zeros(settings.number, dtype=np.bool_)
    for number in range(settings.number):
        atoms = candidate(parent, settings, measured, seed, number)
        found, believed[number] = distances.filled(atoms)
        if believed[number]:
            near.append(found)
            strained.append(strains.filled(atoms))
            features.append(mean_descriptors([atoms], species, cutoff_ang)[0])
    if len(features) < 2:
        raise DataError(
            f"{len(features)} of {settings.number} candidates keep the distances that `curate.min_distance_factor` "
            "asks for; raise `sample.candidates.number` or `fraction_min`, or lower the filter."
        )
    bins = Bins(distances, strains, DescriptorBins.of(species, cutoff_ang, np.array(features)))
    filled = np.zeros((settings.number, bins.parts["descriptors"].stop), dtype=np.bool_)
    blocks = [np.array(near), np.array(strained), bins.descriptors.filled(np.array(features))]
    filled[believed] = np.concatenate(blocks, axis=1)
    return Cloud(bins, filled, believed)
