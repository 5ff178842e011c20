import pickle
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from numba.core.dispatcher import Dispatcher

from pesforge.errors import DataError, SettingsError
from pesforge.io import canonical_json
from pesforge.representations import kernels, row_kernels
from pesforge.representations.ace import AceBasis

BASIS = AceBasis(("Na", "Cl"), 4.0, (4, 5, 5, 5), (0, 3, 2, 2), 1.0)


def salt():
    atoms = bulk("NaCl", "rocksalt", 5.4)
    atoms.rattle(0.1, seed=2)
    return atoms


def test_columns_are_one_block_per_species_of_the_centre():
    invariants = BASIS.invariants(salt())
    half = BASIS.n_functions // 2
    assert invariants.shape == (2, 2 * half)
    assert np.any(invariants[0, :half] != 0)
    assert np.all(invariants[0, half:] == 0)
    assert np.all(invariants[1, :half] == 0)
    np.testing.assert_array_equal(BASIS.degree[:half], BASIS.degree[half:])


@pytest.mark.parametrize("reduction", [0, 1, 3])
def test_a_reduced_basis_is_a_column_subset(reduction):
    smaller, mask = BASIS.reduced(reduction), BASIS.subset_mask(reduction)
    assert mask.sum() == smaller.n_functions
    for large, small in zip(BASIS.rows(salt()), smaller.rows(salt()), strict=True):
        np.testing.assert_allclose(large[..., mask], small, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(BASIS.degree[mask], smaller.degree)
    np.testing.assert_array_equal(BASIS.order[mask], smaller.order)


def test_default_ladder_of_sizes():
    basis = AceBasis(("Si",), 5.2, (10, 12, 10), (0, 5, 4), 1.0)
    assert [int(basis.subset_mask(r).sum()) for r in (4, 2, 0)] == [124, 260, 513]


def test_a_dictionary_or_pickle_gives_an_equal_basis():
    assert AceBasis.from_dict(BASIS.to_dict()) == BASIS
    assert canonical_json(AceBasis.from_dict(BASIS.to_dict()).to_dict()) == canonical_json(BASIS.to_dict())
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(BASIS)).invariants(salt()), BASIS.invariants(salt()))


def test_equal_input_gives_equal_bytes():
    again = AceBasis.from_dict(BASIS.to_dict())
    for first, second in zip(BASIS.rows(salt()), again.rows(salt()), strict=True):
        assert first.tobytes() == second.tobytes()


def test_an_atom_without_neighbours_has_zero_invariants_and_rows():
    atoms = Atoms("NaCl", positions=[(0, 0, 0), (9, 0, 0)])
    energy, forces, stress = BASIS.rows(atoms)
    assert np.all(energy == 0)
    assert np.all(forces == 0)
    assert np.isnan(stress).all()
    projection = BASIS.project(atoms, np.ones((BASIS.n_functions, 2)))
    assert projection.neighbour.tolist() == [0, 1]
    assert np.all(projection.gradient == 0)


def test_unknown_elements_and_wrong_matrices_are_refused():
    with pytest.raises(DataError, match="'Si'"):
        BASIS.rows(bulk("Si"))
    with pytest.raises(DataError, match=r"shape"):
        BASIS.project(salt(), np.ones((3, 2)))


@pytest.mark.parametrize(
    "changes",
    [
        {"species": ()},
        {"species": ("Na", "Na")},
        {"species": ("X",)},
        {"max_degree": (3,)},
        {"max_degree": (3,) * 5, "l_max": (0,) * 5},
        {"max_degree": (-1, -1)},
        {"l_max": (0, -1)},
        {"cutoff_ang": 0.0},
        {"l_weight": float("nan")},
    ],
)
def test_arguments_that_describe_no_basis_are_refused(changes):
    valid = {"species": ("Na",), "cutoff_ang": 4.0, "max_degree": (3, 3), "l_max": (0, 1), "l_weight": 1.0}
    AceBasis(**valid)
    with pytest.raises(SettingsError):
        AceBasis(**(valid | changes))


@pytest.mark.parametrize("module", [kernels, row_kernels])
def test_no_kernel_calls_one_of_another_file(module):
    """A cached caller would keep the old callee after a change of the other file."""
    compiled = [value for value in vars(module).values() if isinstance(value, Dispatcher)]
    assert len(compiled) > 5
    assert {function.py_func.__module__ for function in compiled} == {module.__name__}


def test_import_brings_no_torch():
    code = (
        "import sys, pesforge.representations.ace, pesforge.representations.projections; print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
