"""Curvature of a linear potential: the properties that show whether an influential label bends the energy surface."""

from collections.abc import Callable

from ase import Atoms

from pesforge.curation.influence import Property
from pesforge.export.calculator import PesforgeCalculator
from pesforge.export.potential import Potential
from pesforge.potentials.normal import LinearFit
from pesforge.representations.stacked import Basis
from pesforge.validation.elastic_constants import named_constants
from pesforge.validation.properties import phonon_thz, relaxed_elastic_tensor


def curvature_of(
    basis: Basis, parent: Atoms, *, displacement_ang: float, strain: float
) -> Callable[[LinearFit], list[Property]]:
    """A function that gives elastic constants (GPa) and the optical phonon at Γ (THz) of a fit, at the parent's volume.

    Args:
        basis: basis of the fits.
        parent: crystal.
        displacement_ang: displacement of the phonon in Å.
        strain: strain of the elastic constants.
    """

    def measured(fit: LinearFit) -> list[Property]:
        zeros = dict(zip(basis.species, fit.zeros.tolist(), strict=True))
        calculator = PesforgeCalculator(Potential("ace-linear", basis, fit.coefficients, zeros))
        frequency, phi = phonon_thz(calculator, parent, displacement_ang)
        tensor, _ = relaxed_elastic_tensor(calculator, parent, strain, phi)
        properties: list[Property] = [(name, "GPa", value) for name, value in named_constants(tensor, parent).items()]
        if frequency is not None:
            properties.append(("optical phonon at Γ", "THz", frequency))
        return properties

    return measured
