"""Kernels that kernels call are inlined, so that compiled code and code from the cache round alike."""

import pytest
from numba.core.dispatcher import Dispatcher

from pesforge.representations import fused, fused_invariants, kernels, row_kernels
from pesforge.training import pulls


@pytest.mark.parametrize("module", [fused, fused_invariants, kernels, row_kernels, pulls])
def test_a_kernel_that_another_one_calls_is_inlined(module):
    found = {name: value for name, value in vars(module).items() if isinstance(value, Dispatcher)}
    called = {name for kernel in found.values() for name in kernel.py_func.__code__.co_names if name in found}
    assert found
    assert {name for name in called if not found[name].targetoptions.get("forceinline")} == set()


def test_there_are_such_kernels():
    assert fused._gradient.targetoptions["forceinline"]
    assert "_gradient" in fused.evaluate.py_func.__code__.co_names
