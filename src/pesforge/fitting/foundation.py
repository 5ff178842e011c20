"""Foundation models from files, without running code that stands in them; and the conversion of files that are code."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.data import chemical_symbols

from pesforge.errors import DataError
from pesforge.export import load_potential, save_model
from pesforge.io import read_json
from pesforge.potentials.mace import MacePotential, read_architecture, restored
from pesforge.potentials.mace_network import mace_library

if TYPE_CHECKING:
    from torch import Tensor, nn

HOW = (
    "A foundation model is a folder that pesforge wrote, or a file of parameters (.safetensors, or a state dictionary "
    "of PyTorch) with its architecture beside it in a file of the same name that ends in .json. A file that holds a "
    "whole pickled model is turned into such a folder by `pesforge convert-mace FILE --out FOLDER --trust-pickle`."
)

AGREEMENT = 1e-3
"""Largest deviation of a converted model in eV and eV/Å: constants of single precision are computed in double."""
USUAL: Mapping[str, Any] = {
    "edge_irreps": None,
    "embedding_specs": None,
    "use_edge_irreps_first": False,
    "use_last_readout_only": False,
    "use_embedding_readout": False,
    "apply_cutoff": True,
}
"""Parts of a model of mace-torch that are not supported with any other value."""
FIELDS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "species": lambda found: [chemical_symbols[int(number)] for number in found["atomic_numbers"]],
    "cutoff_ang": lambda found: found["r_max"],
    "n_bessel": lambda found: found["num_bessel"],
    "cutoff_power": lambda found: int(found["num_polynomial_cutoff"]),
    "max_ell": lambda found: found["max_ell"],
    "layers": lambda found: found["num_interactions"],
    "channels": lambda found: str(found["hidden_irreps"]),
    "readout": lambda found: str(found["MLP_irreps"]),
    "correlation": lambda found: found["correlation"],
    "neighbours": lambda found: float(found["avg_num_neighbors"]),
    "radial_layers": lambda found: list(found["radial_MLP"]),
    "interaction": lambda found: found["interaction_cls"].__name__,
    "first_interaction": lambda found: found["interaction_cls_first"].__name__,
    "gate": lambda found: "silu" if found["gate"] is None else found["gate"].__name__,
    "radial": lambda found: found["radial_type"],
    "transform": lambda found: str(found["distance_transform"]),
    "repulsion": lambda found: found["pair_repulsion"],
    "reduced_products": lambda found: found["use_reduced_cg"],
    "agnostic_products": lambda found: found["use_agnostic_product"],
    "inversion": lambda found: not found["use_so3"],
}
"""Fields of the architecture from the description that mace-torch gives of a model."""


def foundation(path: Path) -> MacePotential:
    """The potential in a folder of kind `mace`, or in a file of parameters beside its architecture.

    Args:
        path: folder of a potential or of a fit; or FILE with the architecture in FILE's name ending in .json.

    Raises:
        DataError: the file is missing or damaged, is a pickle, or does not fit its architecture.
    """
    if path.is_dir():
        potential = load_potential(path).potential
        if not isinstance(potential, MacePotential):
            raise DataError(f"{path}: holds a potential of kind {potential.kind}, not of kind mace. {HOW}")
        return potential
    if not path.is_file():
        raise DataError(f"{path}: there is no such file or folder. {HOW}")
    beside = path.with_suffix(".json")
    tensors = _tensors(path)
    if not beside.is_file():
        raise DataError(f"{path}: its architecture is missing, {beside.name} beside it. {HOW}")
    architecture = read_architecture(read_json(beside), beside.name)
    return MacePotential(architecture, restored(architecture, tensors, path.name), _precision(tensors))


def _tensors(path: Path) -> "dict[str, Tensor]":
    """Tensors by name from a file that cannot run code: safetensors, or what PyTorch reads with `weights_only`."""
    import torch
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except SafetensorError as error:
        raise DataError(f"{path}: is no safetensors file ({error}). {HOW}") from error
    except Exception as error:  # PyTorch refuses pickles and damaged files with many kinds of errors
        raise DataError(f"{path}: is not a plain file of parameters, and nothing else is opened. {HOW}") from error
    if not isinstance(content, dict) or not content or not all(torch.is_tensor(item) for item in content.values()):
        raise DataError(f"{path}: does not hold parameters by name. {HOW}")
    return dict(content)


def _precision(tensors: "Mapping[str, Tensor]") -> str:
    """Precision of the floating-point numbers."""
    return "float64" if any(str(tensor.dtype) == "torch.float64" for tensor in tensors.values()) else "float32"


def convert(path: Path, folder: Path, *, trust_pickle: bool) -> str:
    """Turn a file with a whole pickled MACE model into a folder that is safe to load; what was done is returned.

    Args:
        path: file of a model, as mace-torch writes them.
        folder: new folder of the potential.
        trust_pickle: opening the file runs whatever code is in it; nothing is opened unless this is said.

    Raises:
        DataError: the file is not trusted, is no such model, or its kind of model is not supported.
    """
    import torch

    if not trust_pickle:
        raise DataError(
            f"{path}: such a file is a program, and opening it runs it with all of your rights. Give --trust-pickle "
            "if you know who made the file and that it has not been changed since."
        )
    mace_library()
    try:
        model = torch.load(path, map_location="cpu", weights_only=False)
    except Exception as error:  # a pickle can fail in any way
        raise DataError(f"{path}: cannot be opened ({type(error).__name__}: {error}).") from error
    potential = _converted(model, path)
    _compare(model, potential, path)
    save_model(folder, potential, {"source": path.name})
    return f"potential: {folder} ({', '.join(potential.species)}; {potential.n_parameters} parameters)"


def _converted(model: Any, path: Path) -> MacePotential:
    """The same model, built anew from its description.

    Raises:
        DataError: it is another kind of model, or has parts that the architecture here does not know.
    """
    from mace.tools.scripts_utils import extract_config_mace_model

    described = extract_config_mace_model(model) if hasattr(model, "scale_shift") else {"error": type(model).__name__}
    if "error" in described:
        raise DataError(f"{path}: holds a {type(model).__name__}; a ScaleShiftMACE is needed.")
    other = [name for name, usual in USUAL.items() if described[name] != usual]
    if len(described["heads"]) != 1:
        other.append("several heads")
    if other:
        raise DataError(f"{path}: has parts that are not supported: {', '.join(other)}.")
    values = {name: value(described) for name, value in FIELDS.items()}
    architecture = read_architecture(values, path.name)
    tensors = model.state_dict()
    return MacePotential(architecture, restored(architecture, tensors, path.name), _precision(tensors))


def _compare(model: "nn.Module", potential: MacePotential, path: Path) -> None:
    """Check on a few atoms that the converted model is the same function.

    Raises:
        DataError: it is not.
    """
    distance = 0.35 * potential.architecture.cutoff_ang
    offsets = np.array([[0.0, 0.0, 0.0], [1.0, 0.1, 0.0], [0.2, 1.1, 0.3], [0.1, 0.2, 1.2]])
    symbols = [potential.species[number % len(potential.species)] for number in range(len(offsets))]
    atoms = Atoms(symbols, positions=distance * offsets)
    other = replace(potential, network=model.double(), device="cpu")
    own = replace(potential, device="cpu").evaluate(atoms)
    deviation = max(
        float(np.abs(mine - theirs).max()) for mine, theirs in zip(own[:2], other.evaluate(atoms)[:2], strict=True)
    )
    if not deviation < AGREEMENT:
        raise DataError(f"{path}: the converted model deviates by {deviation:.2g} eV or eV/Å from the file.")
