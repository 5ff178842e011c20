"""Curvature of a fit against that of the potential that made its labels."""

import pytest
from ase.build import bulk
from ase.calculators.emt import EMT

from pesforge.export.curvature import curvature_of
from pesforge.potentials.linear import LinearProblem
from pesforge.potentials.normal import Weights
from pesforge.representations.ace import AceBasis
from pesforge.validation.elastic_constants import named_constants
from pesforge.validation.properties import phonon_thz, relaxed_elastic_tensor

BASIS = AceBasis(species=("Cu",), cutoff_ang=4.5, max_degree=(6, 6), l_max=(0, 3))


def test_the_curvature_of_a_fit_is_that_of_its_labels(copper_design):
    parent = bulk("Cu", "fcc", a=3.6, cubic=True)
    fit = LinearProblem(copper_design, prior_power=2.0).fit(Weights(400.0, 1.0, 2500.0), 1e-6)
    found = {name: value for name, unit, value in curvature_of(BASIS, parent, displacement_ang=0.02, strain=0.01)(fit)}
    _, phi = phonon_thz(EMT(), parent, 0.02)
    wanted = named_constants(relaxed_elastic_tensor(EMT(), parent, 0.01, phi)[0], parent)
    assert found.keys() == wanted.keys() == {"C11", "C12", "C44"}
    for name, value in wanted.items():
        assert found[name] == pytest.approx(value, rel=0.1)
