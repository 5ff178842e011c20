"""Options of message-passing networks, and the sizes they get by themselves."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from pesforge.potentials.mace import Device
from pesforge.settings import Count, NonNegative, Positive
from pesforge.training.mace_config import MaceTraining

SIZES: Mapping[str, Mapping[str, Any]] = {
    "cpu": {"channels": 16, "max_l": 0, "max_ell": 2, "radial_width": 16},
    "cuda": {"channels": 128, "max_l": 1, "max_ell": 3, "radial_width": 64},
}
"""Sizes that a network gets where no option says otherwise."""
SIZE_OPTIONS = ("channels", "max_l", "max_ell", "radial_width", "correlation", "layers", "cutoff_ang")


class MaceOptions(MaceTraining):
    """Options of a message-passing network."""

    start: Path | None = Field(
        None,
        alias="from",
        description="potential of kind mace to go on from: a folder, or a file of parameters beside a .json",
    )
    channels: Count | None = Field(None, description="channels of a message; 16 on a CPU, 128 on a GPU")
    max_l: Annotated[int, Field(ge=0, le=3)] | None = Field(
        None, description="largest angular momentum of messages; 0 on a CPU, 1 on a GPU"
    )
    max_ell: Annotated[int, Field(ge=0, le=6)] | None = Field(
        None, description="largest angular momentum of edges; 2 on a CPU, 3 on a GPU"
    )
    radial_width: Count | None = Field(None, description="neurons of the radial network; 16 on a CPU, 64 on a GPU")
    correlation: Annotated[int, Field(ge=1, le=4)] = Field(3, description="largest number of factors of a product")
    layers: Count = Field(2, description="interactions")
    cutoff_ang: Positive | None = Field(None, description="length of an edge in Å; from the nearest-neighbour distance")
    device: Device = Field("auto", description="cpu, cuda, or auto: a GPU where there is one")
    folds: Literal[0] | Annotated[int, Field(ge=2)] = Field(
        0, description="groupwise folds of a cross-validation, each a training of its own; 0: none"
    )
    work: Path | None = Field(None, description="folder of checkpoints, from which an interrupted fit goes on")
    w_energy: Positive = Field(20.0, description="weight of the mean squared energy error, per (eV/atom)²")
    w_force: Positive = Field(1.0, description="weight of the mean squared force component error, per (eV/Å)²")
    w_stress: NonNegative = Field(100.0, description="weight of the mean squared stress component error, per (eV/Å³)²")
