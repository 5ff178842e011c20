"""Types of a study's settings: units, ranges and defaults. The only place where a default stands."""

from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from pesforge.analysis_settings import Analysis
from pesforge.driven_settings import Moving
from pesforge.family_settings import Crystal, Sample
from pesforge.fidelity_settings import Fidelity
from pesforge.learn_settings import LEARNED, Learn
from pesforge.proof_settings import Defects, Dynamics
from pesforge.settings_types import MOST, Count, Element, Fraction, NonNegative, Positive, Section, Structure

LEAST_GRID_CUTOFF_EV = 2000.0
"""A grid of the density below this holds no pseudopotential of CP2K; its documentation begins at 280 Ry."""
MOST_RUNS = 1000
"""Largest number of training runs of a sweep: each is a job of its own."""
STUDY_NAME = r"[a-z0-9][a-z0-9_-]{0,39}"


def _ladder(values: tuple[float, ...], *, rising: bool) -> bool:
    return all(a < b if rising else a > b for a, b in pairwise(values))


class Dft(Section):
    """The reference method. Its numerical parameters are found by the stage `converge`."""

    engine: Literal["gpaw", "espresso", "abinit", "cp2k", "vasp"] = Field(
        "gpaw", description="code that computes the labels (vasp: input files tested only, never run)"
    )
    command: tuple[str, ...] = Field(
        (), description="program of another engine than gpaw with its leading arguments, or a path; empty: as installed"
    )
    pseudopotential_folder: Path | None = Field(
        None, description="folder of pseudopotentials, for gpaw none, relative to the study file"
    )
    pseudopotentials: dict[Element, str] = Field(
        default_factory=dict,
        description="file of each element in that folder, as Si: Si.psp8; UPF for espresso, psp8 for abinit; for cp2k "
        "file and name of the potential and of the basis set, as Si: GTH_POTENTIALS GTH-PBE-q4 BASIS_MOLOPT "
        "DZVP-MOLOPT-SR-GTH",
    )
    functional: str = Field(
        "PBE",
        description="exchange-correlation functional, in the engine's name; espresso, abinit: PBE, PBEsol, LDA; cp2k: "
        "PBE, LDA, BLYP",
    )
    spin_polarized: bool = Field(False, description="collinear spin")
    initial_moment: NonNegative = Field(0.0, le=10, description="starting magnetic moment per atom in μ_B")
    smearing_ev: NonNegative = Field(
        0.05,
        le=2,
        description="Fermi-Dirac width in eV; keeps SCF stable where a gap closes; `converge.smearing_ev` overrides it",
    )
    timeout_s: Positive = Field(3600.0, description="longest time of one calculation in s")
    max_attempts: Count = Field(2, le=5, description="attempts per label, each with the engine's next remedy")

    @field_validator("command", mode="before")
    @classmethod
    def _one_word(cls, value: object) -> object:
        return (value,) if isinstance(value, str) else value

    @model_validator(mode="after")
    def _gpaw_alone(self) -> Self:
        if self.engine == "gpaw" and (self.command or self.pseudopotential_folder or self.pseudopotentials):
            raise ValueError(
                "`command`, `pseudopotential_folder` and `pseudopotentials` belong to other engines; GPAW takes "
                "its PAW data sets from GPAW_SETUP_PATH"
            )
        return self


class ConvergenceTargets(Section):
    """Largest change that a further refinement may cause."""

    energy_mev_per_atom: Positive = Field(
        1.0,
        description="change of energy differences between cells, and difference of the perfect crystal between cells "
        "of other shape where families have such, meV/atom",
    )
    force_ev_per_ang: Positive = Field(0.02, description="change of any force component, eV/Å")
    stress_gpa: Positive = Field(0.1, description="change of any stress component, GPa")


