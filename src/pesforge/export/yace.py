"""Export to the `.yace` format of LAMMPS' `pair_style pace`.

Source of the format: Lysogorskiy et al., npj Comput. Mater. 7, 97 (2021), and its reference evaluator. There, densities
A_znlm = Σ_j R_znl(r_ij) Y_lm carry complex harmonics with the Condon-Shortley phase and Y_00 = 1, radial functions are
R_znl = Σ_k c_znlk g_k over simplified Bessel functions g_k, and an atom's energy is E0 + Σ_t c_t Re Π A, where order 1
takes g_k itself.
"""

from itertools import product as all_pairs
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.linalg
import yaml

from pesforge.errors import DataError
from pesforge.io import write_text
from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.compiled import CompiledAce
from pesforge.representations.coupling import real_from_complex
from pesforge.representations.radial import spherical_bessel

SPLINE_SPACING_ANG = 0.001
"""Spacing of the evaluator's own tables of radial functions."""
MOST_BASE_FUNCTIONS = 48
RADIAL_TOLERANCE = 1e-9
"""Largest error of a radial function in units of its largest value."""
SYMMETRY_TOLERANCE = 1e-9
NEGLIGIBLE = 1e-14
MOST_PRODUCTS = 4_000_000


class _Products(NamedTuple):
    """Products of complex densities: channel and m of every factor, and coefficients by the centre's species."""

    channels: IntArray
    """Shape (T, order)."""
    m: IntArray
    """Shape (T, order)."""
    coefficients: FloatArray
    """Shape (T, Z), complex while products are merged."""


class _Channels:
    """Channels (neighbour species, n, l) of the densities; n numbers the radial functions that occur with l."""

    def __init__(self, compiled: CompiledAce) -> None:
        momentum = np.sqrt(compiled.component_harmonic).astype(np.int64)
        pairs = sorted(set(zip(momentum.tolist(), compiled.component_radial.tolist(), strict=True)))
        self.radial_of_l: dict[int, list[int]] = {}
        for l, radial in pairs:  # noqa: E741
            self.radial_of_l.setdefault(l, []).append(radial)
        self.l_max = max(self.radial_of_l)
        self.n_max = max(len(radials) for radials in self.radial_of_l.values())
        self._n = np.zeros((self.l_max + 1, int(compiled.component_radial.max()) + 1), dtype=np.int64)
        for l, radials in self.radial_of_l.items():  # noqa: E741
            self._n[l, radials] = np.arange(len(radials))

    def number(self, species: IntArray, radial: IntArray, momentum: IntArray) -> IntArray:
        """Number of each channel."""
        return (species * self.n_max + self._n[momentum, radial]) * (self.l_max + 1) + momentum

    def parts(self, number: int) -> tuple[int, int, int]:
        """Neighbour species, n and l of a channel."""
        rest, l = divmod(number, self.l_max + 1)  # noqa: E741
        species, n = divmod(rest, self.n_max)
        return species, n, l


def _radial_coefficients(compiled: CompiledAce) -> FloatArray:
    """Coefficients of the radial functions over simplified Bessel functions, shape (Z, F, k)."""
    distance = np.arange(1, compiled.radial.shape[1], dtype=np.float64) * compiled.spacing_ang
    values = compiled.radial[:, 1:, 0].transpose(0, 2, 1).reshape(-1, len(distance))
    scale = np.maximum(np.abs(values).max(axis=1), np.finfo(float).tiny)
    for count in range(1, MOST_BASE_FUNCTIONS + 1):
        base, _ = spherical_bessel(distance, count, compiled.cutoff_ang)
        found: FloatArray = scipy.linalg.lstsq(base.T, values.T)[0].T
        if np.all(np.abs(found @ base - values).max(axis=1) <= RADIAL_TOLERANCE * scale):
            largest = np.abs(found).max(axis=1, keepdims=True)
            found[np.abs(found) < 1e-12 * largest] = 0.0
            return found.reshape(len(compiled.species), -1, count)
    raise DataError(
        f"The radial functions of this potential are no combinations of {MOST_BASE_FUNCTIONS} simplified Bessel "
        "functions, and .yace has no other ones that suit. Use pair_style pesforge instead."
    )


