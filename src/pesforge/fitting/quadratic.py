"""Fit of a quadratic head on the invariants of the linear potential: one closed form for both, kept where it helps."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from ase import Atoms

from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.fit import CODE, FitResult, describe_choice, evaluate_frames, solve
from pesforge.fitting.quadratic_choice import QuadraticChosen, QuadraticOptions, choose_quadratic
from pesforge.fitting.search import MARGIN, Chosen, Say, choose
from pesforge.fitting.summary import copies_in_test, fit_metadata, fit_metrics
from pesforge.metrics import errors


def fit_quadratic(
    frames: Sequence[Atoms],
    test_frames: Sequence[Atoms] | None,
    settings: FitSettings,
    *,
    say: Say,
    warnings: Sequence[str],
    options: QuadraticOptions | None = None,
) -> FitResult:
    """The linear potential with a quadratic head on it, or without where the head does not predict better.

    The basis is that of the linear potential. Products of its leading principal projections join its columns, and the
    same normal equations give both. The groupwise folds that chose the linear potential decide the number of
    projections, the prior of the products, α, the energy weight and how many functions the linear part keeps.

    Args:
        frames: labelled training structures with groups.
        test_frames: labelled structures that are only predicted; None: no test.
        settings: the candidates of the linear potential.
        say: takes lines of progress.
        warnings: what is odd about the data, kept in the metrics.
        options: of the head; None: the defaults.

    Raises:
        DataError: there are too few groups, an element of the test is new, or nothing can be fitted.
    """
    began = time.monotonic()
    notes = list(warnings)
    copies = copies_in_test(frames, test_frames, notes)
    chosen = choose(frames, settings, say)
    linear = solve(chosen)
    chosen.problem.kept = None  # the rows of the larger problem take their place
    quadratic = choose_quadratic(frames, chosen, settings, options or QuadraticOptions(), say)
    head = solve(quadratic)
    better = quadratic.score < chosen.score - MARGIN
    taken = head if better else linear
    found = {"train": taken.train, "cv": taken.left_out}
    if test_frames:
        found["test"] = evaluate_frames(taken.potential, test_frames)
    metrics = fit_metrics(
        found,
        frames,
        test_frames,
        copies=copies,
        parameters=int((quadratic if better else chosen).mask.sum()),
        choice=_choice(describe_choice(chosen, linear.evidence), chosen, quadratic, better=better),
        notes=[*notes, *taken.notes],
        started=began,
    )
    metrics |= taken.metrics(frames)
    metrics |= {"cv_linear": errors(linear.left_out), "cv_quadratic": errors(head.left_out)}
    return FitResult(taken.potential, fit_metadata(frames, metrics, CODE), metrics)


def _choice(linear: Mapping[str, Any], chosen: Chosen, quadratic: QuadraticChosen, *, better: bool) -> dict[str, Any]:
    verdict = (
        "The head is kept."
        if better
        else "The head does not predict better: the linear potential alone is kept, and its errors stand under `cv`."
    )
    functions = int(quadratic.mask[: quadratic.basis.n_functions].sum())
    products = int(quadratic.mask.sum()) - functions
    text = (
        f"{linear['text']} A quadratic head of {products} products of {quadratic.count} principal projections beside "
        f"{functions} of these functions, alpha {quadratic.alpha:g}, energy weight {quadratic.weights.energy:g}, "
        f"prior scale of the products 2^{quadratic.octaves}: best of {len(quadratic.tried)} points on the same folds. "
        f"Its score is {quadratic.score:.3f}, that of the linear potential {chosen.score:.3f} (a logarithm; "
        f"{MARGIN:g} must be gained). {verdict}"
    )
    head = {
        "projections": quadratic.count,
        "n_products": products,
        "n_linear_functions": functions,
        "alpha": quadratic.alpha,
        "w_energy": quadratic.weights.energy,
        "product_scale": 2.0**quadratic.octaves,
        "score": quadratic.score,
    }
    return {**linear, "text": text, "head_kept": better, "head": head, "tried_heads": list(quadratic.tried)}
