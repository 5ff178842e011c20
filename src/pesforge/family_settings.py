"""Types of the settings of all families of structures. How many structures a family has follows from them alone."""

from abc import ABC, abstractmethod
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pesforge.driven_settings import Amorphous, Copies, Driven, Driver, Liquid, Md, Relaxed
from pesforge.settings_types import Count, Fraction, NonNegative, Positive, Section, Structure

Index = Annotated[int, Field(ge=-20, le=20)]
Miller = tuple[Index, Index, Index]
Statistics = Literal["classical", "quantum"]
BinKind = Literal["distances", "strains", "descriptors"]


class Family(Section, ABC):
    """A family of structures."""

    @abstractmethod
    def structures(self, elements: int) -> int:
        """Number of structures in a study of a number of elements."""


class Thermal(Family):
    """Independent Gaussian displacements, σ² = k_B T / k_eff per component."""

    temperatures_k: tuple[Positive, ...] = Field((300.0, 600.0, 1200.0), min_length=1, description="temperatures in K")
    count: Count = Field(30, description="structures in all; shared out in proportion to T")

    def structures(self, elements: int) -> int:
        """The count."""
        return self.count


class Wide(Family):
    """Thermal displacements in a wider cell: forces between atoms that are images in the parent's own cell."""

    width_ang: Positive = Field(
        7.5,
        le=30,
        description="least distance of an atom from its images, Å; the supercell of the primitive lattice with the "
        "fewest atoms is taken",
    )
    temperatures_k: tuple[Positive, ...] = Field((300.0, 1200.0), min_length=1, description="temperatures in K")
    count: Count = Field(4, description="structures in all; shared out in proportion to T")

    def structures(self, elements: int) -> int:
        """The count."""
        return self.count


class Strain(Family):
    """Strained cells L' = (I + ε) L₀: random hydrostatic and deviatoric parts, then thermal displacements."""

    paths: Count = Field(6, description="random directions of strain; each is one group")
    amplitudes: tuple[Annotated[float, Field(ge=-1, le=1)], ...] = Field(
        (-1.0, 1.0), min_length=1, description="multiples of the direction that are sampled, between -1 and 1"
    )
    hydrostatic_max: NonNegative = Field(0.03, le=0.3, description="largest |tr ε / 3|")
    deviatoric_max: NonNegative = Field(0.05, le=0.3, description="largest Frobenius norm of dev ε")
    rattle_temperature_k: NonNegative = Field(150.0, description="temperature of added displacements in K; 0: none")

    def structures(self, elements: int) -> int:
        """All amplitudes of all paths."""
        return self.paths * len(self.amplitudes)


class Volume(Family):
    """The perfect crystal at several volumes, one group."""

    count: Count = Field(6, description="volumes")
    linear_strain_max: Positive = Field(0.04, le=0.3, description="largest |change of length|")

    def structures(self, elements: int) -> int:
        """The count."""
        return self.count


class Plane(Section):
    """A lattice plane and the ways to cut the crystal along it."""

    hkl: Miller = Field(description="Miller indices, of the conventional cell as spglib chooses it")
    cuts: Count = Field(
        1,
        description="terminations: gaps between atomic planes where the crystal is cut, widest first, "
        "those that a symmetry operation maps onto each other once",
    )

    @model_validator(mode="after")
    def _some_plane(self) -> Self:
        if not any(self.hkl):
            raise ValueError("`hkl` must not be [0, 0, 0]")
        return self


class Surface(Family):
    """Slabs with free surfaces, unrelaxed, periodic across a vacuum; one group per plane and cut."""

    planes: tuple[Plane, ...] = Field(
        (Plane(hkl=(1, 0, 0)), Plane(hkl=(1, 1, 0)), Plane(hkl=(1, 1, 1))), min_length=1, description="planes"
    )
    layers: Count = Field(6, le=60, description="thickness in lattice planes, each with one primitive cell of atoms")
    vacuum_ang: Positive = Field(10.0, ge=3, description="distance of a surface from its image across the vacuum, Å")
    rattled: Copies = Field(2, description="further copies of each slab with thermal displacements")
    temperature_k: Positive = Field(300.0, description="temperature of these displacements in K (k_eff of the bulk)")

    def structures(self, elements: int) -> int:
        """Perfect slab and displaced copies of every cut of every plane."""
        return sum(plane.cuts for plane in self.planes) * (1 + self.rattled)

    @model_validator(mode="after")
    def _planes_once(self) -> Self:
        if len({plane.hkl for plane in self.planes}) < len(self.planes):
            raise ValueError("`planes` names a plane twice; raise its `cuts` for further terminations")
        return self


