"""The message-passing network MACE of the library mace-torch: architecture as plain values, construction, parameters.

Source: Batatia, Kovács, Simm, Ortner, Csányi, NeurIPS 35, 11423 (2022).
"""

import contextlib
import importlib
import io
import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from ase.data import atomic_numbers
from pydantic import Field

from pesforge.errors import DataError
from pesforge.settings_types import Count, Element, Positive, Section

if TYPE_CHECKING:
    from torch import Tensor, nn

Interaction = Literal[
    "RealAgnosticInteractionBlock",
    "RealAgnosticResidualInteractionBlock",
    "RealAgnosticDensityInteractionBlock",
    "RealAgnosticDensityResidualInteractionBlock",
]
INSTALL = "pip install 'pesforge[mace]'"
UNSAFE_LOADING = "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"
SOLVED = ("atomic_energies_fn.atomic_energies", "scale_shift.scale", "scale_shift.shift")
"""Buffers that carry data; all other buffers follow from the architecture."""
CONSTANT_TOLERANCE = 1e-5
"""Largest relative deviation of a constant: single precision keeps seven digits."""


class MaceArchitecture(Section):
    """Everything but the numbers that training finds."""

    species: tuple[Element, ...] = Field(min_length=1, description="chemical symbols, in the order of the network")
    cutoff_ang: Positive = Field(description="length of the longest edge in Å")
    n_bessel: Count = Field(8, description="radial functions")
    cutoff_power: Annotated[int, Field(ge=3)] = Field(
        5, description="p of the polynomial cutoff, p − 1 times differentiable"
    )
    max_ell: Annotated[int, Field(ge=0, le=6)] = Field(description="largest angular momentum of the edges")
    layers: Count = Field(description="interactions")
    channels: str = Field(description="irreducible representations of the messages, such as 16x0e or 128x0e+128x1o")
    readout: str = Field("16x0e", description="irreducible representations within the last readout")
    correlation: Annotated[int, Field(ge=1, le=4)] = Field(description="largest number of factors of a product")
    neighbours: Positive = Field(description="mean number of neighbours, which messages are divided by")
    radial_layers: tuple[Count, ...] = Field((64, 64, 64), description="widths of the radial network")
    interaction: Interaction = Field("RealAgnosticResidualInteractionBlock", description="interactions but the first")
    first_interaction: Interaction = Field("RealAgnosticInteractionBlock", description="first interaction")
    gate: Literal["silu", "tanh", "abs"] = Field("silu", description="activation of the last readout")
    radial: Literal["bessel", "gaussian", "chebyshev"] = Field("bessel", description="kind of the radial functions")
    transform: Literal["None", "Agnesi", "Soft"] = Field("None", description="transformation of the distance")
    repulsion: bool = Field(False, description="add the screened nuclear repulsion of Ziegler, Biersack and Littmark")
    reduced_products: bool = Field(True, description="leave out linearly dependent products")
    agnostic_products: bool = Field(False, description="products whose weights do not know the element")
    inversion: bool = Field(True, description="tell even from odd representations")
    scale_ev: Positive = Field(1.0, description="unit of the interaction energy in eV")
    shift_ev: Annotated[float, Field(allow_inf_nan=False)] = Field(0.0, description="constant per atom in eV")


@cache
def mace_library() -> tuple[Any, Any]:
    """The modules `mace.modules` and `e3nn.o3`.

    The import of e3nn reads a table of its own that holds slices; they are allowed for that moment. The import of mace
    sets an environment variable that lets `torch.load` run code of the files it reads; it is taken back. e3nn is told
    not to translate its parts into TorchScript: that takes a second per network, and no step is measurably faster.

    Raises:
        DataError: mace-torch is not installed.
    """
    before, level = os.environ.get(UNSAFE_LOADING), logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        import torch

        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with torch.serialization.safe_globals([slice]):
                o3 = importlib.import_module("e3nn.o3")
            importlib.import_module("e3nn").set_optimization_defaults(jit_script_fx=False)
            modules = importlib.import_module("mace.modules")
    except ModuleNotFoundError as error:
        raise DataError(
            f"the model `mace` needs the package mace-torch, but {error.name} is not installed. Install it: {INSTALL}"
        ) from error
    finally:
        logging.disable(level)
        os.environ.pop(UNSAFE_LOADING, None)
        if before is not None:
            os.environ[UNSAFE_LOADING] = before
    return modules, o3


@contextlib.contextmanager
def _precision(name: str) -> Iterator[None]:
    """Default floating-point type of torch, which mace and e3nn build their constants in."""
    import torch

    before = torch.get_default_dtype()
    torch.set_default_dtype(getattr(torch, name))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_default_dtype(before)


