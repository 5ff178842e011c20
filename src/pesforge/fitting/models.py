"""The functional forms that `pesforge fit --model` offers, each with what fits it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol, cast

from ase import Atoms

from pesforge.fitting.ace_options import AceOptions
from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.classical import fit_eam, fit_pair, fit_tersoff
from pesforge.fitting.fit import FitResult, fit
from pesforge.fitting.heads import NeuralOptions
from pesforge.fitting.mace import fit_mace
from pesforge.fitting.mace_options import MaceOptions
from pesforge.fitting.neural import fit_neural
from pesforge.fitting.options import no_options, read_options
from pesforge.fitting.quadratic import fit_quadratic
from pesforge.fitting.quadratic_choice import QuadraticOptions
from pesforge.fitting.search import Say
from pesforge.settings import Section


class Fitter(Protocol):
    """Fits one functional form to labelled structures, choosing what it leaves open on the training data alone."""

    def __call__(
        self,
        frames: Sequence[Atoms],
        test_frames: Sequence[Atoms] | None,
        settings: FitSettings,
        *,
        say: Say,
        warnings: Sequence[str],
    ) -> FitResult: ...


FITTERS: Mapping[str, Fitter] = {
    "ace": fit,
    "pair": fit_pair,
    "eam": fit_eam,
    "tersoff": fit_tersoff,
    "ace-neural": fit_neural,
    "ace-quadratic": fit_quadratic,
    "mace": fit_mace,
}

OPTIONS: Mapping[str, type[Section]] = {
    "ace": AceOptions,
    "ace-neural": NeuralOptions,
    "ace-quadratic": QuadraticOptions,
    "mace": MaceOptions,
}
"""Types of the options of those that have any; their fitters take the keyword `options`."""


def fitter_of(model: str, options: Mapping[str, str]) -> Fitter:
    """The fitter of a functional form with its options.

    Args:
        model: one of `FITTERS`.
        options: values as text by name.

    Raises:
        SettingsError: an option is not known, or its value not allowed.
    """
    if model not in OPTIONS:
        no_options(model, options)
        return FITTERS[model]
    chosen = read_options(model, OPTIONS[model], options)
    return partial(cast(Any, FITTERS[model]), options=chosen)
