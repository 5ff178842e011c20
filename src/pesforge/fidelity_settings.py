"""Settings of the study of two levels of the reference method."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pesforge.settings_types import Count, Fraction, NonNegative, Positive, Section


class LowLevel(Section):
    """The cheap level: the method of `dft`, its numerical parameters nowhere tighter than the converged ones."""

    cutoff_ev: Positive = Field(150.0, description="plane-wave cutoff in eV")
    k_spacing_per_ang: Positive = Field(0.4, description="largest distance of k-points in 1/Å (2π included)")
    scf_tolerance: Positive = Field(1e-3, description="SCF tolerance, as in `converge.scf_tolerance`")


class Fidelity(Section):
    """A cheap level of the reference method beside the converged one: error against cost, on held-out groups."""

    low: LowLevel = Field(default_factory=LowLevel, description="cheap level")
    families: tuple[str, ...] = Field((), description="families that take part; empty: all of the study")
    budgets: tuple[Count, ...] = Field(
        (6, 12, 24),
        min_length=1,
        description="costs to compare, as numbers of high-level labels, rising",
    )
    high_shares: tuple[Fraction, ...] = Field(
        (0.5,),
        min_length=1,
        description="shares of a budget that two levels spend on high labels; the first is drawn in the figures",
    )
    prices: Literal["measured", "estimated"] = Field(
        "measured",
        description="what a label costs: the median of the measured times of its family and size, or, where a machine "
        "busy with other work spoils these, the engine's estimate",
    )
    seeds: Annotated[int, Field(ge=2)] = Field(
        12, description="random choices of held-out groups and of the order of labels"
    )
    folds: Annotated[int, Field(ge=2)] = Field(4, description="one part in so many of the groups is held out per seed")
    degree_reduction: Annotated[int, Field(ge=0)] | None = Field(
        None, description="how much each `describe.max_degree` is lowered; null: the largest of `crossvalidate`"
    )
    lambdas: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        (0.0, 0.25, 0.5, 0.75, 1.0), min_length=2, description="shares λ of the high label in a blended one, rising"
    )
    trusts: tuple[NonNegative, ...] = Field(
        (0.0, 0.3, 1.0, 3.0), min_length=1, description="α of the weight 1/(Var η + α c (b_L − b_H)²), rising"
    )
    low_trusts: tuple[NonNegative, ...] = Field(
        (0.0, 1.0, 100.0),
        min_length=1,
        description="τ of the weight 1/(Var η + τ (b_L − b_H)²) of structures with the low label alone, rising",
    )

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for key in ("budgets", "lambdas", "trusts", "low_trusts"):
            values = getattr(self, key)
            if any(a >= b for a, b in pairwise(values)):
                raise ValueError(f"`{key}` must rise")
        return self

    def check(
        self, families: Mapping[str, int], cutoff_ev: float, k_spacing_per_ang: float, scf_tolerance: float
    ) -> None:
        """Refuse what cannot work in a study, whatever its convergence finds.

        Args:
            families: number of structures of each family that the study samples.
            cutoff_ev: largest cutoff that may be converged.
            k_spacing_per_ang: smallest distance of k-points that may be.
            scf_tolerance: smallest tolerance that may be.

        Raises:
            ValueError: a family is not sampled, a budget is larger than the study, or a parameter of the low level is
                tighter than any converged one.
        """
        unknown = [name for name in self.families if name not in families]
        if unknown:
            raise ValueError(
                f"`fidelity.families`: {', '.join(unknown)} not sampled by this study; allowed: {', '.join(families)}"
            )
        total = sum(count for name, count in families.items() if not self.families or name in self.families)
        if self.budgets[-1] > total - total // self.folds:
            raise ValueError(
                f"`fidelity.budgets`: {self.budgets[-1]} labels of {total} structures, of which one in {self.folds} is "
                f"held out; allowed: up to {total - total // self.folds}"
            )
        for key, limit, wrong in (
            ("cutoff_ev", cutoff_ev, self.low.cutoff_ev > cutoff_ev),
            ("k_spacing_per_ang", k_spacing_per_ang, self.low.k_spacing_per_ang < k_spacing_per_ang),
            ("scf_tolerance", scf_tolerance, self.low.scf_tolerance < scf_tolerance),
        ):
            if wrong:
                raise ValueError(
                    f"`fidelity.low.{key}` is {getattr(self.low, key):g}, tighter than the tightest value {limit:g} of "
                    f"`converge.{key}`: the low level must not be tighter than the converged one"
                )
