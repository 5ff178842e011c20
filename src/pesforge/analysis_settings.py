"""Settings of analyses that no potential hangs on."""

from itertools import pairwise
from typing import Annotated, Self

from pydantic import Field, model_validator

from pesforge.settings_types import Count, Positive, Section

Cutoff = Annotated[float, Field(gt=0, le=12)]


class Locality(Section):
    """How far atoms feel each other: force constants by distance, and errors left out by cutoff radius."""

    cutoffs_ang: tuple[Cutoff, ...] = Field(
        (3.0, 4.0, 5.0, 6.0, 7.0),
        min_length=1,
        description="cutoff radii in Å beside `describe.cutoff_ang`, rising; each with the basis and grid of the study",
    )
    supercell: tuple[Count, Count, Count] = Field(
        (1, 1, 1),
        description="repetitions of the parent in which DFT measures force constants, one calculation or some of as "
        "many atoms; shows pairs of atoms up to half of its width",
    )
    temperature_k: Positive = Field(
        300.0, description="temperature in K of the displacements whose forces are told in eV/Å"
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        if any(a >= b for a, b in pairwise(self.cutoffs_ang)):
            raise ValueError("`cutoffs_ang` must rise")
        return self


class Analysis(Section):
    """Analyses beside the potential; none of them changes it."""

    locality: Locality | None = Field(None, description="locality study")