class Converge(Section):
    """Grids of the numerical parameters, loosest first; the loosest converged value is used everywhere."""

    targets: ConvergenceTargets = Field(default_factory=ConvergenceTargets, description="targets")
    cutoff_ev: tuple[Positive, ...] = Field(
        (200.0, 250.0, 300.0, 400.0, 500.0, 600.0),
        min_length=3,
        description="plane-wave cutoffs in eV, rising; cp2k: of the density grid, which needs 4000 to 10000",
    )
    k_spacing_per_ang: tuple[Positive, ...] = Field(
        (0.6, 0.4, 0.3, 0.24, 0.2, 0.17, 0.14),
        min_length=3,
        description="largest distances of k-points in 1/Å (2π included), falling",
    )
    scf_tolerance: tuple[Positive, ...] = Field(
        (1e-3, 1e-4, 1e-5),
        min_length=3,
        description="SCF tolerances τ, falling; gpaw: energy in eV per electron, and density; others bound quantities "
        "of second order, so τ² (`conv_thr` in eV per electron, `tolvrs`)",
    )
    smearing_ev: tuple[Positive, ...] = Field(
        (),
        description="smearing widths in eV, falling, at least 3, for metals: how far free energies and their slopes "
        "depend on the width; empty: `dft.smearing_ev` is used as it is",
    )
    displacement_ang: Positive = Field(0.2, le=1, description="displacement of one atom in the displaced cell, Å")
    strain: Positive = Field(0.03, le=0.2, description="amplitude of the strained cells")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not _ladder(self.cutoff_ev, rising=True):
            raise ValueError("`cutoff_ev` must rise")
        for key in ("k_spacing_per_ang", "scf_tolerance", "smearing_ev"):
            if not _ladder(getattr(self, key), rising=False):
                raise ValueError(f"`{key}` must fall (loosest value first)")
        if 0 < len(self.smearing_ev) < 3:
            raise ValueError("`smearing_ev` needs at least 3 values, or none")
        return self


class Label(Section):
    """How labels are computed."""

    batch_size: Count = Field(4, description="structures per job")
    max_failed_fraction: Annotated[float, Field(ge=0, le=1)] = Field(
        0.2,
        description="share of labels that may fail; where more do, the study stops, since the rest is no fair sample",
    )


class Curate(Section):
    """Filters; each says what it dropped and why."""

    min_distance_factor: Positive = Field(0.6, le=1.5, description="shortest distance over the sum of covalent radii")
    max_force_ev_per_ang: Positive = Field(30.0, description="largest force on an atom that is believed, eV/Å")
    duplicate_distance: Positive = Field(
        1e-4, description="descriptor distance per function (in units of its spread) below which two labels are copies"
    )
    leakage_quantile: Fraction = Field(0.10, description="quantile of nearest-neighbour distances that flags leakage")
    cook_report: Count = Field(5, description="how many of the most influential labels are reported")
    cook_remove: bool = Field(False, description="remove labels whose Cook's distance exceeds `cook_threshold`")
    cook_threshold: Positive = Field(1.0, description="Cook's distance that is called influential")


class Describe(Section):
    """Linear atomic cluster expansion."""

    cutoff_ang: Positive = Field(5.2, le=12, description="cutoff radius in Å")
    max_degree: tuple[Annotated[int, Field(ge=0, le=30)], ...] = Field(
        (10, 12, 10), min_length=1, max_length=4, description="largest degree Σ(n + w l) per correlation order"
    )
    l_max: tuple[Annotated[int, Field(ge=0, le=8)], ...] = Field(
        (0, 5, 4), min_length=1, max_length=4, description="largest angular momentum per correlation order"
    )
    l_weight: Positive = Field(1.0, description="weight w of l in the degree")
    projections: Count = Field(16, le=256, description="principal projections of the invariants for non-linear heads")

    @model_validator(mode="after")
    def _orders(self) -> Self:
        if len(self.max_degree) != len(self.l_max):
            raise ValueError("`max_degree` and `l_max` need one number per correlation order")
        return self


class Crossvalidate(Section):
    """Leave-group-out cross-validation of the linear model."""

    degree_reductions: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        (4, 2, 0), min_length=1, description="basis sizes: how much each `describe.max_degree` is lowered"
    )
    alphas: tuple[Positive, ...] = Field(
        (1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2), min_length=1, description="prior precisions (regularisation)"
    )
    rule: Literal["one_standard_error", "lowest"] = Field(
        "one_standard_error",
        description="choice: the simplest point within one standard error of the best, or the best",
    )
    prior_power: NonNegative = Field(2.0, description="p of the prior scale 1/[rms force column × (1 + degree)^p]")
    w_energy: Positive = Field(400.0, description="weight of squared energy residuals (eV/atom)²")
    w_force: Positive = Field(1.0, description="weight of squared force residuals (eV/Å)²")
    w_stress: NonNegative = Field(2500.0, description="weight of squared stress residuals (eV/Å³)²")
    family_weights: Literal["by_error", "equal"] = Field(
        "by_error",
        description="weights of families beside those: by the inverse square of their errors left out, so that none "
        "that the potential cannot fit spoils the others, or all equal; the sweep takes them too",
    )


