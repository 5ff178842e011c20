"""The laws of a potential's own errors as they are stored beside it, for use on structures without labels."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from pesforge.errors import DataError
from pesforge.io import read_json, write_json
from pesforge.metrics import KINDS
from pesforge.uncertainty.calibration import calibrate
from pesforge.uncertainty.law import Law
from pesforge.uncertainty.noise import NoiseHead, NoiseShape
from pesforge.uncertainty.variance import Labels

CALIBRATION = "calibration.json"
Source = Literal["posterior", "members", "dropout"]


@dataclass(frozen=True)
class Calibrated:
    """Per kind of label the law of the errors, and where the epistemic variance that it scales comes from.

    Attributes:
        source: `posterior`: leverages; `members`: variance over the heads of an ensemble; `dropout`: variance over
            heads with other neurons left out.
        laws: by kind (`energy` per atom, `force`, `stress`); a kind without enough left-out errors has none.
        noise: shape of the aleatoric variance by the projections of the atoms, one for all kinds of labels or one for
            each; None: the same everywhere.
        dropout: share of neurons that are left out; 0 unless the source is `dropout`.
        draws: number of such heads; 0 unless the source is `dropout`.
        seed: of the neurons that are left out.

    Raises:
        DataError: the parts do not fit together.
    """

    source: Source
    laws: Mapping[str, Law]
    noise: NoiseShape | NoiseHead | None = None
    dropout: float = 0.0
    draws: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        thinned = 0.0 < self.dropout < 1.0 and self.draws > 1
        if (
            self.source not in get_args(Source)
            or "energy" not in self.laws
            or not set(self.laws) <= set(KINDS)
            or thinned != (self.source == "dropout")
        ):
            raise DataError(
                f"a calibration by {self.source!r} of {', '.join(self.laws) or 'nothing'} with dropout "
                f"{self.dropout:g} is none: the source is one of {', '.join(get_args(Source))}, energies have a law, "
                "and dropout goes with its source alone. Fit the potential again."
            )

    @classmethod
    def of_posterior(cls, labels: Mapping[str, Labels]) -> "Calibrated | None":
        """Laws of the errors of a linear fit, each label being predicted without its group.

        A structure in use belongs to no family, so that the noise counts as the same everywhere.

        Args:
            labels: errors and leverages by kind.

        Returns:
            None where the energies are too few.
        """
        laws = {}
        for kind, own in labels.items():
            try:
                laws[kind] = calibrate(Labels(own.error, own.spread, np.ones(len(own.error)), own.owner))
            except DataError:
                continue
        return cls("posterior", laws) if "energy" in laws else None

    def stored(self) -> dict[str, Any]:
        """The laws as builtin types, as they stand in the file."""
        return {
            "source": self.source,
            "laws": {kind: _described(law) for kind, law in self.laws.items()},
            "noise": None if self.noise is None else self.noise.stored(),
            "dropout": self.dropout,
            "draws": self.draws,
            "seed": self.seed,
        }

    def save(self, folder: Path) -> None:
        """Write `calibration.json`."""
        write_json(folder / CALIBRATION, self.stored())

    @classmethod
    def load(cls, folder: Path) -> "Calibrated":
        """The laws that `save` wrote.

        Raises:
            DataError: the file is missing or damaged.
        """
        return cls.of(read_json(folder / CALIBRATION))

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Calibrated":
        """The laws that `stored` gave.

        Raises:
            DataError: the parts do not fit together.
        """
        return cls(
            found["source"],
            {kind: _law(values) for kind, values in found["laws"].items()},
            _noise(found["noise"]),
            float(found["dropout"]),
            int(found["draws"]),
            int(found["seed"]),
        )


def _noise(found: Mapping[str, Any] | None) -> NoiseShape | NoiseHead | None:
    if found is None:
        return None
    if "weights" in found:
        return NoiseShape.of_stored(found)
    return NoiseHead({kind: NoiseShape.of_stored(own) for kind, own in found.items()})


def _described(law: Law) -> dict[str, Any]:
    return asdict(law) | {"dof": None if np.isinf(law.dof) else law.dof}


def _law(values: Mapping[str, Any]) -> Law:
    dof = np.inf if values["dof"] is None else float(values["dof"])
    return Law(float(values["noise"]), float(values["scale"]), dof, tuple(values["knots"]), tuple(values["observed"]))