def _share(momentum: IntArray, projection: IntArray, sign: int) -> FloatArray:
    """Share of the complex harmonic of `sign` × abs(m) in the real harmonic of every component, for Y_00 = 1."""
    pairs = zip(momentum.tolist(), projection.tolist(), strict=True)
    elements = [real_from_complex(j)[j + m, j + sign * abs(m)] for j, m in pairs]
    return np.array(elements) / np.sqrt(4 * np.pi)


def _complex_products(compiled: CompiledAce, channels: _Channels, order: int) -> _Products:
    """The products of one order with every real density replaced by complex ones; nothing is merged yet."""
    factors, weights = compiled.factors[order - 1], compiled.coefficients[order - 1].T.astype(complex)
    momentum = np.sqrt(compiled.component_harmonic).astype(np.int64)
    projection = compiled.component_harmonic - momentum**2 - momentum
    every = compiled.component_species < 0
    n_species = len(compiled.species)
    if len(factors) * 2**order * (n_species**order if every.any() else 1) > MOST_PRODUCTS:
        raise DataError(
            f"{len(factors)} products of {order} densities that sum over species make a .yace file too large. "
            "Use pair_style pesforge instead."
        )
    chosen = np.zeros((len(factors), 0), dtype=np.int64)
    signed = np.zeros((len(factors), 0), dtype=np.int64)
    rows = np.arange(len(factors))
    for t in range(order):
        parts = []
        component = factors[rows, t]
        for sign, species in all_pairs((1, -1), range(n_species)):
            m = sign * np.abs(projection[component])
            factor = _share(momentum, projection, sign)[component]
            keep = every[component] | (compiled.component_species[component] == species)
            keep &= (sign > 0) | (m != 0)
            number = channels.number(
                np.full(keep.sum(), species), compiled.component_radial[component[keep]], momentum[component[keep]]
            )
            parts.append(
                (
                    rows[keep],
                    np.column_stack([chosen[keep], number]),
                    np.column_stack([signed[keep], m[keep]]),
                    weights[keep] * factor[keep, None],
                )
            )
        rows, chosen, signed, weights = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _Products(chosen, signed, weights)


def _merged(products: _Products, l_max: int) -> _Products:
    """Equal products as one, and that of -m as the conjugate of that of m, which it is where Σm = 0; others cancel."""
    width = 2 * l_max + 1

    def key(m: IntArray) -> tuple[IntArray, IntArray]:
        code = np.sort(products.channels * width + m + l_max, axis=1)
        size = int(products.channels.max(initial=0) + 1) * width
        return code, np.ravel_multi_index(tuple(code.T), (size,) * code.shape[1])

    (code, own), (other_code, other) = key(products.m), key(-products.m)
    turned = other > own
    code = np.where(turned[:, None], other_code, code)
    coefficients = np.where(turned[:, None], products.coefficients.conj(), products.coefficients)
    _, first, group = np.unique(np.where(turned, other, own), return_index=True, return_inverse=True)
    total = np.zeros((len(first), coefficients.shape[1]), dtype=complex)
    np.add.at(total, group, coefficients)
    channels, m = code[first] // width, code[first] % width - l_max
    scale = np.abs(total).max(initial=0.0)
    invariant = m.sum(axis=1) == 0
    if max(np.abs(total[~invariant]).max(initial=0.0), np.abs(total[invariant].imag).max(initial=0.0)) > (
        SYMMETRY_TOLERANCE * scale
    ):
        raise DataError("The energy of this potential changes under rotation or inversion; .yace cannot hold it.")
    kept = invariant & (np.abs(total).max(axis=1, initial=0.0) > NEGLIGIBLE * scale)
    return _Products(channels[kept], m[kept], total[kept].real)


def _functions(products: _Products, channels: _Channels, centre: int) -> list[dict[str, Any]]:
    """Entries of one centre species: products of the same channels are one function."""
    present = np.flatnonzero(products.coefficients[:, centre])
    entries: dict[tuple[int, ...], list[int]] = {}
    for t in present.tolist():
        entries.setdefault(tuple(products.channels[t].tolist()), []).append(t)
    found = []
    for numbers, members in entries.items():
        parts = [channels.parts(number) for number in numbers]
        found.append(
            _function(
                centre,
                mus=[species for species, _, _ in parts],
                ns=[n + 1 for _, n, _ in parts],
                ls=[l for _, _, l in parts],  # noqa: E741
                ms=products.m[members].ravel().tolist(),
                values=products.coefficients[members, centre].tolist(),
            )
        )
    return found