class Sweep(Section):
    """Grid of loss weights; every combination is one point."""

    w_energy: tuple[Positive, ...] = Field((40.0, 400.0), min_length=1, description="energy weights, per (eV/atom)²")
    w_force: tuple[Positive, ...] = Field((1.0,), min_length=1, description="force weights, per (eV/Å)²")
    w_stress: tuple[NonNegative, ...] = Field((250.0, 2500.0), min_length=1, description="stress weights, per (eV/Å³)²")
    lambda_m: tuple[NonNegative, ...] = Field((0.0, 0.01), min_length=1, description="weights of Reg-M")
    seeds: Count = Field(2, description="seeds per point; each also holds out another fold of groups")

    @model_validator(mode="after")
    def _not_endless(self) -> Self:
        points = len(self.w_energy) * len(self.w_force) * len(self.w_stress) * len(self.lambda_m)
        if points * self.seeds > MOST_RUNS:
            raise ValueError(f"{points} points × {self.seeds} seeds; allowed: {MOST_RUNS} training runs at most")
        return self


class Train(Section):
    """Lightning sweep of a non-linear head; its own configuration stands in `config/train`."""

    sweep: Sweep = Field(default_factory=Sweep, description="grid of loss weights")
    folds: Annotated[int, Field(ge=2, le=1000)] = Field(4, description="folds of groups; one is held out per seed")
    overrides: tuple[str, ...] = Field((), description="Hydra overrides of `config/train`, such as `model.width=32`")
    members: Annotated[int, Field(ge=1, le=64)] = Field(
        1,
        description="heads of a chosen neural potential; from 2 on an ensemble, each on a bootstrap sample of groups",
    )
    heteroscedastic: bool = Field(
        True,
        description="whether the noise of an ensemble, or of draws of dropout, depends on the surroundings",
    )

    @model_validator(mode="after")
    def _seeds_have_folds(self) -> Self:
        if self.sweep.seeds > self.folds:
            raise ValueError("`sweep.seeds` must not exceed `folds`: each seed holds out a fold of its own")
        return self


class Choose(Section):
    """Choice among the non-dominated points."""

    use: Literal["balanced", "relaxation", "phase_diagram", "elastic"] = Field(
        "balanced", description="what the potential is for: the knee, forces, energies or stresses decide"
    )
    families: tuple[str, ...] = Field(
        (), description="families whose held-out errors must be within the tolerances; empty: all"
    )
    kinds: Annotated[tuple[Literal["linear", "neural"], ...], Field(min_length=1)] = Field(
        ("linear", "neural"), description="kinds of potentials among which is chosen"
    )


class Tolerances(Section):
    """Largest deviations that pass."""

    energy_rmse_mev_per_atom: Positive = Field(2.0, description="leave-one-structure-out energy error, meV/atom")
    force_rmse_ev_per_ang: Positive = Field(0.03, description="leave-one-structure-out force error, eV/Å")
    stress_rmse_gpa: Positive = Field(0.15, description="leave-one-structure-out stress error, GPa")
    lattice_constant_percent: Positive = Field(0.1, description="lattice constant, %")
    bulk_modulus_percent: Positive = Field(2.0, description="bulk modulus, %")
    bulk_derivative_percent: Positive = Field(10.0, description="derivative of the bulk modulus by pressure, %")
    cohesive_percent: Positive = Field(2.0, description="cohesive energy, %; judged where free atoms are labelled")
    elastic_percent: Positive = Field(5.0, description="elastic constants, %")
    phonon_percent: Positive = Field(3.0, description="optical phonons at Γ, %")
    symmetry_ev: Positive = Field(1e-8, description="energy change under a symmetry operation, eV/atom")
    symmetry_force_ev_per_ang: Positive = Field(1e-7, description="force change under a symmetry operation, eV/Å")
    derivative_ev_per_ang: Positive = Field(1e-4, description="force minus finite difference of the energy, eV/Å")
    derivative_stress_gpa: Positive = Field(1e-2, description="stress minus finite difference of the energy, GPa")
    label_force_ev_per_ang: Positive = Field(5e-3, description="label force minus finite difference, eV/Å")
    label_stress_gpa: Positive = Field(0.3, description="label stress minus finite difference (Pulay stress), GPa")
    formation_mev_per_atom: Positive = Field(10.0, description="formation energy of a compound, meV/atom")
    defect_ev: Positive = Field(0.2, description="formation energy of a vacancy or an interstitial, eV")
    surface_percent: Positive = Field(5.0, description="surface energy, %")
    fault_percent: Positive = Field(10.0, description="any point of a γ-line, % of its highest one")
    relaxed_force_ev_per_ang: Positive = Field(
        0.1, description="largest force by DFT on an atom of a structure that counts as relaxed, eV/Å"
    )
    drift_mev_per_atom_per_ps: Positive = Field(
        0.1, description="drift of the energy in molecular dynamics without thermostat, meV/atom/ps"
    )


