"""The draft potential that drives atoms before there is a better one, and the guard that goes with it."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from pesforge.errors import DataError
from pesforge.export import Potential, load_potential
from pesforge.export.calculator import PesforgeCalculator
from pesforge.fitting.ace_options import AceOptions
from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.fit import FitResult, fit
from pesforge.fitting.search import Say
from pesforge.potentials.posterior import squares
from pesforge.representations.pair_list import PairList


def fit_draft(frames: Sequence[Atoms], functions: int, say: Say) -> tuple[FitResult, dict[str, Any]]:
    """A linear potential with the repulsion of nuclei, and its evidence.

    It is the fit of `pesforge fit --option zbl=true`: leave-group-out chooses it, its posterior gives leverages.

    Args:
        frames: labelled structures that passed the filters.
        functions: most functions.
        say: takes lines of progress.

    Returns:
        the fit; `labels`, `groups`, `functions`, `cutoffs_ang`, held-out `energy_mae_mev_per_atom`,
        `energy_rmse_mev_per_atom` and `force_rmse_ev_per_ang`, `cv_method`, `max_training_leverage` (the largest of an
        atom in training) and `warnings`.

    Raises:
        DataError: there are fewer than two groups, or nothing can be fitted.
    """
    try:
        result = fit(frames, None, FitSettings(functions=functions), say=say, options=AceOptions(zbl=True))
    except DataError as error:
        raise DataError(
            f"no draft potential can be fitted to {len(frames)} labels of the families that need no driver: {error} "
            "Sample more of them, or set `sample.driver.kind: dft`."
        ) from error
    assert isinstance(result.potential, Potential)
    posterior = result.potential.posterior
    assert posterior is not None
    assert posterior.trained is not None
    left_out = result.metrics["cv"]
    errors = ("energy_mae_mev_per_atom", "energy_rmse_mev_per_atom", "force_rmse_ev_per_ang")
    return result, {
        "labels": len(frames),
        "groups": result.metrics["n_groups"],
        "functions": result.potential.basis.n_functions,
        "cutoffs_ang": result.metrics["choice"]["cutoffs_ang"],
        **{key: left_out[key] for key in errors},
        "cv_method": result.metrics["cv_method"],
        "max_training_leverage": posterior.trained.largest_leverage,
        "warnings": result.metrics["warnings"],
    }


def leverage_of(potential: Potential) -> Callable[[Atoms], float]:
    """The largest leverage of the atoms of a structure, as a function of the structure.

    Raises:
        DataError: the potential holds no posterior.
    """
    leverages, pairs = potential.leverages, PairList()

    def leverage(atoms: Atoms) -> float:
        whitened, _ = leverages.whitened(atoms, pairs)
        return float(np.max(squares(whitened)))

    return leverage


def draft_driver(folder: Path) -> tuple[Callable[[], Calculator], Callable[[Atoms], float]]:
    """What makes calculators of the draft in a folder, and its leverage.

    Raises:
        DataError: the folder holds no such potential.
    """
    potential = load_potential(folder).potential
    if not isinstance(potential, Potential):
        raise DataError(f"{folder}: holds no linear potential; run the rule `fit_draft` again.")
    return lambda: PesforgeCalculator(potential), leverage_of(potential)