def build_network(architecture: MaceArchitecture, zeros: Mapping[str, float], precision: str) -> "nn.Module":
    """An untrained network; its parameters come from the random numbers of torch.

    Args:
        architecture: the architecture.
        zeros: energy of every element in eV.
        precision: `float64` or `float32`.

    Raises:
        DataError: mace-torch is not installed, or it does not accept the architecture.
    """
    modules, o3 = mace_library()
    try:
        with _precision(precision):
            network: nn.Module = modules.ScaleShiftMACE(
                r_max=architecture.cutoff_ang,
                num_bessel=architecture.n_bessel,
                num_polynomial_cutoff=architecture.cutoff_power,
                max_ell=architecture.max_ell,
                interaction_cls=modules.interaction_classes[architecture.interaction],
                interaction_cls_first=modules.interaction_classes[architecture.first_interaction],
                num_interactions=architecture.layers,
                num_elements=len(architecture.species),
                hidden_irreps=o3.Irreps(architecture.channels),
                MLP_irreps=o3.Irreps(architecture.readout),
                atomic_energies=np.array([zeros[symbol] for symbol in architecture.species]),
                avg_num_neighbors=architecture.neighbours,
                atomic_numbers=[atomic_numbers[symbol] for symbol in architecture.species],
                correlation=architecture.correlation,
                gate=modules.gate_dict[architecture.gate],
                radial_MLP=list(architecture.radial_layers),
                radial_type=architecture.radial,
                distance_transform=architecture.transform,
                pair_repulsion=architecture.repulsion,
                use_reduced_cg=architecture.reduced_products,
                use_agnostic_product=architecture.agnostic_products,
                use_so3=not architecture.inversion,
                atomic_inter_scale=architecture.scale_ev,
                atomic_inter_shift=architecture.shift_ev,
            )
    except (ValueError, RuntimeError, AssertionError, IndexError) as error:
        raise DataError(
            f"mace-torch does not accept this architecture ({type(error).__name__}: {error}): {architecture}."
        ) from error
    return network


def set_zeros(network: "nn.Module", zeros: Mapping[str, float], species: tuple[str, ...]) -> None:
    """Put energies of elements in eV into a network."""
    import torch

    place = network.get_buffer(SOLVED[0])
    with torch.no_grad():
        place.copy_(torch.tensor([zeros[symbol] for symbol in species], dtype=torch.float64).reshape(place.shape))


def zeros_of(network: "nn.Module", species: tuple[str, ...]) -> dict[str, float]:
    """Energy of every element in eV."""
    values = network.get_buffer(SOLVED[0]).detach().cpu().double().reshape(-1).tolist()
    return dict(zip(species, values, strict=True))


def learned(network: "nn.Module") -> "dict[str, Tensor]":
    """Parameters and solved constants by name, on the CPU, in the precision of the network, each in its own memory."""
    tensors: dict[str, Tensor] = dict(network.named_parameters())
    tensors |= {name: network.get_buffer(name) for name in SOLVED}
    return {name: tensor.detach().cpu().clone().contiguous() for name, tensor in tensors.items()}


def load_learned(network: "nn.Module", tensors: "Mapping[str, Tensor]", source: str) -> None:
    """Put parameters and solved constants into a network; further tensors must equal the constants of the network.

    Args:
        network: of the same architecture, of any precision.
        tensors: those of `learned`, or a whole state dictionary.
        source: name of the file for messages.

    Raises:
        DataError: a tensor is missing, has another shape, is not finite, or the architecture is another one.
    """
    import torch

    state = network.state_dict()
    wanted = {name for name, _ in network.named_parameters()} | set(SOLVED)
    missing = sorted(wanted - set(tensors))
    if missing:
        raise DataError(f"{source}: {len(missing)} parameters are missing, the first is {missing[0]}.")
    with torch.no_grad():
        for name, given in tensors.items():
            place = state.get(name)
            if place is None or place.numel() != given.numel():
                raise DataError(f"{source}: {name} does not belong to the architecture that stands beside it.")
            value = given.detach().to(place.dtype).reshape(place.shape)
            if place.is_floating_point() and not torch.isfinite(value).all():
                raise DataError(f"{source}: {name} holds numbers that are not finite.")
            if name in wanted:
                place.copy_(value)
            elif not torch.allclose(value.double(), place.double(), rtol=CONSTANT_TOLERANCE, atol=CONSTANT_TOLERANCE):
                raise DataError(f"{source}: the constant {name} differs from that of the architecture beside it.")
