"""The text file that the LAMMPS pair style `pesforge` reads; its numbers are read back exactly."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pesforge.errors import DataError
from pesforge.io import write_text
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.compiled import CompiledAce, density_components
from pesforge.representations.coupling import invariant_coupling
from pesforge.representations.stacked import Basis

FORMAT = 1
NEGLIGIBLE = 1e-13
"""Elements of couplings below this are rounding."""


@dataclass(frozen=True)
class LeverageTerms:
    """Invariants b_k = Σ_t value[t] Π A[factors[t]] over the terms of function k, and the matrix of h = |Wᵀ b|²."""

    component: tuple[tuple[int, int, int], ...]
    """Harmonic l² + l + m, neighbour species and radial function of every density component."""
    function: IntArray
    """Function k of every term, rising."""
    factors: tuple[tuple[int, ...], ...]
    """Components of every term."""
    value: FloatArray
    """Coupling of every term."""
    whitening: FloatArray
    """W, shape (Z, K_c, R)."""


def leverage_terms(basis: Basis, whitening: FloatArray) -> LeverageTerms:
    """Terms of every invariant of `basis` with the matrix of the leverage h_i = |Wᵀ b_i|².

    Args:
        basis: K invariants per atom.
        whitening: W with W Wᵀ the inverse of the normal matrix, or of its main part, shape (K, R).

    Raises:
        DataError: the matrix has another number of rows, or is not finite.
    """
    whitening = np.asarray(whitening, dtype=float)
    if whitening.ndim != 2 or len(whitening) != basis.n_functions or not np.isfinite(whitening).all():
        raise DataError(f"A finite matrix of shape ({basis.n_functions}, R) is needed, not one of {whitening.shape}.")
    rows: list[tuple[int, int, int]] = []
    function: list[int] = []
    factors: list[tuple[int, ...]] = []
    value: list[float] = []
    blocks, first_column, first_function = [], 0, 0
    for part, numbers, components in density_components(basis):
        rows += [(int(harmonic), int(species), int(radial)) for harmonic, species, radial in components]
        for k, invariant in enumerate(part.functions, start=first_function):
            tensor = invariant_coupling(invariant.momenta, invariant.path)
            elements = np.argwhere(np.abs(tensor) > NEGLIGIBLE)
            columns = [numbers[channel][elements[:, s]] for s, channel in enumerate(invariant.channels)]
            function += [k] * len(elements)
            factors += list(zip(*(column.tolist() for column in columns), strict=True))
            value += tensor[tuple(elements.T)].tolist()
        block = whitening[first_column : first_column + part.n_functions]
        blocks.append(block.reshape(len(basis.species), len(part.functions), -1))
        first_column, first_function = first_column + part.n_functions, first_function + len(part.functions)
    return LeverageTerms(
        component=tuple(rows),
        function=np.array(function, dtype=np.int64),
        factors=tuple(factors),
        value=np.array(value),
        whitening=np.concatenate(blocks, axis=1),
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
        yield "leverage 0 0 0"
    else:
        yield f"leverage {leverage.whitening.shape[1]} {leverage.whitening.shape[2]} {len(leverage.value)}"
        terms = zip(leverage.function.tolist(), leverage.value.tolist(), leverage.factors, strict=True)
        for function, value, term in terms:
            yield f"{function} {value!r} {len(term)} {' '.join(str(places[factor]) for factor in term)}"
        yield from map(_numbers, leverage.whitening.reshape(-1, leverage.whitening.shape[2]))
    yield "end"


def write_ace_file(path: Path | str, compiled: CompiledAce, leverage: LeverageTerms | None = None) -> None:
    """Write the file of `pair_coeff * * FILE El1 El2 …` for `pair_style pesforge`.

    Args:
        path: the file.
        compiled: the potential.
        leverage: what per-atom leverages need; None: the pair style gives none.
    """
    write_text(path, "\n".join(_lines(compiled, leverage)) + "\n")