class FaultLine(Section):
    """A line of rigid shifts across a lattice plane."""

    hkl: Miller = Field(description="Miller indices of the plane, of the conventional cell as spglib chooses it")
    direction: Miller = Field(
        description="direction [u, v, w] of the shifts, in the plane; they end at its shortest lattice vector"
    )
    cut: Copies = Field(0, description="gap between atomic planes that is sheared, 0 the widest (see `surface`)")

    @model_validator(mode="after")
    def _in_plane(self) -> Self:
        if not any(self.hkl) or not any(self.direction):
            raise ValueError("`hkl` and `direction` must not be [0, 0, 0]")
        if sum(index * step for index, step in zip(self.hkl, self.direction, strict=True)):
            raise ValueError("`direction` must lie in the plane: h u + k v + l w = 0")
        return self


class StackingFault(Family):
    """Generalised stacking faults, rigid and unrelaxed: one fault per cell by tilting it; one group per line."""

    lines: tuple[FaultLine, ...] = Field(min_length=1, description="lines")
    points: Count = Field(
        6, description="shifts 0, 1/points, … of the repeat of a line; a multiple of the number keeps those before"
    )
    layers: Count = Field(6, ge=2, le=60, description="lattice planes between a fault and its image")

    def structures(self, elements: int) -> int:
        """All points of all lines."""
        return len(self.lines) * self.points


class Vacancy(Family):
    """A supercell without one atom, unrelaxed: each symmetry-distinct site in turn; one group per site."""

    supercell: tuple[Count, Count, Count] = Field((2, 2, 2), description="repetitions of the parent cell")
    count: Count = Field(
        4, description="structures in all, at least one per distinct site; the first of a site has no displacements"
    )
    temperature_k: Positive = Field(300.0, description="temperature of the displacements in K (k_eff of the bulk)")

    def structures(self, elements: int) -> int:
        """The count."""
        return self.count


class Interstitial(Family):
    """A supercell with one atom more, unrelaxed, in each distinct void and of each element in turn; one group each."""

    supercell: tuple[Count, Count, Count] = Field((2, 2, 2), description="repetitions of the parent cell")
    count: Count = Field(
        4, description="structures in all, largest voids first; the first of a kind has no displacements"
    )
    distance_factor: Positive = Field(
        0.6,
        le=1.5,
        description="smallest void, as distance to any atom over the sum of covalent radii; at least "
        "`curate.min_distance_factor`",
    )
    temperature_k: Positive = Field(300.0, description="temperature of the displacements in K (k_eff of the bulk)")

    def structures(self, elements: int) -> int:
        """The count."""
        return self.count


class Crystal(Structure):
    """A competing crystal, told like the parent; its elements are among those of the study."""


class Phase(Family):
    """Competing crystals, each at several volumes as one group, and copies with thermal displacements."""

    crystals: tuple[Crystal, ...] = Field(min_length=1, description="crystals")
    volumes: Count = Field(5, description="volumes of each; a larger number keeps the first ones")
    linear_strain_max: Positive = Field(0.04, le=0.3, description="largest |change of length|")
    rattled: Copies = Field(
        0, description="further copies of each with thermal displacements, as it is told; each is a group of its own"
    )
    temperature_k: Positive = Field(300.0, description="temperature of these displacements in K (k_eff of the parent)")

    def structures(self, elements: int) -> int:
        """All volumes and displaced copies of all crystals."""
        return len(self.crystals) * (self.volumes + self.rattled)


class Dimer(Family):
    """Free atoms and pairs of all elements at several distances, not periodic; one group per atom and per pair."""

    distances: Count = Field(8, description="distances of each pair, in even ratios; a larger number keeps the first")
    shortest_factor: Positive = Field(
        0.7,
        le=1.5,
        description="shortest distance over the sum of covalent radii; at least `curate.min_distance_factor`",
    )
    longest_ang: Positive | None = Field(
        None, description="distances stay below it, Å; null: the cutoff `describe.cutoff_ang`"
    )
    vacuum_ang: Positive = Field(7.0, ge=3, description="box beyond the longest distance, Å")

    def structures(self, elements: int) -> int:
        """One atom per element, and all distances of all pairs."""
        return elements + elements * (elements + 1) // 2 * self.distances


class Compression(Family):
    """Strongly compressed cells with random displacements: short distances in the solid; each is a group of its own."""

    supercell: tuple[Count, Count, Count] = Field((1, 1, 1), description="repetitions of the parent cell")
    count: Count = Field(8, description="structures")
    fraction_min: Fraction = Field(
        0.7, description="least of the shortest distances, over the nearest-neighbour distance of the parent"
    )
    fraction_max: Fraction = Field(0.9, description="largest of the shortest distances, in the same unit")

    def structures(self, elements: int) -> int:
        """The count."""
        return self.count

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.fraction_min >= self.fraction_max:
            raise ValueError("`fraction_min` must be below `fraction_max`")
        return self


