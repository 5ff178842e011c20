"""The functional forms that `pesforge fit --model` offers, each with what fits it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from ase import Atoms

from pesforge.fitting.candidates import FitSettings
from pesforge.fitting.classical import fit_eam, fit_pair, fit_tersoff
from pesforge.fitting.fit import FitResult, fit
from pesforge.fitting.search import Say


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
}
