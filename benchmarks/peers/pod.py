"""Input files of `fitpod`, the command of LAMMPS that fits proper orthogonal descriptors."""

from collections.abc import Sequence
from pathlib import Path

from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import write

SHAPES = (
    (4, 3, 2, 2, 2, 0, 0),
    (6, 5, 3, 4, 2, 0, 0),
    (8, 7, 4, 6, 3, 5, 3),
    (10, 10, 4, 10, 3, 8, 3),
    (12, 10, 6, 8, 4, 6, 3),
    (12, 12, 4, 12, 3, 10, 3),
)
"""Radial functions of two, three, four and five bodies and, from three bodies on, the angular degree."""
POD = """species {species}
pbc 1 1 1
rin 1.0
rcut {cutoff}
number_of_environment_clusters 1
number_of_principal_components 2
bessel_polynomial_degree 3
inverse_polynomial_degree 6
onebody 1
twobody_number_radial_basis_functions {0}
threebody_number_radial_basis_functions {1}
threebody_angular_degree {2}
fourbody_number_radial_basis_functions {3}
fourbody_angular_degree {4}
fivebody_number_radial_basis_functions {5}
fivebody_angular_degree {6}
sixbody_number_radial_basis_functions 0
sixbody_angular_degree 0
sevenbody_number_radial_basis_functions 0
sevenbody_angular_degree 0
"""
POD_DATA = """file_format extxyz
file_extension xyz
path_to_training_data_set "{folder}"
path_to_test_data_set "{folder}"
fitting_weight_energy 100.0
fitting_weight_force 1.0
fitting_regularization_parameter 1e-10
error_analysis_for_training_data_set 0
error_analysis_for_test_data_set 0
basename_for_output_files {name}
precision_for_pod_coefficients 8
"""


def write_frames(folder: Path, frames: Sequence[Atoms]) -> None:
    """Labelled structures as fitpod reads them, energy and forces alone, into a new folder."""
    plain = []
    for atoms in frames:
        bare = Atoms(atoms.numbers, atoms.positions, cell=atoms.cell, pbc=atoms.pbc)
        results = atoms.calc.results
        bare.calc = SinglePointCalculator(bare, energy=results["energy"], forces=results["forces"])
        plain.append(bare)
    folder.mkdir()
    write(folder / "training.xyz", plain, format="extxyz")


def write_input(
    name: Path, shape: Sequence[int], elements: Sequence[str], cutoff_ang: float, frames: Path
) -> tuple[Path, Path]:
    """The two files that `fitpod` takes, beside `name`.

    Args:
        name: path that all files of the fit begin with.
        shape: one of `SHAPES`.
        elements: chemical symbols.
        cutoff_ang: cutoff radius in Å.
        frames: folder of `write_frames`.
    """
    parameters, data = Path(f"{name}.param"), Path(f"{name}.data")
    parameters.write_text(POD.format(*shape, species=" ".join(elements), cutoff=cutoff_ang))
    data.write_text(POD_DATA.format(folder=frames, name=name))
    return parameters, data


def fitted(name: Path, elements: Sequence[str]) -> tuple[int, list[str]]:
    """Number of functions and pair style of the potential that `fitpod` fitted."""
    coefficients = Path(f"{name}_coefficients.pod")
    style = ["pair_style pod", f"pair_coeff * * {name}.param {coefficients} {' '.join(elements)}"]
    return int(coefficients.read_text().split()[1]), style
