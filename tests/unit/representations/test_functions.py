from itertools import combinations_with_replacement

import pytest

from pesforge.representations.functions import Channel, list_functions


def rule(max_degree, l_max, l_weight=1.0, n_species=1):
    return list_functions(max_degree=max_degree, l_max=l_max, l_weight=l_weight, channel_degrees=(0.0,) * n_species)


def test_default_basis_has_513_functions():
    functions = rule((10, 12, 10), (0, 5, 4))
    assert len(functions) == 513
    assert [sum(f.order == order for f in functions) for order in (1, 2, 3)] == [11, 139, 363]


@pytest.mark.parametrize("l_weight", [1.0, 1.5])
@pytest.mark.parametrize("n_species", [1, 2])
def test_orders_two_and_three_are_all_that_the_rule_allows(l_weight, n_species):
    functions = rule((4, 5, 5), (0, 3, 2), l_weight, n_species)
    for order, degree, l_max in ((2, 5, 3), (3, 5, 2)):
        channels = [
            Channel(z, n, l)
            for z in range(n_species)
            for n in range(degree + 1)
            for l in range(l_max + 1)  # noqa: E741
        ]
        expected = set()
        for factors in combinations_with_replacement(channels, order):
            momenta = sorted(c.l for c in factors)
            couples = momenta[0] == momenta[1] if order == 2 else momenta[2] <= momenta[0] + momenta[1]
            allowed = sum(c.radial + l_weight * c.l for c in factors) <= degree + 1e-9
            if couples and allowed and sum(momenta) % 2 == 0:
                expected.add(tuple(sorted(factors)))
        found = [tuple(sorted(f.channels)) for f in functions if f.order == order]
        assert len(found) == len(set(found))
        assert set(found) == expected


@pytest.mark.parametrize("l_weight", [1.0, 1.5])
def test_a_lower_degree_gives_a_part_in_the_same_order(l_weight):
    large = rule((5, 6, 6, 6), (0, 3, 3, 3), l_weight, 2)
    small = rule((3, 4, 4, 4), (0, 3, 3, 3), l_weight, 2)
    assert [f for f in large if f.degree <= (3, 4, 4, 4)[f.order - 1] + 1e-9] == list(small)
    assert {f.order for f in small} == {1, 2, 3, 4}


def test_a_negative_degree_leaves_the_order_out():
    assert {f.order for f in rule((2, -1, 2), (0, 2, 2))} == {1, 3}
