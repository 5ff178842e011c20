"""The list of basis functions that a degree rule allows."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from pesforge.errors import SettingsError
from pesforge.representations.coupling import independent_paths

_SLACK = 1e-9
"""Room for rounding where degrees with a fractional weight are compared."""


MOST_PRODUCTS = 1_000_000
"""Largest number of products of one order: a thousand times what fits are made of, and what is listed in seconds."""


class Channel(NamedTuple):
    """One density A_qnlm = Σ_j W_q,z(j) g_n(r_ij) Y_lm(r_ij) over neighbours j; `species` is the species channel q."""

    species: int
    radial: int
    l: int  # noqa: E741


@dataclass(frozen=True)
class BasisFunction:
    """A product of densities, coupled to an invariant."""

    channels: tuple[Channel, ...]
    path: int
    degree: float

    @property
    def order(self) -> int:
        """Number of factors."""
        return len(self.channels)

    @property
    def momenta(self) -> tuple[int, ...]:
        """Angular momenta of the factors."""
        return tuple(channel.l for channel in self.channels)


def _by_momentum(channel: Channel) -> tuple[int, int, int]:
    return channel.l, channel.radial, channel.species


def _tuples(degrees: list[float], order: int, largest: float, start: int = 0) -> Iterator[tuple[int, ...]]:
    """Rising index tuples (with repetition) of `order` channels whose degrees sum to at most `largest`."""
    if order == 0:
        yield ()
        return
    for i in range(start, len(degrees)):
        if degrees[i] * order > largest + _SLACK:
            return
        for rest in _tuples(degrees, order - 1, largest - degrees[i], i):
            yield (i, *rest)


def _paths(channels: tuple[Channel, ...]) -> tuple[int, ...]:
    """Couplings of a tuple of channels to an invariant, even under inversion; empty where there is none."""
    momenta = tuple(channel.l for channel in channels)
    if sum(momenta) % 2:
        return ()
    if len(momenta) == 1:
        return (0,) if momenta[0] == 0 else ()
    if len(momenta) == 2:
        return (0,) if momenta[0] == momenta[1] else ()
    if len(momenta) == 3:
        l1, l2, l3 = momenta
        return (l3,) if abs(l1 - l2) <= l3 <= l1 + l2 else ()
    l1, l2, l3, l4 = momenta
    p1, p2, p3, p4 = (channels.index(channel) for channel in channels)
    return independent_paths((l1, l2, l3, l4), (p1, p2, p3, p4))


def _of_order(
    order: int, largest: int, l_max: int, l_weight: float, channel_degrees: tuple[float, ...]
) -> Iterator[BasisFunction]:
    def degree_of(channel: Channel) -> float:
        return channel.radial + l_weight * channel.l + channel_degrees[channel.species]

    channels = [
        Channel(species, radial, l)
        for l in range(l_max + 1)  # noqa: E741
        for radial in range(largest + 1)
        for species in range(len(channel_degrees))
    ]
    channels = [channel for channel in channels if degree_of(channel) <= largest + _SLACK]
    channels.sort(key=lambda channel: (degree_of(channel), *_by_momentum(channel)))
    degrees = [degree_of(channel) for channel in channels]
    for number, indices in enumerate(_tuples(degrees, order, largest)):
        if number >= MOST_PRODUCTS:
            raise SettingsError(f"max_degree {largest} of order {order}: more than {MOST_PRODUCTS} products; lower it.")
        factors = tuple(channels[i] for i in indices)
        if order == 4:
            factors = tuple(sorted(factors, key=_by_momentum))
        degree = round(
            sum(channel.radial for channel in factors)
            + l_weight * sum(c.l for c in factors)
            + sum(channel_degrees[c.species] for c in factors),
            9,
        )
        for path in _paths(factors):
            yield BasisFunction(factors, path, degree)


@lru_cache(maxsize=64)
def list_functions(
    *, max_degree: tuple[int, ...], l_max: tuple[int, ...], l_weight: float, channel_degrees: tuple[float, ...]
) -> tuple[BasisFunction, ...]:
    """All functions with Σ_t (n_t + w l_t + d_q(t)) ≤ max_degree, order by order, for one species of the centre.

    The list for smaller degrees is a part of the list for larger ones, in the same order.

    Args:
        max_degree: largest degree per order; a negative one leaves the order out.
        l_max: largest angular momentum per order.
        l_weight: weight w of l in the degree.
        channel_degrees: degree d_q of every species channel.

    Source: Drautz, Phys. Rev. B 99, 014104 (2019); the degree rule as in Dusson et al., J. Comput. Phys. 454, 110946.
    """
    return tuple(
        function
        for order, (largest, l_largest) in enumerate(zip(max_degree, l_max, strict=True), start=1)
        for function in _of_order(order, largest, l_largest, l_weight, channel_degrees)
    )
