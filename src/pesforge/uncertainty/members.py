"""What an ensemble says of its own errors: the spread of its members, calibrated on groups that none has seen."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pesforge.errors import DataError
from pesforge.metrics import KINDS, TO_REPORTED, Residuals
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.uncertainty.calibrated import Calibrated, Source
from pesforge.uncertainty.crossfit import FOLDS, Judged, judge
from pesforge.uncertainty.evidence import summarise
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.noise import NoiseHead
from pesforge.uncertainty.variance import SYMMETRIC, Labels, labels_of

Row = dict[str, Any]
PLAIN = Law(0.0, 1.0)
"""Before calibration the variance over the members is taken for all of the variance of an error."""
METHOD = (
    "Every label is predicted by members that have seen no structure of its fold. Its variance is σ_a² n + s² h: "
    "noise, and s² times the variance h over the members. Before: s is 1, there is no noise, and errors are Gaussian. "
    "After: σ_a, s and the degrees of freedom of Student's t by the largest likelihood, then quantiles bent to those "
    "observed; each fold of groups is judged by a calibration on the others."
)
CONSTANT = "The noise is the same everywhere: n = 1."
HEAD = (
    "log n is a head of its own on the projections, one for forces, energies and stresses each, trained by the "
    "Gaussian likelihood of held-out errors after the mean, which it cannot change; folds of groups decide how far it "
    "may depart from a constant, and it never sees the fold that it is judged on."
)


@dataclass(frozen=True)
class OwnErrors:
    """What is known of the errors of an ensemble.

    Attributes:
        evidence: figures, builtin types only.
        laws: by kind, calibrated on all groups; a kind with too few labels has none.
        noise: the head that gives n; None: n = 1.
    """

    evidence: Row
    laws: Mapping[str, Law]
    noise: NoiseHead | None

    def calibrated(self, source: Source, *, dropout: float = 0.0, draws: int = 0, seed: int = 0) -> Calibrated | None:
        """What turns a spread into a calibrated interval, kept beside a potential; None without a law of energies.

        Args:
            source: `members` or `dropout`.
            dropout: probability that a neuron is left out.
            draws: number of draws of dropout.
            seed: of the draws.
        """
        if "energy" not in self.laws:
            return None
        return Calibrated(source, self.laws, self.noise, dropout, draws, seed)


def stated(evidence: Row) -> Row:
    """What a model card says of the errors of an ensemble: per kind how often its intervals hold.

    Args:
        evidence: of the stage.
    """
    found = {}
    for row in evidence["kinds"]:
        own = [line for line in evidence["coverage"] if line["kind"] == row["kind"]]
        held = {f"{line['nominal_percent']:.0f} %": round(line["after_percent"], 1) for line in own}
        law = {key: row["after"][key] for key in ("noise", "scale", "dof")}
        found[row["kind"]] = {"coverage of intervals in percent": held, "calibrated": row["calibrated"], **law}
    return found | {"spread": evidence["source"] or "none", "note": evidence["note"] or "none"}


def nothing(remark: str) -> Row:
    """Evidence of a study whose chosen potential has no spread.

    Args:
        remark: why.
    """
    row = {"source": None, "method": None, "remark": remark, "note": None, "folds": 0, "n_groups": 0}
    return {**summarise({}, ()), **row, "noise": [], "members": [], "errors": []}


def own_errors(
    found: Residuals,
    spread: Mapping[str, FloatArray],
    features: FloatArray,
    groups: Sequence[str],
    families: Sequence[str],
    *,
    seed: int,
    heteroscedastic: bool,
    source: str,
) -> OwnErrors:
    """Calibration of the spread over members, or over draws of dropout, on groups that none of them has seen.

    Args:
        found: residuals of the prediction on S structures that no member has seen.
        spread: per kind the variances over the members for all labels, of the lengths of the residuals.
        features: (N, P) projections of the atoms of these structures.
        groups: (S,).
        families: (S,).
        seed: of the folds of groups.
        heteroscedastic: whether the noise depends on the projections.
        source: words for what the variance is over.

    """

    heads: dict[bytes, NoiseHead] = {}

    def head_of(seen: IntArray) -> NoiseHead:
        if seen.tobytes() not in heads:
            heads[seen.tobytes()] = NoiseHead.learned(features, found, spread, groups, seen, floor=SYMMETRIC, seed=seed)
        return heads[seen.tobytes()]

    def shaped(seen: IntArray) -> Mapping[str, Labels]:
        return labels_of(found, spread, head_of(seen).of(features, found.n_atoms))

    def judged(ways: Callable[[IntArray], Mapping[str, Labels]] | None) -> dict[str, Judged]:
        first, labels = dict.fromkeys(KINDS, PLAIN), labels_of(found, spread)
        return judge(labels, first, groups, seed=seed, families=families, shaped=ways)

    remark, known, flat = None, {}, {}
    try:
        flat = judged(None)
        known = judged(shaped) if heteroscedastic else flat
    except DataError as error:
        remark = str(error)
    noise = head_of(np.arange(len(groups))) if heteroscedastic and known else None
    row = summarise(known, families) | {
        "source": source,
        "method": f"{METHOD} {HEAD if heteroscedastic else CONSTANT}",
        "remark": remark,
        "folds": min(FOLDS, len(set(groups))),
        "n_groups": len(set(groups)),
        "noise": [_compared(kind, flat[kind], known[kind]) for kind in KINDS if kind in known] if noise else [],
    }
    return OwnErrors(row, {kind: own.law for kind, own in known.items()}, noise)


def _compared(kind: str, flat: Judged, head: Judged) -> Row:
    """One kind: intervals with a noise that is the same everywhere, and with that of the head."""
    row: Row = {"kind": kind}
    for name, scored in (("constant", flat.after), ("head", head.after)):
        figures = scored.figures(TO_REPORTED[kind])
        row |= {f"{key}_{name}": figures[key] for key in ("log_likelihood", "crps", "spearman")}
    return row
