"""Types of the settings of families that need a driver: molecular dynamics, melts, quenches and relaxed defects."""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pesforge.settings_types import Count, NonNegative, Positive, Section

Copies = Annotated[int, Field(ge=0, le=1000)]
Strain = Annotated[float, Field(ge=-0.2, le=0.2)]
Repetitions = tuple[Count, Count, Count]


class Driver(Section):
    """What moves the atoms of `md`, `liquid`, `amorphous` and `relaxed`; without such a family it has no effect."""

    kind: Literal["potential", "dft"] = Field(
        "potential",
        description="potential: a draft, fitted to the labels of all families that need no driver; dft: the engine of "
        "the study at coarse settings, which costs a calculation per step",
    )
    functions: Count = Field(
        50, description="most functions of the draft potential; fewer hold longer far from their training data"
    )
    leverage_factor: Positive = Field(
        4.0,
        description="a run of the draft stops where the leverage of an atom exceeds this multiple of the largest one "
        "in its training; 4: a standard deviation twice the worst of training",
    )
    cutoff_ev: Positive | None = Field(
        None, description="plane-wave cutoff of the driver `dft` in eV; null: the first of `converge.cutoff_ev`"
    )
    k_spacing_per_ang: Positive | None = Field(
        None, description="distance of its k-points in 1/Å; null: the first of `converge.k_spacing_per_ang`"
    )
    scf_tolerance: Positive | None = Field(
        None, description="its SCF tolerance; null: the first of `converge.scf_tolerance`"
    )


class Driven(Section, ABC):
    """A family whose structures a driver makes."""


class Moving(Driven):
    """A family of molecular dynamics at constant volume, with Langevin's thermostat."""

    supercell: Repetitions = Field((2, 2, 2), description="repetitions of the parent cell")
    timestep_fs: Positive = Field(1.0, le=10, description="time step in fs; 0.5 or less with hydrogen")
    damping_fs: Positive = Field(100.0, description="time in which the thermostat damps a velocity, fs")

    @abstractmethod
    def structures(self) -> int:
        """Number of structures, none of the runs being stopped."""

    @abstractmethod
    def shortest_steps(self) -> int:
        """Number of steps that are taken at least."""

    def steps(self, picoseconds: float) -> int:
        """Steps of a time, at least one."""
        return max(1, round(1e3 * picoseconds / self.timestep_fs))


class Md(Moving):
    """Snapshots of the crystal in motion, two autocorrelation times apart or more; one run and group per T and ε."""

    temperatures_k: tuple[Positive, ...] = Field((300.0, 900.0), min_length=1, description="temperatures in K")
    strains: tuple[Strain, ...] = Field((0.0,), min_length=1, description="linear strains of the cell, each at each T")
    count: Count = Field(8, description="structures of each run; a larger number keeps the first ones")
    equilibration_ps: Positive = Field(1.0, description="time before the first structure, ps")
    max_ps: Positive = Field(
        20.0, description="longest time of a run after that, ps; it may then give fewer structures"
    )

    def structures(self) -> int:
        """The count of all runs."""
        return len(self.temperatures_k) * len(self.strains) * self.count

    def shortest_steps(self) -> int:
        """Equilibration, and a tenth of a picosecond per structure."""
        runs = len(self.temperatures_k) * len(self.strains)
        return runs * (self.steps(self.equilibration_ps) + self.count * self.steps(0.1))


class Melt(Moving):
    """A family that begins with melting the crystal."""

    melt_temperature_k: Positive = Field(description="temperature that melts the crystal within picoseconds, K")
    melt_max_ps: Positive = Field(
        20.0, description="longest melting, ps; it ends when atoms have moved by a bond on average, else the run is off"
    )
    strain: Strain = Field(0.0, description="linear strain of the cell, for the density of the melt")


class Liquid(Melt):
    """Snapshots of the melt, twice its autocorrelation time apart or more; one run and group per temperature."""

    temperatures_k: tuple[Positive, ...] = Field(min_length=1, description="temperatures of the structures in K")
    count: Count = Field(8, description="structures of each run; a larger number keeps the first ones")
    equilibration_ps: Positive = Field(2.0, description="time at the temperature before the first structure, ps")
    max_ps: Positive = Field(
        20.0, description="longest time of a run after that, ps; it may then give fewer structures"
    )

    def structures(self) -> int:
        """The count of all runs."""
        return len(self.temperatures_k) * self.count

    def shortest_steps(self) -> int:
        """A picosecond of melting, equilibration, and a tenth of a picosecond per structure."""
        each = self.steps(1.0) + self.steps(self.equilibration_ps) + self.count * self.steps(0.1)
        return len(self.temperatures_k) * each


class Amorphous(Melt):
    """Quenched melts: snapshots on the way and the relaxed end; each quench is a run and a group."""

    quenches: Count = Field(1, description="independent quenches; a larger number keeps the first ones")
    rate_k_per_ps: Positive = Field(50.0, description="rate of cooling in K/ps")
    final_temperature_k: Positive = Field(300.0, description="temperature at which cooling ends, K")
    snapshots: Count = Field(
        4, description="structures on the way, at temperatures that halve its range; a larger number keeps the first"
    )
    fmax_ev_per_ang: Positive = Field(0.02, description="largest force on an atom of the relaxed end, eV/Å")
    max_steps: Count = Field(1000, description="most steps of its relaxation")

    def structures(self) -> int:
        """Snapshots and the end of all quenches."""
        return self.quenches * (self.snapshots + 1)

    def shortest_steps(self) -> int:
        """A picosecond of melting, and the quench."""
        return self.quenches * (self.steps(1.0) + self.steps(self.quench_ps))

    @property
    def quench_ps(self) -> float:
        """Time of cooling in ps."""
        return (self.melt_temperature_k - self.final_temperature_k) / self.rate_k_per_ps

    @model_validator(mode="after")
    def _cooling(self) -> Self:
        if self.final_temperature_k >= self.melt_temperature_k:
            raise ValueError("`final_temperature_k` must be below `melt_temperature_k`")
        return self


class Relaxed(Driven):
    """Relaxed defects: the first structure of every site of `vacancy` and kind of `interstitial`, in their groups."""

    surfaces: bool = Field(False, description="the slabs of `surface` too")
    fmax_ev_per_ang: Positive = Field(
        0.02, description="largest force on an atom by the driver, eV/Å; the cell is fixed"
    )
    max_steps: Count = Field(500, description="most steps of a relaxation")
    rattled: Copies = Field(2, description="further copies of each with thermal displacements")
    temperature_k: NonNegative = Field(300.0, description="temperature of these displacements in K (k_eff of the bulk)")
