"""The fit of a set of labelled structures: the chosen candidate, its potential and all of its errors."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from pesforge.dataset import check_species, copies_between
from pesforge.export import Potential
from pesforge.fields import FAMILY
from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.search import Chosen, Say, choose
from pesforge.metrics import Residuals, by_family, errors
from pesforge.potentials.linear import residuals
from pesforge.potentials.model import Model
from pesforge.provenance import fingerprint, versions

CODE = ("dataset", "fitting", "representations", "potentials", "export")


@dataclass(frozen=True)
class FitResult:
    """A fitted potential.

    Args:
        potential: the chosen candidate, fitted to all training structures.
        metadata: its origin, for `model.json` and the model card; it depends on the training data alone.
        metrics: errors in training, left out, in the test; the choice; the time.
    """

    potential: Model
    metadata: dict[str, Any]
    metrics: dict[str, Any]


def evaluate_frames(potential: Model, frames: Sequence[Atoms]) -> Residuals:
    """Prediction minus label of labelled structures.

    Args:
        potential: the potential.
        frames: structures with energy, forces and perhaps stress in their calculators.

    Raises:
        DataError: an element has no parameters, or atoms coincide.
    """
    energy, forces, stress = [], [], []
    for atoms in frames:
        energies, force, tensor = potential.evaluate(atoms)
        labels = atoms.calc.results
        energy.append((energies.sum() - labels["energy"]) / len(atoms))
        forces.append((force - labels["forces"]).ravel())
        stress.append(tensor - labels["stress"] if "stress" in labels else np.full(6, np.nan))
    sizes = np.array([len(atoms) for atoms in frames], dtype=np.int64)
    return Residuals(np.array(energy), np.concatenate(forces), np.concatenate(stress), sizes)


def _quiet(_: str) -> None:
    """Say nothing."""


def fit(
    frames: Sequence[Atoms],
    test_frames: Sequence[Atoms] | None,
    settings: FitSettings,
    *,
    say: Say = _quiet,
    warnings: Sequence[str] = (),
) -> FitResult:
    """The potential that leave-group-out on the training data chooses, with its errors.

    Args:
        frames: labelled training structures as `pesforge.dataset.read_dataset` gives them.
        test_frames: labelled structures that are only predicted; None: no test.
        settings: the candidates.
        say: takes lines of progress.
        warnings: what is odd about the data, kept in the metrics.

    Raises:
        DataError: a test structure holds an element that training does not, or nothing can be fitted.
    """
    started = time.monotonic()
    notes = list(warnings)
    species = sorted({symbol for atoms in frames for symbol in atoms.get_chemical_symbols()})
    copies = []
    if test_frames:
        check_species(test_frames, species, "test")
        copies = copies_between(frames, test_frames)
        if copies:
            notes.append(
                f"{len(copies)} of {len(test_frames)} test structures are copies of training structures (first: "
                f"{copies[0]}); `test_without_copies` leaves them out."
            )
    chosen = choose(frames, settings, say)
    design, mask = chosen.problem.design, chosen.mask
    model = chosen.problem.fit(chosen.weights, chosen.alpha, mask)
    basis = chosen.basis.reduced(chosen.reduction)
    zeros = dict(zip(basis.species, model.zeros.tolist(), strict=True))
    potential = Potential("ace-linear", basis, model.coefficients[mask], zeros)
    found = {
        "train": residuals(design, model),
        "cv": chosen.problem.leave_out(chosen.weights, chosen.alpha, design.groups, mask),
    }
    families = {"train": design.families, "cv": design.families}
    if test_frames:
        found["test"] = evaluate_frames(potential, test_frames)
        families["test"] = tuple(str(atoms.info[FAMILY]) for atoms in test_frames)
    if len(set(design.families)) > 1:
        left_out = chosen.problem.leave_out(chosen.weights, chosen.alpha, design.families, mask)
        by_left_out = {**errors(left_out), "by_family": by_family(left_out, design.families)}
    else:
        by_left_out = None
    choice = describe_choice(chosen)
    metrics: dict[str, Any] = {split: errors(values) for split, values in found.items()}
    if copies and test_frames and len(copies) < len(test_frames):
        kept = np.setdiff1d(np.arange(len(test_frames)), copies)
        metrics["test_without_copies"] = {"n_structures": len(kept), **errors(found["test"].select(kept))}
    metrics |= {
        "by_group": {split: by_family(values, families[split]) for split, values in found.items()},
        "cv_leave_family_out": by_left_out,
        "n_structures": {split: len(values.n_atoms) for split, values in found.items() if split != "cv"},
        "n_groups": len(set(design.groups)),
        "n_functions": basis.n_functions,
        "choice": choice,
        "warnings": notes,
        "fit_seconds": time.monotonic() - started,
    }
    metadata = {
        "data": {
            "labels": len(design.ids),
            "atoms": int(design.n_atoms.sum()),
            "families": ", ".join(dict.fromkeys(design.families)),
        },
        "method": {key: value for key, value in choice.items() if key not in ("tried", "text")},
        "errors": {f"left out by group: {key}": value for key, value in metrics["cv"].items()},
        "code": {part: fingerprint(part) for part in CODE},
        "versions": versions(),
    }
    return FitResult(potential, metadata, metrics)


def describe_choice(chosen: Chosen) -> dict[str, Any]:
    """What was chosen and why: plain values, the text for people and every point that was tried."""
    design, basis = chosen.problem.design, chosen.basis.reduced(chosen.reduction)
    alphas = [point["alpha"] for point in chosen.tried]
    cut = sorted({point["cutoff_ang"] for point in chosen.tried})
    text = (
        f"{basis.n_functions} functions at a cutoff of {basis.cutoff_ang:g} Å, alpha {chosen.alpha:g}, weights of "
        f"squared residuals energy {chosen.weights.energy:g}, force 1, stress {chosen.weights.stress:g}: lowest sum of "
        f"the logarithms of energy and force RMSE of {len(chosen.tried)} points (cutoffs "
        f"{', '.join(f'{cutoff:g}' for cutoff in cut)} Å; alpha {min(alphas):g} to {max(alphas):g}), each of the "
        f"{len(set(design.groups))} groups predicted without it. Test data took no part. The largest basis tried has "
        f"{chosen.basis.n_functions} functions, as {chosen.limit} allows."
    )
    return {
        "cutoff_ang": basis.cutoff_ang,
        "max_degree": list(basis.max_degree),
        "n_functions": basis.n_functions,
        "alpha": chosen.alpha,
        "w_energy": chosen.weights.energy,
        "w_force": chosen.weights.force,
        "w_stress": chosen.weights.stress,
        "score": chosen.score,
        "text": text,
        "tried": list(chosen.tried),
    }
