"""A message-passing network that is built in a second, with random parameters."""

import torch

from pesforge.potentials.mace import MacePotential
from pesforge.potentials.mace_network import MaceArchitecture, build_network


def tiny_mace(species=("Cu",), layers=1, cutoff_ang=4.0, seed=0, precision="float64"):
    """A potential of 8 channels and vectors; forces of some tenths of eV/Å."""
    architecture = MaceArchitecture(
        species=species,
        cutoff_ang=cutoff_ang,
        n_bessel=4,
        max_ell=1,
        layers=layers,
        channels="8x0e" if layers == 1 else "8x0e+8x1o",
        correlation=2,
        neighbours=12.0,
        radial_layers=(8, 8),
        scale_ev=20.0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        zeros = {symbol: -1.0 - number for number, symbol in enumerate(species)}
        network = build_network(architecture, zeros, "float64")
    return MacePotential(architecture, network, precision, "cpu")
