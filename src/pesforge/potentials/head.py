"""Non-linear head of a potential in numpy: energies and their derivatives with respect to the projections."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.special import expit

from pesforge.errors import DataError
from pesforge.io import atomic_path, read_json, write_json
from pesforge.representations.arrays import FloatArray

STEM = "head"
TENSORS, DESCRIPTION = ".safetensors", ".json"
FORMAT = 1


def activate(name: str, x: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Value and slope of an activation.

    Args:
        name: `silu` or `tanh`.
        x: any shape.
    """
    if name == "tanh":
        value = np.tanh(x)
        return value, 1.0 - value**2
    gate = expit(x)
    return x * gate, gate * (1.0 + x * (1.0 - gate))


def neuron_masks(widths: Sequence[int], rate: float, rng: np.random.Generator) -> list[FloatArray]:
    """Factors of the neurons of every hidden layer: 0 for those left out, 1/(1 − rate) for the others.

    Args:
        widths: neurons of the hidden layers.
        rate: probability that a neuron is left out.
        rng: source of randomness.
    """
    return [(rng.random(width) >= rate) / (1.0 - rate) for width in widths]


@dataclass(frozen=True)
class NeuralHead:
    """Energy correction per atom h(ρ) = v·z + w·φ(W_L φ(… φ(W_1 z + b_1)…) + b_L) with z = (ρ − mean) / scale.

    Attributes:
        mean, scale: (P,) of the projections in the training structures.
        linear: (P,) v in eV; zeros when the model has no linear term.
        weights: hidden layers W, each (width, width of the layer before).
        biases: hidden layers b, each (width,).
        output: (width of the last layer,) w in eV; empty without hidden layers.
        zeros: (Z,) energy zero per species in eV, added to the one of the linear potential.
        activation: `silu` or `tanh`.
    """

    mean: FloatArray
    scale: FloatArray
    linear: FloatArray
    weights: tuple[FloatArray, ...]
    biases: tuple[FloatArray, ...]
    output: FloatArray
    zeros: FloatArray
    activation: str

    def __post_init__(self) -> None:
        size = self.mean.shape[0]
        widths = [size, *(len(bias) for bias in self.biases)]
        shapes = [(after, before) for before, after in pairwise(widths)]
        if (
            self.scale.shape != (size,)
            or self.linear.shape != (size,)
            or [weight.shape for weight in self.weights] != shapes
            or self.output.shape != ((widths[-1],) if self.weights else (0,))
            or self.zeros.ndim != 1
            or self.activation not in ("silu", "tanh")
        ):
            raise DataError("the arrays of the non-linear head do not fit together; train it again.")

    def energies_and_gradient(self, rho: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Energy correction per atom (n,) in eV and its derivative (n, P) by the projections.

        Args:
            rho: (n, P) projections of the invariants of each atom, unscaled.

        Raises:
            DataError: the number of projections is another one.
        """
        if rho.ndim != 2 or rho.shape[1] != len(self.mean):
            raise DataError(f"the head takes {len(self.mean)} projections per atom; found shape {rho.shape}.")
        z = (rho - self.mean) / self.scale
        energies: FloatArray = z @ self.linear
        gradient: FloatArray = np.tile(self.linear, (len(z), 1))
        if self.weights:
            x, slopes = z, []
            for weight, bias in zip(self.weights, self.biases, strict=True):
                x, slope = activate(self.activation, x @ weight.T + bias)
                slopes.append(slope)
            energies = energies + x @ self.output
            back = np.tile(self.output, (len(z), 1))
            for weight, slope in zip(reversed(self.weights), reversed(slopes), strict=True):
                back = (back * slope) @ weight
            gradient = gradient + back
        return energies, gradient / self.scale

    @property
    def n_inputs(self) -> int:
        """Number P of projections."""
        return len(self.mean)

    def thinned(self, rate: float, rng: np.random.Generator) -> "NeuralHead":
        """The head of some of its neurons, drawn at random, the others being raised in their place.

        With the rate that the head was trained with, the spread of many of them is the uncertainty of Monte-Carlo
        dropout; each is a head of its own, so its forces are the gradient of its energies.
        Source: Gal and Ghahramani, Proc. ICML 48, 1050 (2016).

        Args:
            rate: probability that a neuron is left out.
            rng: source of randomness.
        """
        masks = neuron_masks([len(bias) for bias in self.biases], rate, rng)
        if not masks:
            return self
        later = (weight * mask for weight, mask in zip(self.weights[1:], masks, strict=False))
        return replace(self, weights=(self.weights[0], *later), output=self.output * masks[-1])

    def save(self, folder: Path, stem: str = STEM) -> None:
        """Write `head.safetensors` and `head.json`, or files of another stem, into `folder`, atomically each."""
        tensors = {"mean": self.mean, "scale": self.scale, "linear": self.linear, "output": self.output}
        tensors["zeros"] = self.zeros
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            tensors[f"weight_{index}"], tensors[f"bias_{index}"] = weight, bias
        with atomic_path(folder / f"{stem}{TENSORS}") as temporary:
            save_file({name: np.ascontiguousarray(array) for name, array in tensors.items()}, temporary)
            content = hashlib.sha256(temporary.read_bytes()).hexdigest()
        write_json(folder / f"{stem}{DESCRIPTION}", self._description() | {"sha256": content})

    def _description(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "activation": self.activation,
            "layers": len(self.weights),
            "projections": len(self.mean),
            "zeros_ev": self.zeros,
        }

    @classmethod
    def load(cls, folder: Path, stem: str = STEM) -> "NeuralHead":
        """The head that `save` wrote into `folder`.

        Raises:
            DataError: a file is missing or damaged, or the two do not belong together.
        """
        described = read_json(folder / f"{stem}{DESCRIPTION}")
        place = folder / f"{stem}{TENSORS}"
        try:
            content = place.read_bytes()
            if described["format"] != FORMAT or hashlib.sha256(content).hexdigest() != described["sha256"]:
                raise DataError(f"{folder}: {place.name} does not belong to {stem}{DESCRIPTION}; train the head again.")
            tensors = load_file(place)
            layers = range(int(described["layers"]))
            return cls(
                **{name: tensors[name] for name in ("mean", "scale", "linear", "output", "zeros")},
                weights=tuple(tensors[f"weight_{index}"] for index in layers),
                biases=tuple(tensors[f"bias_{index}"] for index in layers),
                activation=str(described["activation"]),
            )
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise DataError(f"{folder}: the non-linear head cannot be read ({error}); train it again.") from error
