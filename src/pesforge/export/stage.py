"""The end of the stage `choose`: how the chosen potential fails where it was held out, and the folder to take away."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.export.potential import Potential
from pesforge.export.potential_folder import save_model, save_potential
from pesforge.io import read_json
from pesforge.potentials.head import NeuralHead
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.potentials.posterior import Posterior, quantile_scale, whitening_of
from pesforge.provenance import fingerprint, versions
from pesforge.representations.ace import AceBasis
from pesforge.representations.arrays import BoolArray, FloatArray
from pesforge.representations.design import Design
from pesforge.settings import Crossvalidate
from pesforge.training.judge import judge, pooled_residuals
from pesforge.training.stages import fit_linear, most_improved, split_of
from pesforge.uncertainty.calibrated import Calibrated
from pesforge.uncertainty.variance import linear_left_out

CODE = ("representations", "potentials", "export")
KIND_FILES = ("posterior.safetensors", "calibration.json", "head*.safetensors", "head*.json")
"""Files that only some kinds of potentials have, so that no rule declares them: an earlier run may have left them."""


def remove_old(folder: Path) -> None:
    """Remove what an earlier run may have left beside the declared files of a potential."""
    for pattern in KIND_FILES:
        for file in folder.glob(pattern):
            file.unlink()


def origin(
    design: Design, choice: Mapping[str, Any], point: Mapping[str, Any], metadata: Mapping[str, Any]
) -> dict[str, Any]:
    """What `model.json` and the model card say about the labels, the method and the code of a chosen potential."""
    return {
        **metadata,
        "data": {
            "labels": len(design.ids),
            "atoms": int(design.n_atoms.sum()),
            "families": ", ".join(dict.fromkeys(design.families)),
        },
        "method": {
            "candidate": choice["name"],
            "functions": point["n_functions"],
            "alpha": point["alpha"],
            **choice["weights"],
        },
        "code": {part: fingerprint(part) for part in CODE},
        "versions": versions(),
    }


def _weights(choice: Mapping[str, Any]) -> Weights:
    weights = choice["weights"]
    return Weights(energy=weights["w_energy"], force=weights["w_force"], stress=weights["w_stress"])


def held_out_of(
    *,
    design: Design,
    basis: AceBasis,
    choice: Mapping[str, Any],
    point: Mapping[str, Any],
    model: Crossvalidate,
    runs: Sequence[Path],
    decisive: Sequence[str] = (),
) -> dict[str, Any]:
    """Held-out errors of the chosen potential: leave-one-structure-out when it is linear, else the folds of its seeds.

    Args:
        design: curated structures.
        basis: the largest basis.
        choice: chosen candidate.
        point: basis size and α that cross-validation chose.
        model: prior of the linear potential.
        runs: folders of the candidate's runs, one per seed.
        decisive: families whose errors together are the overall ones; none: all.
    """
    if choice["kind"] == "linear":
        problem = LinearProblem(design, prior_power=model.prior_power)
        columns = basis.subset_mask(point["degree_reduction"])
        found = problem.leave_out(_weights(choice), point["alpha"], design.ids, columns)
        return judge(design, np.arange(len(design.ids)), found, "leave-one-structure-out, exact", decisive)
    structures, found = pooled_residuals([run / "residuals.npz" for run in runs])
    return judge(design, structures, found, f"groups held out in {len(runs)} of the folds", decisive)


def own_errors(
    problem: LinearProblem, weights: Weights, alpha: float, columns: BoolArray
) -> tuple[Posterior, Calibrated | None]:
    """The posterior of a linear potential, and the laws of its errors left out by group.

    Args:
        problem: labelled structures.
        weights: weights of the fit.
        alpha: prior precision.
        columns: (K,) mask of the functions.
    """
    labels = linear_left_out(problem, weights, alpha, problem.design.groups, columns)
    scales = {kind: quantile_scale(own.error, own.spread) for kind, own in labels.items() if len(own.error)}
    whitening = whitening_of(problem.factorise(weights, alpha, columns))
    posterior = Posterior(whitening, scales["energy"], scales.get("force"), scales.get("stress"))
    return posterior, Calibrated.of_posterior(labels)


def take_away(
    folder: Path,
    *,
    design: Design,
    basis: AceBasis,
    choice: Mapping[str, Any],
    point: Mapping[str, Any],
    model: Crossvalidate,
    runs: Sequence[Path],
    config: Mapping[str, Any],
    folds: int,
    study_seed: int,
    matrix: FloatArray,
    frames: Sequence[Atoms],
    metadata: Mapping[str, Any],
    calibrated: Calibrated | None = None,
) -> None:
    """Write the chosen potential into `folder`.

    A linear potential is fitted to all curated structures and holds its posterior with the laws of its errors. A neural
    one is the run that improved its validation loss most, on the linear potential of the structures that this run has
    seen: what is shipped is what was judged.

    Args:
        folder: place of the potential.
        design, basis, choice, point, model, runs: as for `held_out_of`.
        config: composed training configuration of the chosen run.
        folds: folds of the sweep.
        study_seed: seed of the study.
        matrix: projections (K, P) that a head sees.
        frames: the curated structures, whose atoms bound what a linear potential knows.
        metadata: origin, for `model.json` and the model card.
        calibrated: laws of the errors of several heads or of dropout; None: the heads know none.
    """
    remove_old(folder)
    columns = basis.subset_mask(point["degree_reduction"])
    known = origin(design, choice, point, metadata)
    if choice["kind"] == "linear":
        problem = LinearProblem(design, prior_power=model.prior_power)
        fit = problem.fit(_weights(choice), point["alpha"], columns)
        posterior, calibrated = own_errors(problem, _weights(choice), point["alpha"], columns)
        potential = Potential(
            "ace-linear",
            basis.reduced(point["degree_reduction"]),
            fit.coefficients[columns],
            dict(zip(basis.species, fit.zeros.tolist(), strict=True)),
            posterior=posterior,
            calibrated=calibrated,
        )
        save_model(folder, potential.knowing(frames), known)
        return
    best = most_improved([read_json(run / "metrics.json") for run in runs])
    split = split_of(
        design,
        folds=folds,
        seed=best,
        study_seed=study_seed,
        validation_fraction=config["trainer"]["validation_fraction"],
    )
    head = NeuralHead.load(runs[best])
    fit, _ = fit_linear(design, split.seen, _weights(choice), model=model, alpha=point["alpha"], columns=columns)
    save_potential(
        folder,
        kind="ace-neural",
        basis=basis,
        coefficients=fit.coefficients,
        zeros=dict(zip(basis.species, (fit.zeros + head.zeros).tolist(), strict=True)),
        head=head,
        matrix=matrix,
        calibrated=calibrated,
        metadata=known,
    )
