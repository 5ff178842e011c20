"""What a round labels: the structures that a rule asks for, and as many drawn at random beside them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from pesforge.acquisition.blocks import blocks_of, energy_rows
from pesforge.acquisition.field import EnergyField
from pesforge.acquisition.model import Frame
from pesforge.acquisition.rules import Reference
from pesforge.acquisition.select import FIELD_RULE, Pick, Problem, Rule, select
from pesforge.fields import ID
from pesforge.potentials.normal import Weights
from pesforge.provenance import derive_seed
from pesforge.representations.arrays import FloatArray
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate

RANDOM = Rule("random")


@dataclass(frozen=True)
class Choice:
    """What a round labels, in the order of the choice.

    Args:
        picks: by the rule.
        control: ids of each random draw from the same candidates.
    """

    picks: tuple[Pick, ...]
    control: tuple[tuple[str, ...], ...]

    @property
    def beside(self) -> tuple[str, ...]:
        """Ids of all draws that are no picks, each once: labels for the comparison alone."""
        picked = {pick.id for pick in self.picks}
        names = dict.fromkeys(name for draw in self.control for name in draw)
        return tuple(name for name in names if name not in picked)


def choose(
    design: Design,
    labelled: int,
    rule: Rule,
    count: int,
    model: Crossvalidate,
    *,
    controls: int,
    seed: int,
    seconds: FloatArray | None = None,
) -> Choice:
    """What a round labels, no label of a candidate being looked at.

    α is that of the evidence; scales and centring come from labels and candidates together. Where the runs gave fewer
    candidates than a round labels, all of them are chosen.

    Args:
        design: the structures labelled so far, then the candidates.
        labelled: number of the former.
        rule: by what to choose.
        count: labels per round.
        model: weights and prior of the linear model.
        controls: how often as many are drawn at random.
        seed: of the round.
        seconds: (N,) predicted for a label of each candidate, for a rule that weighs costs.

    Raises:
        DataError: there is no label, or a candidate cannot be described.
    """
    known = design.select(np.arange(labelled))
    pool = design.select(np.arange(labelled, len(design.ids)))
    count = min(count, len(pool.ids))
    if not count:
        return Choice((), ((),) * controls)
    factor = Frame.of(design, prior_power=model.prior_power).factor(known, Weights.of(model))
    problem = Problem(
        factor,
        blocks_of(factor, pool),
        Reference.of(factor, pool),
        EnergyField.of(factor, pool, known) if rule.name == FIELD_RULE else None,
        labelled=energy_rows(factor, known),
        cost_s=seconds,
    )
    picks = select(problem, rule, count, seed=derive_seed(seed, "picks"))
    draws = [select(problem, RANDOM, count, seed=derive_seed(seed, "control", number)) for number in range(controls)]
    return Choice(picks, tuple(tuple(pick.id for pick in draw) for draw in draws))


def of_ids(frames: Sequence[Atoms], ids: Sequence[str]) -> list[Atoms]:
    """The structures of some names, in the order of the names; those that are not there are left out."""
    by_name = {str(frame.info[ID]): frame for frame in frames}
    return [by_name[name] for name in ids if name in by_name]