def _function(
    centre: int, *, mus: list[int], ns: list[int], ls: list[int], ms: list[int], values: list[float]
) -> dict[str, Any]:
    return {
        "mu0": centre,
        "rank": len(mus),
        "ndensity": 1,
        "num_ms_combs": len(values),
        "mus": mus,
        "ns": ns,
        "ls": ls,
        "ms_combs": ms,
        "ctildes": values,
    }


def _first_order(compiled: CompiledAce, radial: FloatArray, centre: int) -> list[dict[str, Any]]:
    """Entries of order 1, which are sums of the base functions themselves."""
    total = np.zeros(radial.shape[::2])
    for component, value in zip(compiled.factors[0][:, 0], compiled.coefficients[0][centre], strict=True):
        species = int(compiled.component_species[component])
        for z in range(len(compiled.species)) if species < 0 else (species,):
            total[z] += value * radial[z, compiled.component_radial[component]] / np.sqrt(4 * np.pi)
    return [
        _function(centre, mus=[z], ns=[k + 1], ls=[0], ms=[0], values=[float(total[z, k])])
        for z, k in np.argwhere(total != 0).tolist()
    ]


def _linear_embedding() -> dict[str, Any]:
    """An energy that is its single density, with a repulsion that never sets in."""
    return {
        "ndensity": 1,
        "FS_parameters": [1.0, 1.0],
        "npoti": "FinnisSinclair",
        "rho_core_cutoff": 100000.0,
        "drho_core_cutoff": 250.0,
    }


def _bonds(compiled: CompiledAce, channels: _Channels, radial: FloatArray) -> dict[tuple[int, int], dict[str, Any]]:
    """Radial functions of every pair of centre and neighbour species."""
    n_species, _, count = radial.shape
    bonds = {}
    for centre, neighbour in all_pairs(range(n_species), repeat=2):
        table = np.zeros((channels.n_max, channels.l_max + 1, count))
        for l, radials in channels.radial_of_l.items():  # noqa: E741
            table[: len(radials), l] = radial[neighbour, radials]
        bonds[centre, neighbour] = {
            "nradmax": channels.n_max,
            "lmax": channels.l_max,
            "nradbasemax": count,
            "radbasename": "SBessel",
            "radparameters": [0.0],
            "radcoefficients": table.tolist(),
            "prehc": 0.0,
            "lambdahc": 1.0,
            "rcut": float(compiled.cutoff_ang),
            "dcut": 0.01,
            "rcut_in": 0.0,
            "dcut_in": 1e-5,
            "inner_cutoff_type": "distance",
        }
    return bonds


def yace(compiled: CompiledAce) -> dict[str, Any]:
    """The content of a `.yace` file, plain values; bonds are keyed by pairs of species.

    Args:
        compiled: the potential.

    Raises:
        DataError: the format cannot hold the potential.
    """
    channels, radial = _Channels(compiled), _radial_coefficients(compiled)
    orders = [_merged(_complex_products(compiled, channels, order), channels.l_max) for order in (2, 3, 4)]
    n_species = len(compiled.species)
    return {
        "elements": list(compiled.species),
        "E0": compiled.zeros.tolist(),
        "deltaSplineBins": SPLINE_SPACING_ANG,
        "embeddings": {centre: _linear_embedding() for centre in range(n_species)},
        "bonds": _bonds(compiled, channels, radial),
        "functions": {
            centre: [
                *_first_order(compiled, radial, centre),
                *(entry for products in orders for entry in _functions(products, channels, centre)),
            ]
            for centre in range(n_species)
        },
    }


def write_yace(path: Path | str, compiled: CompiledAce) -> None:
    """Write the file of `pair_coeff * * FILE El1 El2 …` for `pair_style pace`.

    Args:
        path: the file.
        compiled: the potential.

    Raises:
        DataError: the format cannot hold the potential.
    """
    dumper = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
    write_text(path, yaml.dump(yace(compiled), Dumper=dumper, default_flow_style=None, sort_keys=False, width=10**6))