class Hull(Section):
    """Formation energies and convex hull of the parent, the crystals of `sample.phase` and further ones."""

    crystals: tuple[Crystal, ...] = Field((), description="further crystals, of which no labels are sampled")


class Validate(Section):
    """Comparison of the potential with the reference method."""

    eos_points: Annotated[int, Field(ge=5, le=1000)] = Field(7, description="volumes of the equation of state")
    eos_linear_strain_max: Positive = Field(0.03, le=0.2, description="largest |change of length|")
    elastic_strain: Positive = Field(0.01, le=0.05, description="strain of the elastic constants")
    phonon_width_ang: Positive | None = Field(
        None,
        le=30,
        description="least distance of an atom from its images in the cell whose phonons are compared, Å; null: the "
        "parent's cell",
    )
    hull: Hull | None = Field(None, description="formation energies and convex hull")
    defects: Defects | None = Field(default_factory=Defects, description="relaxed defects, surfaces and faults")
    dynamics: Dynamics | None = Field(default_factory=Dynamics, description="molecular dynamics")
    tolerances: Tolerances = Field(default_factory=Tolerances, description="tolerances")


class Study(Section):
    """A whole study."""

    name: str = Field(pattern=f"^{STUDY_NAME}$", description="name of the folder below `results/`")
    seed: Annotated[int, Field(ge=0, lt=2**31)] = Field(1, description="seed from which every other seed is derived")
    structure: Structure = Field(description="parent crystal")
    dft: Dft = Field(default_factory=Dft, description="reference method")
    converge: Converge = Field(default_factory=Converge, description="numerical convergence")
    sample: Sample = Field(default_factory=Sample, description="structures to label")
    label: Label = Field(default_factory=Label, description="reference calculations")
    curate: Curate = Field(default_factory=Curate, description="data hygiene")
    describe: Describe = Field(default_factory=Describe, description="descriptors")
    crossvalidate: Crossvalidate = Field(default_factory=Crossvalidate, description="linear model")
    train: Train = Field(default_factory=Train, description="sweep")
    choose: Choose = Field(default_factory=Choose, description="choice")
    validate_: Validate = Field(default_factory=Validate, alias="validate", description="proof")
    fidelity: Fidelity | None = Field(None, description="a cheap level beside the converged one")
    learn: Learn | None = Field(None, description="rounds of active learning")
    analysis: Analysis = Field(default_factory=Analysis, description="analyses")

    @model_validator(mode="after")
    def _not_endless(self) -> Self:
        driven = sum(part.structures() for part in self.sample.driven().values() if isinstance(part, Moving))
        learned = self.learn.rounds * self.learn.per_round * (1 + self.learn.controls) if self.learn is not None else 0
        if (total := sum(self.families.values()) + driven + learned) > MOST:
            raise ValueError(f"{total} structures would be labelled; allowed: {MOST} at most")
        return self

    @model_validator(mode="after")
    def _fidelity_of_this_study(self) -> Self:
        if self.fidelity is not None:
            grids = self.converge
            self.fidelity.check(
                self.families, grids.cutoff_ev[-1], grids.k_spacing_per_ang[-1], grids.scf_tolerance[-1]
            )
        return self

    @model_validator(mode="after")
    def _decisive_families_are_sampled(self) -> Self:
        sampled = [*self.families, *self.sample.driven(), *([LEARNED] if self.learn is not None else [])]
        unknown = [name for name in self.choose.families if name not in sampled]
        if unknown:
            raise ValueError(
                f"`choose.families`: {', '.join(unknown)} not sampled by this study; allowed: {', '.join(sampled)}"
            )
        return self

    @model_validator(mode="after")
    def _cutoffs_of_the_engine(self) -> Self:
        if self.dft.engine == "cp2k" and max(self.converge.cutoff_ev) < LEAST_GRID_CUTOFF_EV:
            raise ValueError(
                f"`converge.cutoff_ev` ends at {max(self.converge.cutoff_ev):g} eV; with cp2k it is the cutoff of the "
                f"density grid, as [4000, 6000, 8000, 10000], and must reach {LEAST_GRID_CUTOFF_EV:g}"
            )
        return self

    @property
    def families(self) -> dict[str, int]:
        """Number of structures of each family that needs no driver and is on."""
        return self.sample.families(len(self.structure.species))
