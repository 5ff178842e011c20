"""Classical potentials with parameters that make bound crystals, for tests."""

import numpy as np

from pesforge.potentials.classical import ClassicalPotential
from pesforge.potentials.eam import EamForm
from pesforge.potentials.pair import PairForm
from pesforge.potentials.tersoff import TersoffForm

TYPICAL = {
    "log_depth_ev": -1.5,
    "log_radius_ang": 1.0,
    "log_stiffness_per_ang": 0.4,
    "pair_splines_ev": 0.0,
    "log_density": -2.5,
    "density_decay": 4.0,
    "density_splines": 0.0,
    "log_embedding_ev": 0.0,
    "embedding_splines_ev": 0.0,
    "log_repulsion_ev": 7.0,
    "log_attraction_ev": 5.0,
    "log_lambda1_per_ang": 0.9,
    "log_lambda2_per_ang": 0.4,
    "log_beta": -2.0,
    "log_n": -0.2,
    "log_c": 2.0,
    "log_d": 1.0,
    "h": -0.5,
    "tau_per_ang3": 0.3,
}


def classical(kind: str, species: tuple[str, ...] = ("Cu",), *, noise: float = 0.05) -> ClassicalPotential:
    """A potential of the kind `pair-lj`, `pair-morse`, `eam` or `tersoff` with values near typical ones."""
    forms = {
        "pair-lj": PairForm(species, "lennard-jones", 3.5, 5.0),
        "pair-morse": PairForm(species, "morse", 3.5, 5.0),
        "eam": EamForm(species, 2.0, 2.55, 3.5, 5.0, 8, 4, 5),
        "tersoff": TersoffForm(species, 3.0, 3.8),
    }
    rng = np.random.default_rng(0)
    form = forms[kind]
    parameters = {name: TYPICAL[name] + noise * rng.normal(size=shape) for name, shape in form.shapes().items()}
    return ClassicalPotential(form, parameters, {symbol: -1.0 - number for number, symbol in enumerate(species)})
