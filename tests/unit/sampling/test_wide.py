"""The smallest wide cells against every sublattice there is, and what the family `wide` makes of them."""

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.geometry import find_mic

from pesforge.errors import DataError
from pesforge.family_settings import Wide
from pesforge.fields import BOLTZMANN_EV_PER_K
from pesforge.sampling.families import FAMILIES
from pesforge.sampling.lattice_planes import standard_cell
from pesforge.sampling.measured import Measured
from pesforge.sampling.wide_cell import hermite_forms, shortest_translation, wide_cell

A = 5.47
SILICON = bulk("Si", "diamond", a=A, cubic=True)
SKEW = Atoms(
    "NaCl", positions=[[0, 0, 0], [1.4, 1.6, 1.1]], cell=[[3.1, 0, 0], [0.9, 3.4, 0], [-0.7, 0.5, 4.2]], pbc=True
)
CRYSTALS = {
    "diamond": SILICON,
    "primitive": bulk("Si", "diamond", a=A),
    "supercell": bulk("Al", "fcc", a=4.05).repeat((2, 1, 3)),
    "bcc": bulk("Fe", "bcc", a=2.87, cubic=True),
    "hcp": bulk("Mg", "hcp", a=3.2, c=5.2),
    "salt": bulk("NaCl", "rocksalt", a=5.6, cubic=True),
    "skew": SKEW,
}
COMBINATIONS = np.array([steps for steps in product(range(-4, 5), repeat=3) if any(steps)])


def shortest(cell):
    """The shortest of many lattice vectors, by trying them."""
    return np.linalg.norm(COMBINATIONS @ cell, axis=1).min()


def draw(parent, settings, stiffness=3.0, seed=1):
    measured = replace(Measured.assumed(parent), stiffness=dict.fromkeys(parent.symbols, stiffness))
    return FAMILIES["wide"][1](parent, settings, measured, seed)


@pytest.mark.parametrize(
    ("crystal", "width", "atoms", "found"),
    [
        ("diamond", 7.7, 16, A * 2**0.5),  # 2×2×2 of the primitive cell
        ("primitive", 7.7, 16, A * 2**0.5),
        ("diamond", 9.0, 32, A * 3**0.5),  # body-centred
        ("diamond", 11.0, 54, A * 3 / 2**0.5),  # 3×3×3 of the primitive cell
        ("supercell", 5.7, 8, 4.05 * 2**0.5),
        ("supercell", 8.5, 27, 4.05 * 3 / 2**0.5),
        ("bcc", 4.0, 4, 2.87 * 2**0.5),
        ("salt", 7.9, 16, 5.6 * 2**0.5),
    ],
)
def test_known_lattices_are_found(crystal, width, atoms, found):
    cell = wide_cell(CRYSTALS[crystal], width)
    assert len(cell) == atoms
    assert shortest(cell.cell.array) == pytest.approx(found)


@pytest.mark.parametrize(("crystal", "width"), [(name, width) for name in CRYSTALS for width in (4.5, 6.5)])
def test_no_smaller_sublattice_is_as_wide_and_none_of_that_size_is_wider(crystal, width):
    parent = CRYSTALS[crystal]
    primitive, cell = standard_cell(parent, to_primitive=True), wide_cell(parent, width)
    index = len(cell) // len(primitive)
    for fewer in range(1, index + 1):
        widest = max(shortest_translation(form @ primitive.cell.array) for form in hermite_forms(fewer))
        assert (widest >= width) == (fewer == index)
    assert shortest(cell.cell.array) == pytest.approx(widest)


@pytest.mark.parametrize("crystal", CRYSTALS)
def test_a_wide_cell_holds_the_parents_crystal_where_it_stands(crystal):
    parent, cell = CRYSTALS[crystal], wide_cell(CRYSTALS[crystal], 6.0)
    assert cell.pbc.all()
    assert np.linalg.det(cell.cell.array) > 0
    assert len(cell) / cell.get_volume() == pytest.approx(len(parent) / parent.get_volume())
    gaps = find_mic((cell.positions[:, None] - parent.positions).reshape(-1, 3), parent.cell)[1]
    sites = gaps.reshape(len(cell), len(parent)) < 1e-6
    assert (sites.sum(axis=1) == 1).all()
    assert (parent.numbers[sites.argmax(axis=1)] == cell.numbers).all()
    assert len(set(map(tuple, np.round(cell.get_scaled_positions() % 0.999999, 5)))) == len(cell)
    filled = Counter(cell.symbols)
    assert {filled[name] / number for name, number in Counter(parent.symbols).items()} == {len(cell) / len(parent)}


def test_the_sublattices_of_an_index_are_all_there_once():
    for index in range(1, 13):
        forms = hermite_forms(index)
        divisors = [d for d in range(1, index + 1) if index % d == 0]
        assert len(forms) == sum(d * e for d in divisors for e in divisors if d % e == 0)
        assert np.rint(np.linalg.det(forms)).astype(int).tolist() == [index] * len(forms)
        held = {
            frozenset(map(tuple, grid[(np.abs(grid @ np.linalg.inv(form) % 1 - 0.5) > 0.499).all(axis=1)].tolist()))
            for grid in [np.array(list(product(range(index), repeat=3)))]
            for form in forms
        }
        assert len(held) == len(forms)


def test_displacements_are_thermal_and_every_structure_is_a_group():
    frames = draw(SILICON, Wide(width_ang=7.5, temperatures_k=(300.0, 1200.0), count=250))
    perfect = wide_cell(SILICON, 7.5)
    assert Counter(frame.info["temperature_k"] for frame in frames) == {300.0: 50, 1200.0: 200}
    assert len({frame.info["group"] for frame in frames}) == len({frame.info["id"] for frame in frames}) == 250
    for temperature in (300.0, 1200.0):
        there = [frame for frame in frames if frame.info["temperature_k"] == temperature]
        moves = np.array([frame.positions - perfect.positions for frame in there])
        expected = BOLTZMANN_EV_PER_K * temperature / 3.0
        assert moves.var() == pytest.approx(expected, abs=4 * expected * (2 / moves.size) ** 0.5)
        assert abs(np.corrcoef(moves[:, 0, 0], moves[:, 1, 0])[0, 1]) < 4 / len(there) ** 0.5
    for frame in frames[:3]:
        assert frame.info["reference_cell"] == pytest.approx(perfect.cell.array)
        assert frame.cell.array == pytest.approx(perfect.cell.array)


def test_what_is_no_wider_or_too_wide_is_refused():
    with pytest.raises(DataError, match=r"5\.47 Å from their images already; state more"):
        draw(SILICON, Wide(width_ang=5.4))
    with pytest.raises(DataError, match=r"no supercell of 64 primitive cells .* allowed are 15\.\d Å at the very most"):
        draw(SILICON, Wide(width_ang=25.0))
    assert len(draw(SILICON, Wide(width_ang=5.6, count=1))[0]) < 16
