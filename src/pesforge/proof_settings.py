"""Types of the settings of properties that need relaxations or molecular dynamics by the potential."""

from typing import Annotated

from pydantic import Field

from pesforge.settings_types import Count, NonNegative, Positive, Section


class Defects(Section):
    """Defects, surfaces and faults relaxed by the potential alone: predictions. Labelled ones are always judged."""

    width_ang: Positive = Field(
        10.0, le=40, description="least width of the cells, thickness of slabs and of the vacuum between them, Å"
    )
    fmax_ev_per_ang: Positive = Field(0.01, description="largest force on an atom that is left, eV/Å")
    max_steps: Count = Field(500, description="most steps of a relaxation; a value with larger forces is not given")
    line_points: Annotated[int, Field(ge=2, le=60)] = Field(
        8, description="points of each line of `sample.stacking_fault`"
    )


class Dynamics(Section):
    """Molecular dynamics by the potential: conservation of energy, stability, density and pair distribution."""

    temperatures_k: tuple[Positive, ...] | None = Field(
        None,
        min_length=1,
        description="temperatures in K; null: the lowest and the highest of `sample.thermal`, 300 without it",
    )
    width_ang: Positive = Field(10.0, le=60, description="least width of the cell, Å")
    timestep_fs: Positive = Field(1.0, le=20, description="time step in fs; 0.5 or less with hydrogen")
    equilibration_ps: NonNegative = Field(0.3, description="time of every run that is not measured, ps")
    energy_ps: Positive = Field(1.0, description="time over which energy must be conserved and the crystal hold, ps")
    density_ps: NonNegative = Field(
        1.0, description="time at zero pressure that the density is averaged over, ps; 0: none"
    )
    melt_temperature_k: Positive | None = Field(
        None, description="temperature of a run that melts the crystal for its pair distribution, K; null: none"
    )
    melt_ps: Positive = Field(10.0, description="time of that run; its second half is averaged, ps")