class Phonon(Family):
    """Correlated displacements of the harmonic phonons that the parent cell holds, from its force constants by DFT."""

    temperatures_k: tuple[Positive, ...] = Field((300.0, 600.0, 1200.0), min_length=1, description="temperatures in K")
    count: Count = Field(20, description="structures in all; shared out in proportion to T")
    statistics: Statistics = Field(
        "classical", description="amplitudes: k_B T per vibration, or with zero-point motion"
    )

    def structures(self, elements: int) -> int:
        """The count."""
        return self.count


class Gaps(Family):
    """Candidates that fill the bins of coverage which the other families leave empty; each is a group of its own."""

    count: Count = Field(10, description="structures; a larger number keeps the first ones")
    kinds: tuple[BinKind, ...] = Field(
        ("distances", "strains", "descriptors"),
        min_length=1,
        description="bins to fill: pair distances, (I₁, √J₂) of the strain, principal components of mean descriptors",
    )

    def structures(self, elements: int) -> int:
        """The count."""
        return self.count


class Candidates(Section):
    """Strained, displaced or compressed cells without labels: what coverage could be, and what `gaps` chooses from."""

    number: Count = Field(900, le=100_000, description="candidates")
    hydrostatic_max: NonNegative | None = Field(
        None, le=0.3, description="largest |tr ε / 3|, also of the bins; null: the largest of `strain` and `volume`"
    )
    deviatoric_max: NonNegative | None = Field(
        None, le=0.3, description="largest Frobenius norm of dev ε, also of the bins; null: that of `strain`"
    )
    temperature_max_k: NonNegative | None = Field(
        None, description="highest temperature of displacements in K; null: that of `thermal`, `phonon` and `strain`"
    )
    fraction_min: Fraction = Field(
        0.7, description="least shortest distance, over the nearest-neighbour distance of the parent"
    )


class Shared(Family):
    """Calculations that are made anyway at the converged settings, for checks and k_eff: labels at no cost."""

    count: Count | None = Field(
        None, description="structures, those that differ most first; null: all, as many as the symmetry asks for"
    )

    def structures(self, elements: int) -> int:
        """The count; reading a study puts the number of all where none is stated, and until then it is at least one."""
        return self.count or 1


class Sample(Section):
    """Families of structures; a family that is null is not sampled."""

    stiffness_displacement_ang: Positive = Field(0.03, le=0.3, description="displacement that measures k_eff, Å")
    thermal: Thermal | None = Field(default_factory=Thermal, description="thermal displacements")
    strain: Strain | None = Field(default_factory=Strain, description="strained cells")
    volume: Volume | None = Field(default_factory=Volume, description="equation of state")
    surface: Surface | None = Field(None, description="free surfaces")
    stacking_fault: StackingFault | None = Field(None, description="generalised stacking faults")
    vacancy: Vacancy | None = Field(None, description="vacancies")
    interstitial: Interstitial | None = Field(None, description="interstitials")
    phase: Phase | None = Field(None, description="competing crystals")
    dimer: Dimer | None = Field(None, description="free atoms and pairs")
    compression: Compression | None = Field(None, description="short distances in the solid")
    phonon: Phonon | None = Field(None, description="displacements of phonons")
    wide: Wide | None = Field(None, description="thermal displacements in wider cells")
    gaps: Gaps | None = Field(None, description="candidates that fill gaps of coverage")
    shared: Shared | None = Field(None, description="calculations of checks and k_eff, which cost nothing more")
    candidates: Candidates = Field(default_factory=Candidates, description="candidates")
    driver: Driver = Field(default_factory=Driver, description="what moves the atoms of the families below")
    md: Md | None = Field(None, description="molecular dynamics of the crystal")
    liquid: Liquid | None = Field(None, description="molecular dynamics of the melt")
    amorphous: Amorphous | None = Field(None, description="quenched melts")
    relaxed: Relaxed | None = Field(None, description="relaxed defects")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not self.families(1):
            raise ValueError("at least one family must be sampled that needs no driver")
        return self

    def families(self, elements: int) -> dict[str, int]:
        """Number of structures of each family that needs no driver and is on, in a study of a number of elements."""
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: part.structures(elements) for name, part in sections.items() if isinstance(part, Family)}

    def driven(self) -> dict[str, Driven]:
        """Settings of each family that needs a driver and is on."""
        sections = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: part for name, part in sections.items() if isinstance(part, Driven)}
