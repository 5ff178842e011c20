"""Arrays that the fused kernel reads and works on."""

from typing import NamedTuple

from pesforge.representations.arrays import FloatArray, IntArray


class PolynomialTables(NamedTuple):
    """Radial functions, densities and polynomial.

    Neighbours come in `run_first.shape[0]` segments: one per species, or one for all where densities do not ask. For
    neighbours of segment s and harmonic q, entries `run_first[s, q]` to `run_first[s, q + 1]` of `run_component` and
    `run_radial` name the densities and their radial functions. Values are the densities, the number one, and the
    products of the pairs of densities in `product_left` and `product_right`. The energy is a constant plus
    Σ_r value[left[r]] value[right[r]] Σ_t weight[t] value[column[t]], t from `row_first[r]` to `row_first[r + 1]`.
    """

    cutoff_ang: float
    spacing_ang: float
    radial: FloatArray
    recursion: FloatArray
    norm: FloatArray
    run_first: IntArray
    run_component: IntArray
    run_radial: IntArray
    zeros: FloatArray
    product_left: IntArray
    product_right: IntArray
    left: IntArray
    right: IntArray
    row_first: IntArray
    column: IntArray
    weight: FloatArray


class PairTables(NamedTuple):
    """Pairs of atoms: those of atom i and segment s are `first[i * S + s]` to `first[i * S + s + 1]`.

    The vector of a pair is position[neighbour] - position[i] + shift. Blocks hold the atoms `lane[b, :]`, -1 where
    there is none, all of the species `block_species[b]`.
    """

    first: IntArray
    neighbour: IntArray
    shift: FloatArray
    lane: IntArray
    block_species: IntArray
    max_steps: int


class Scratch(NamedTuple):
    """Work space of one block: arrays (rows, WIDTH), one atom per lane.

    Of step k, `atom` has the neighbours, -1 for none; `distance` r in Å; `inverse` 1/r; `vector` the directions in rows
    3 k …; `radial` and `slope` the F radial functions and their derivatives in rows F k …; `legendre` Π_lm in row
    ((l_max + 2) k + m) (l_max + 2) + l, zero where l < m; `azimuth` the real and the imaginary part of (x + iy)ᵐ in
    rows 2 ((l_max + 1) k + m) …. Neighbours of segment s have the steps `slots[s]` to `slots[s + 1]`. `value` and
    `adjoint` are the values of `PolynomialTables` and the derivatives of the energies by them. `sums` has, of
    harmonic q, derivatives of the energies by it and Σ adjoint · slope in rows 4 q …, of an even and an odd step.
    """

    atom: IntArray
    slots: IntArray
    distance: FloatArray
    inverse: FloatArray
    vector: FloatArray
    radial: FloatArray
    slope: FloatArray
    legendre: FloatArray
    azimuth: FloatArray
    value: FloatArray
    adjoint: FloatArray
    sums: FloatArray
