"""Rows of several numbers that compiled kernels handle as one value, held in vector registers.

Numba cannot know that two rows of one array do not overlap, so it would not turn loops over short rows into vector
instructions. Values of the type `Lanes` say so: `load` takes a row of an array (…, WIDTH), `store` writes one, `spread`
puts one number into every lane, `+`, `-` and `*` work on all numbers at once, with a number on the left too. Only
kernels can use them.
"""

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.typing import signature
from numba.core.typing.templates import ConcreteTemplate, infer_global
from numba.extending import intrinsic, lower_builtin, models, register_model

WIDTH = 16
"""Numbers per row: four AVX2 registers or two AVX-512 registers; 8 waste fewer lanes and are no faster."""
_VECTOR = ir.VectorType(ir.DoubleType(), WIDTH)
_FLAGS = ("contract", "reassoc", "nsz")


class _LanesType(types.Type):
    def __init__(self) -> None:
        super().__init__(name=f"Lanes({WIDTH})")


LANES = _LanesType()


@register_model(_LanesType)
class _LanesModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _VECTOR)


def _row_pointer(context: Any, builder: Any, array_type: Any, array: Any, row: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    place = builder.mul(row, ir.Constant(row.type, WIDTH))
    return builder.bitcast(cgutils.gep(builder, data, place), _VECTOR.as_pointer())


def _spread(builder: Any, number: Any) -> Any:
    one = builder.insert_element(ir.Constant(_VECTOR, ir.Undefined), number, ir.Constant(ir.IntType(32), 0))
    mask = ir.Constant(ir.VectorType(ir.IntType(32), WIDTH), None)
    return builder.shuffle_vector(one, ir.Constant(_VECTOR, ir.Undefined), mask)


def _spread_lanes(typing_context: Any, number: Any) -> Any:
    """The number in every lane."""

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        return _spread(builder, arguments[0])

    return LANES(types.float64), generate


def _load_lanes(typing_context: Any, array: Any, row: Any) -> Any:
    """Row `row` of a contiguous float64 array of shape (…, WIDTH)."""

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        pointer = _row_pointer(context, builder, sig.args[0], *arguments)
        return builder.load(pointer, align=8)

    return LANES(array, types.int64), generate


def _store_lanes(typing_context: Any, array: Any, row: Any, value: Any) -> Any:
    """Write a value to row `row` of a contiguous float64 array of shape (…, WIDTH)."""

    def generate(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        pointer = _row_pointer(context, builder, sig.args[0], *arguments[:2])
        builder.store(arguments[2], pointer, align=8)
        return context.get_dummy_value()

    return types.void(array, types.int64, LANES), generate


def _operator(function: Any, instruction: str) -> None:
    """Let an operator work on two values, or on a number and a value."""

    class Signatures(ConcreteTemplate):
        cases = (signature(LANES, LANES, LANES), signature(LANES, types.float64, LANES))

    def of_values(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(*arguments, flags=_FLAGS)

    def of_number(context: Any, builder: Any, sig: Any, arguments: Any) -> Any:
        return getattr(builder, instruction)(_spread(builder, arguments[0]), arguments[1], flags=_FLAGS)

    infer_global(function)(Signatures)
    lower_builtin(function, LANES, LANES)(of_values)
    lower_builtin(function, types.float64, LANES)(of_number)


spread: Any = intrinsic(_spread_lanes)
load: Any = intrinsic(_load_lanes)
store: Any = intrinsic(_store_lanes)
for _function, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    _operator(_function, _instruction)
