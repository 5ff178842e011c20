"""Settings of the rounds of active learning."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pesforge.driven_settings import Md, Repetitions, Strain
from pesforge.settings_types import MOST, Count, Positive, Section

LEARNED = "learned"
"""Family of the structures that the rounds choose."""


class Pool(Md):
    """Molecular dynamics by the draft of a round under its guard (`sample.driver`): candidates, and the exam."""

    supercell: Repetitions = Field((1, 1, 1), description="repetitions of the parent cell")
    temperatures_k: tuple[Positive, ...] = Field((300.0, 600.0, 900.0), min_length=1, description="temperatures in K")
    strains: tuple[Strain, ...] = Field(
        (-0.02, 0.0, 0.02), min_length=1, description="linear strains of the cell, each at each T"
    )
    count: Count = Field(
        7,
        description="candidates of each run; every pair of T and ε is a run. One that the guard stops gives the "
        "structure where it stopped too",
    )

    more_supercells: tuple[Repetitions, ...] = Field(
        (), description="supercells whose runs give candidates too, each at every T and ε; the exam has none of them"
    )

    @property
    def runs(self) -> int:
        """Number of runs of a supercell, also those of the exam."""
        return len(self.temperatures_k) * len(self.strains)

    def supercells(self) -> tuple[Repetitions, ...]:
        """All supercells, the first one being `supercell`."""
        return (self.supercell, *self.more_supercells)

    def structures(self) -> int:
        """The count of all runs."""
        return len(self.supercells()) * super().structures()


class Stop(Section):
    """Largest errors on the exam that end the rounds; all of them must be met."""

    energy_mae_mev_per_atom: Positive = Field(2.0, description="mean absolute error of the energy, meV/atom")
    force_rmse_ev_per_ang: Positive = Field(0.05, description="force error, eV/Å")
    calibration_error_percent: Positive = Field(
        10.0,
        description="expected calibration error of the forces, %: mean distance of observed and promised coverage; the "
        "few energies of an exam cannot tell it",
    )
    standardised_residual: Positive = Field(
        6.0, description="largest error of an energy or a force component, over its predicted standard deviation"
    )


class Learn(Section):
    """Rounds of active learning: candidates by molecular dynamics, labels of those that teach most, a fit, a stop."""

    rounds: Annotated[int, Field(ge=1, le=100)] = Field(3, description="most rounds; a larger number keeps the first")
    per_round: Count = Field(6, description="labels per round; the control has as many")
    pool: Pool = Field(default_factory=Pool, description="candidates")
    rule: Literal[
        "random",
        "i_optimal_misfit",
        "max_variance",
        "bald",
        "bald_block",
        "d_optimal",
        "i_optimal",
        "i_optimal_both",
    ] = Field("i_optimal_misfit", description="by what structures are chosen (`pesforge.acquisition`)")
    diverse: bool = Field(False, description="whether structures that resemble chosen ones count less")
    cost: Literal["labels", "seconds"] = Field(
        "labels",
        description="what a rule gets the most of: gain per label, or per second of the reference method, as its law "
        "foretells it; candidates of one supercell cost the same",
    )
    test: Annotated[int, Field(ge=2, le=MOST)] = Field(
        18,
        description="structures of the exam, as many of each pair of T and ε: drawn at random from runs of their own, "
        "never trained on",
    )
    controls: Annotated[int, Field(ge=0, le=20)] = Field(
        1,
        description="random draws of as many labels of the same candidates, for comparison; the potential never sees "
        "them",
    )
    degree_reduction: Annotated[int, Field(ge=0)] | None = Field(
        None,
        description="how much each `describe.max_degree` is lowered in the fits that choose and are examined; null: "
        "the largest of `crossvalidate`",
    )
    stop: Stop = Field(default_factory=Stop, description="when to end")

    @model_validator(mode="after")
    def _costs_that_differ(self) -> Self:
        if self.cost == "seconds" and not self.pool.more_supercells:
            raise ValueError(
                "`learn.cost: seconds` weighs nothing: all candidates have one supercell and cost the same; name "
                "more in `learn.pool.more_supercells`, or leave `learn.cost` at labels"
            )
        return self

    @model_validator(mode="after")
    def _enough_candidates(self) -> Self:
        most, runs = self.pool.structures(), self.pool.runs
        if self.test < runs:
            raise ValueError(
                f"`learn.test`: {self.test} for {runs} runs of `learn.pool` (temperatures times strains); the exam "
                "takes one structure of each at least"
            )
        limits = {"per_round": most, "test": runs * self.pool.count}
        many = [
            f"`learn.{key}`: {getattr(self, key)} of the {limit} structures that its runs of `learn.pool` give at most"
            for key, limit in limits.items()
            if getattr(self, key) > limit
        ]
        if many:
            raise ValueError(f"{' and '.join(many)}; raise `learn.pool.count`, or ask for fewer")
        return self

    def reduction(self, reductions: tuple[int, ...]) -> int:
        """How much the degrees are lowered, `reductions` being those of cross-validation."""
        return max(reductions) if self.degree_reduction is None else self.degree_reduction
