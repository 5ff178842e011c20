"""What settings sections are made of: types of numbers, the base of all sections, and the section of a crystal."""

from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal, Self

from ase.data import chemical_symbols
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
MOST = 100_000
"""Largest number of anything that is counted: structures, steps, repetitions."""
Count = Annotated[int, Field(ge=1, le=MOST)]
Prototype = Literal[
    "sc", "fcc", "bcc", "hcp", "diamond", "zincblende", "rocksalt", "cesiumchloride", "fluorite", "wurtzite"
]


def _element(symbol: str) -> str:
    if symbol not in chemical_symbols[1:]:
        near = get_close_matches(symbol, chemical_symbols[1:], n=3, cutoff=0.4)
        hint = f" Did you mean {', '.join(near)}?" if near else ""
        raise ValueError(f"{symbol!r} is not the symbol of a chemical element.{hint}")
    return symbol


Element = Annotated[str, AfterValidator(_element)]


class Section(BaseModel):
    """Base of all sections: unknown keys are refused, values are fixed after reading."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class Structure(Section):
    """The parent crystal: a file, or a prototype with its elements and lattice constant."""

    file: Path | None = Field(
        None, description="CIF, POSCAR or extxyz file, relative to the study file; excludes `prototype`"
    )
    prototype: Prototype | None = Field(None, description="crystal structure by ASE's name; excludes `file`")
    species: tuple[Element, ...] = Field(
        min_length=1, description="elements, in the order of the prototype's sites; for a file: the elements it holds"
    )
    lattice_constant_ang: Positive | None = Field(None, description="lattice constant a in Å, for a prototype")
    c_over_a: Positive | None = Field(None, description="c/a, for hcp and wurtzite")
    cubic: bool = Field(True, description="conventional cubic cell instead of the primitive one, for a prototype")
    supercell: tuple[Count, Count, Count] = Field((1, 1, 1), description="repetitions of the cell for every label")

    @model_validator(mode="after")
    def _one_source(self) -> Self:
        if (self.file is None) == (self.prototype is None):
            raise ValueError("give exactly one of `file` and `prototype`")
        if self.prototype and self.lattice_constant_ang is None:
            raise ValueError("a prototype needs `lattice_constant_ang`")
        if self.file and (self.lattice_constant_ang is not None or self.c_over_a is not None):
            raise ValueError("`lattice_constant_ang` and `c_over_a` belong to a prototype, not to a file")
        return self
