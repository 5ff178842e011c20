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
from pesforge.errors import DataError
from pesforge.fields import ID
from pesforge.potentials.normal import Weights
from pesforge.provenance import derive_seed
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate

RANDOM = Rule("random")


@dataclass(frozen=True)
class Choice:
    """What a round labels, in the order of the choice.

    Args:
        picks: by the rule.
        control: ids drawn at random from the same candidates; empty without a control.
    """

    picks: tuple[Pick, ...]
    control: tuple[str, ...]

    @property
    def beside(self) -> tuple[str, ...]:
        """Ids of the control that are no picks: labels for the comparison alone."""
        picked = {pick.id for pick in self.picks}
        return tuple(name for name in self.control if name not in picked)


def choose(
    design: Design,
    labelled: int,
    rule: Rule,
    count: int,
    model: Crossvalidate,
    *,
    control: bool,
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
        control: whether as many are drawn at random.
        seed: of the round.
        seconds: (N,) predicted for a label of each candidate, for a rule that weighs costs.

    Raises:
        DataError: there is no label, or a candidate cannot be described.
    """
    known = design.select(np.arange(labelled))
    pool = design.select(np.arange(labelled, len(design.ids)))
    count = min(count, len(pool.ids))
    if not count:
        return Choice((), ())
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
    drawn_ones = select(problem, RANDOM, count, seed=derive_seed(seed, "control")) if control else ()
    return Choice(picks, tuple(pick.id for pick in drawn_ones))


def drawn(frames: Sequence[Atoms], count: int, seed: int) -> list[Atoms]:
    """Structures of the exam: `count` of those of its runs at random, in the order of the runs.

    Args:
        frames: snapshots of the runs.
        count: how many.
        seed: of the draw.

    Raises:
        DataError: the runs gave fewer.
    """
    if len(frames) < count:
        raise DataError(
            f"the runs of the exam gave {len(frames)} structures, fewer than the {count} of `learn.test`: the guard "
            "stopped them. Sample more structures first (`sample`), lower `learn.pool.temperatures_k` or `learn.test`."
        )
    chosen: IntArray = np.sort(np.random.default_rng(seed).permutation(len(frames))[:count])
    return [frames[index] for index in chosen]


def of_ids(frames: Sequence[Atoms], ids: Sequence[str]) -> list[Atoms]:
    """The structures of some names, in the order of the names; those that are not there are left out."""
    by_name = {str(frame.info[ID]): frame for frame in frames}
    return [by_name[name] for name in ids if name in by_name]
