"""Types of the settings of a study that rebuilds a published table."""

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from pesforge.settings import STUDY_NAME, Count, Positive, Section

BenchmarkElement = Literal["Cu", "Ni", "Li", "Mo", "Si", "Ge"]
SPLITS = ("training", "test")
ADDRESS = re.compile(r"https?://[^\s?#]+")
DIGEST = re.compile(r"[0-9a-f]{64}")


class Target(Section):
    """Errors of one element that the study aims at; a larger error is called a miss."""

    element: BenchmarkElement = Field(description="element")
    energy_mev_per_atom: Positive = Field(description="MAE of the test energies, meV/atom")
    force_ev_per_ang: Positive = Field(description="MAE of the test forces, eV/Å")


class Published(Section):
    """The benchmark set, and where its labels come from."""

    data_set: Literal["mlearn"] = Field(
        "mlearn", alias="set", description="name of the set; `mlearn`: Zuo et al., J. Phys. Chem. A 124, 731 (2020)"
    )
    elements: tuple[BenchmarkElement, ...] = Field(min_length=1, description="elements of the set that are fitted")
    folder: Path | None = Field(
        None,
        description="folder of local labels, relative to the study file: `Si_training.extxyz` and `Si_test.extxyz`, or "
        "`Si/training.json` and `Si/test.json` as they were published; null: download",
    )
    base_url: str | None = Field(
        None, description="address of a copy of the folder `data` of the set; null: the commit in its own repository"
    )
    sha256: dict[str, str] = Field(
        default_factory=dict,
        description="SHA-256 that files must have, by `Si_training`, `Si_test`, …; a download without one must always "
        "give what it gave the first time",
    )
    targets: tuple[Target, ...] = Field((), description="errors that the study aims at, beside the published ones")

    @field_validator("base_url")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is not None and not ADDRESS.fullmatch(value):
            raise ValueError(f"found {value!r}; an address such as https://example.org/mlearn/data is wanted.")
        return value

    @field_validator("sha256")
    @classmethod
    def _digests(cls, value: dict[str, str]) -> dict[str, str]:
        names = [f"{element}_{split}" for element in BenchmarkElement.__args__ for split in SPLITS]  # type: ignore[attr-defined]
        for name, digest in value.items():
            if name not in names:
                raise ValueError(f"{name!r} names no file of the set; allowed: {', '.join(names)}.")
            if not DIGEST.fullmatch(digest):
                raise ValueError(f"{name}: found {digest!r}; a SHA-256 has 64 digits of 0-9 and a-f.")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.elements)) < len(self.elements):
            raise ValueError("an element stands twice in `elements`; keep one of them")
        named = [target.element for target in self.targets]
        if len(set(named)) < len(named):
            raise ValueError("an element stands twice in `targets`; keep one of them")
        unused = sorted(set(named) - set(self.elements))
        if unused:
            raise ValueError(f"`targets` name {', '.join(unused)}, which `elements` leave out; drop or add them")
        if self.folder is not None and self.base_url is not None:
            raise ValueError("`folder` and `base_url` exclude each other: labels are local or downloaded")
        return self


class PublishedStudy(Section):
    """A study that rebuilds a published table of errors; it computes no labels."""

    name: str = Field(pattern=f"^{STUDY_NAME}$", description="name of the folder below `results/`")
    published: Published = Field(description="benchmark set")
    model: Literal["ace", "pair", "eam", "tersoff", "ace-neural", "ace-quadratic", "mace"] = Field(
        "ace", description="functional form, as in `pesforge fit --model`"
    )
    functions: Count | None = Field(
        None, description="most functions, as in `pesforge fit --functions`; null: as many as a minute allows"
    )
