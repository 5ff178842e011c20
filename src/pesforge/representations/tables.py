"""Flat tables of channels, functions and couplings, for compiled kernels."""

from typing import NamedTuple

import numpy as np

from pesforge.representations.arrays import FloatArray, IntArray
from pesforge.representations.coupling import invariant_coupling, real_coupling
from pesforge.representations.functions import BasisFunction, Channel


class ChannelTables(NamedTuple):
    """Densities A_qnlm: the 2l + 1 components of a channel start at its `offset`; `radial` is q · N + n."""

    radial: IntArray
    momentum: IntArray
    offset: IntArray


class FunctionTables(NamedTuple):
    """Functions of one centre species, each with its factors, couplings and derivatives.

    `values` of a function are its derivatives by the components of its distinct channels, kept in one sparse vector:
    factor t of function k has the density components `offset[k, t] …` and the values `slot[k, t] …`; equal factors
    share their values. Values `first_value[k] …` are those of function k, value v that of `component[v]`. Terms are the
    non-zero elements of couplings, those of the first and of the second coupling of function k (an order below 4 has at
    most one) in `first_term[k, 0 or 1] …`.
    """

    order: IntArray
    offset: IntArray
    slot: IntArray
    width: IntArray
    path: IntArray
    first_term: IntArray
    last_term: IntArray
    left: IntArray
    right: IntArray
    result: IntArray
    value: FloatArray
    first_value: IntArray
    component: IntArray


def channel_tables(functions: tuple[BasisFunction, ...], n_radial: int) -> tuple[ChannelTables, dict[Channel, int]]:
    """Tables of the channels that the functions use, and the first component of each channel.

    Args:
        functions: functions of one centre species.
        n_radial: number N of radial functions of each species channel.
    """
    channels = sorted({channel for function in functions for channel in function.channels})
    widths = np.array([2 * channel.l + 1 for channel in channels], dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(widths)[:-1]]).astype(np.int64)
    tables = ChannelTables(
        radial=np.array([channel.species * n_radial + channel.radial for channel in channels], dtype=np.int64),
        momentum=np.array([channel.l for channel in channels], dtype=np.int64),
        offset=offsets,
    )
    return tables, dict(zip(channels, offsets.tolist(), strict=True))


class _Terms:
    """Non-zero elements of couplings, each coupling stored once."""

    def __init__(self) -> None:
        self.elements: list[tuple[int, int, int, float]] = []
        self._ranges: dict[tuple[int, int, int, bool], tuple[int, int]] = {}

    def _range(self, key: tuple[int, int, int, bool]) -> tuple[int, int]:
        """First and last element of the coupling of l1, l2 to l3, with 1/√(2 l3 + 1) where the flag is set."""
        if key not in self._ranges:
            l1, l2, l3, to_scalar = key
            tensor = invariant_coupling((l1, l2, l3), 0) if to_scalar else real_coupling(l1, l2, l3)
            begin = len(self.elements)
            for a, b, c in np.argwhere(np.abs(tensor) > 1e-13).tolist():
                self.elements.append((a, b, c, float(tensor[a, b, c])))
            self._ranges[key] = begin, len(self.elements)
        return self._ranges[key]

    def of(self, function: BasisFunction) -> list[tuple[int, int]]:
        """Ranges of the first and the second coupling of a function; an absent one is empty."""
        momenta = function.momenta
        if function.order == 3:
            return [self._range((momenta[0], momenta[1], momenta[2], True)), (0, 0)]
        if function.order == 4:
            path = function.path
            return [
                self._range((momenta[0], momenta[1], path, False)),
                self._range((momenta[2], momenta[3], path, True)),
            ]
        return [(0, 0), (0, 0)]


def function_tables(functions: tuple[BasisFunction, ...], offsets: dict[Channel, int]) -> FunctionTables:
    """Tables of the functions.

    Args:
        functions: functions of one centre species.
        offsets: first density component of each channel.
    """
    terms = _Terms()
    factors = np.zeros((3, len(functions), 4), dtype=np.int64)
    ranges, first_value = [], [0]
    components: list[int] = []
    for k, function in enumerate(functions):
        slots: dict[Channel, int] = {}
        for channel in sorted(set(function.channels)):
            slots[channel] = len(components)
            components.extend(range(offsets[channel], offsets[channel] + 2 * channel.l + 1))
        for t, channel in enumerate(function.channels):
            factors[:, k, t] = offsets[channel], slots[channel], 2 * channel.l + 1
        first_value.append(len(components))
        ranges.append(terms.of(function))
    elements = np.array(terms.elements, dtype=float).reshape(-1, 4)
    indices = np.ascontiguousarray(elements[:, :3].T).astype(np.int64)
    bounds = np.array(ranges, dtype=np.int64).reshape(-1, 2, 2)
    return FunctionTables(
        order=np.array([function.order for function in functions], dtype=np.int64),
        offset=factors[0].copy(),
        slot=factors[1].copy(),
        width=factors[2].copy(),
        path=np.array([function.path for function in functions], dtype=np.int64),
        first_term=bounds[:, :, 0].copy(),
        last_term=bounds[:, :, 1].copy(),
        left=indices[0].copy(),
        right=indices[1].copy(),
        result=indices[2].copy(),
        value=elements[:, 3].copy(),
        first_value=np.array(first_value, dtype=np.int64),
        component=np.array(components, dtype=np.int64),
    )
