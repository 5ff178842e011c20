"""The text file that the LAMMPS pair style `pesforge` reads; numbers of the energy are read back exactly."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import scipy.linalg

from pesforge.errors import DataError
from pesforge.io import write_text
from pesforge.potentials.posterior import Posterior
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.compiled import CompiledAce, density_components
from pesforge.representations.coupling import invariant_coupling
from pesforge.representations.stacked import Basis

FORMAT = 2
NEGLIGIBLE = 1e-13
"""Elements of couplings below this are rounding."""
LEVERAGE_FORMAT = "{:.12g}".format
"""A leverage is a small difference of large numbers: with 9 digits it would be wrong in the fifth."""


@dataclass(frozen=True)
class LeverageTerms:
    """Rows x of atoms, x_k = Σ_t value[t] Π A[factors[t]] over the terms of function k, and their leverages.

    The last function is 1, with no factor: it belongs to the energy zero. The leverage of an atom is |Tᵀ x|², T being
    the rows of `triangle` of its species; that of the energy of all atoms is the same with the sum of their Tᵀ x.
    """

    component: tuple[tuple[int, int, int], ...]
    """Harmonic l² + l + m, neighbour species and radial function of every density component."""
    function: IntArray
    """Function k of every term, rising."""
    factors: tuple[tuple[int, ...], ...]
    """Components of every term."""
    value: FloatArray
    """Coupling of every term."""
    triangle: FloatArray
    """T, shape (Z K_x, R): species after species the K_x functions; row q is zero beyond column q."""
    scale: float
    """Standard deviation of an energy of leverage 1, in eV."""


def leverage_terms(basis: Basis, posterior: Posterior) -> LeverageTerms:
    """Terms of every invariant of `basis`, and the posterior as a triangular matrix.

    Args:
        basis: K invariants per atom.
        posterior: covariance of the K coefficients and the Z energy zeros.

    Raises:
        DataError: the posterior is of another number of unknowns.
    """
    n_species, unknowns = len(basis.species), basis.n_functions + len(basis.species)
    if len(posterior.whitening) != unknowns:
        raise DataError(f"A posterior of {unknowns} unknowns is needed, not one of {len(posterior.whitening)}.")
    rows: list[tuple[int, int, int]] = []
    function: list[int] = []
    factors: list[tuple[int, ...]] = []
    value: list[float] = []
    places, first_column, first_function = [], 0, 0
    for part, numbers, components in density_components(basis):
        rows += [(int(harmonic), int(species), int(radial)) for harmonic, species, radial in components]
        for k, invariant in enumerate(part.functions, start=first_function):
            tensor = invariant_coupling(invariant.momenta, invariant.path)
            elements = np.argwhere(np.abs(tensor) > NEGLIGIBLE)
            columns = [numbers[channel][elements[:, s]] for s, channel in enumerate(invariant.channels)]
            function += [k] * len(elements)
            factors += list(zip(*(column.tolist() for column in columns), strict=True))
            value += tensor[tuple(elements.T)].tolist()
        places.append(first_column + np.arange(part.n_functions).reshape(n_species, -1))
        first_column, first_function = first_column + part.n_functions, first_function + len(part.functions)
    places.append(first_column + np.arange(n_species)[:, None])
    order = np.concatenate(places, axis=1).ravel()
    upper = scipy.linalg.qr(posterior.whitening[order].T, mode="r", check_finite=False)[0]
    return LeverageTerms(
        component=tuple(rows),
        function=np.array([*function, first_function], dtype=np.int64),
        factors=(*factors, ()),
        value=np.array([*value, 1.0]),
        triangle=np.ascontiguousarray(upper[:unknowns].T),
        scale=posterior.scale,
    )


def _with_components(compiled: CompiledAce, wanted: Iterable[tuple[int, int, int]]) -> tuple[CompiledAce, list[int]]:
    """`compiled` with the missing ones of the components (harmonic, species, radial), and the number of each."""
    columns = [compiled.component_harmonic, compiled.component_species, compiled.component_radial]
    numbers = {(int(h), int(s), int(f)): i for i, (h, s, f) in enumerate(zip(*columns, strict=True))}
    places = [numbers.setdefault(component, len(numbers)) for component in wanted]
    harmonic, species, radial = np.array(list(numbers), dtype=np.int64).T
    larger = replace(compiled, component_harmonic=harmonic, component_species=species, component_radial=radial)
    return larger, places


def _numbers(values: FloatArray) -> str:
    return " ".join(map(repr, values.ravel().tolist()))


def _lines(compiled: CompiledAce, leverage: LeverageTerms | None) -> Iterator[str]:
    places: list[int] = []
    if leverage is not None:
        compiled, places = _with_components(compiled, leverage.component)
    yield f"pesforge-ace {FORMAT}"
    yield f"species {len(compiled.species)} {' '.join(compiled.species)}"
    yield f"zeros {_numbers(compiled.zeros)}"
    yield f"cutoff {float(compiled.cutoff_ang)!r} spacing {float(compiled.spacing_ang)!r}"
    _, intervals, powers, functions = compiled.radial.shape
    yield f"radial {intervals} {powers} {functions}"
    yield from map(_numbers, compiled.radial.reshape(-1, functions))
    yield f"components {len(compiled.component_radial)}"
    columns = compiled.component_radial, compiled.component_harmonic, compiled.component_species
    yield from (f"{radial} {harmonic} {species}" for radial, harmonic, species in zip(*columns, strict=True))
    for order, (factors, coefficients) in enumerate(zip(compiled.factors, compiled.coefficients, strict=True), start=1):
        yield f"order {order} {len(factors)}"
        for product, values in zip(factors.tolist(), coefficients.T, strict=True):
            yield f"{' '.join(map(str, product))} {_numbers(values)}"
    if leverage is None:
        yield "leverage 0 0 0 0"
    else:
        n_functions, directions = len(leverage.triangle) // len(compiled.species), leverage.triangle.shape[1]
        yield f"leverage {n_functions} {directions} {leverage.scale!r} {len(leverage.value)}"
        terms = zip(leverage.function.tolist(), leverage.value.tolist(), leverage.factors, strict=True)
        for function, value, term in terms:
            yield " ".join([f"{function} {value!r} {len(term)}", *(str(places[factor]) for factor in term)])
        for number, row in enumerate(leverage.triangle, start=1):
            yield " ".join(map(LEVERAGE_FORMAT, row[:number].tolist()))
    yield "end"


def write_ace_file(path: Path | str, compiled: CompiledAce, leverage: LeverageTerms | None = None) -> None:
    """Write the file of `pair_coeff * * FILE El1 El2 …` for `pair_style pesforge`.

    Args:
        path: the file.
        compiled: the potential.
        leverage: what per-atom leverages need; None: the pair style gives none.
    """
    write_text(path, "\n".join(_lines(compiled, leverage)) + "\n")
