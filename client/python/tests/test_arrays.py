"""Tensors of other libraries, played by an object that exports DLPack."""

from __future__ import annotations

import ctypes
import gc
import weakref
from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest
from fake_server import LONG_SECONDS, acking, serving

from datainf._arrays import as_floats
from datainf._encoding import encode

BFLOAT16: Any = ml_dtypes.bfloat16
CPU, CUDA, PINNED = 1, 2, 3

_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_pointer.restype = ctypes.c_void_p


class Tensor:
    """What DLPack's consumers see of a PyTorch tensor: no `__array__`, bfloat16 as such."""

    def __init__(self, array: npt.NDArray[Any], device: int = CPU, error: str = "") -> None:
        self.is_bfloat16 = array.dtype == BFLOAT16
        self.array = array.view(np.uint16) if self.is_bfloat16 else array
        self.device = device
        self.error = error

    def __dlpack_device__(self) -> tuple[int, int]:
        return self.device, 0

    def __dlpack__(self) -> Any:
        if self.error:
            raise BufferError(self.error)
        capsule = self.array.__dlpack__()
        header = _pointer(capsule, b"dltensor")
        ctypes.c_int32.from_address(header + 8).value = self.device
        if self.is_bfloat16:
            ctypes.c_uint8.from_address(header + 20).value = 4
        return capsule


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, BFLOAT16])
@pytest.mark.parametrize("device", [CPU, PINNED])
def test_tensor_shares_its_memory(dtype: Any, device: int) -> None:
    array = np.arange(8).reshape(2, 4).astype(dtype)
    floats = as_floats("g", Tensor(array, device))
    assert np.shares_memory(floats.array, array)
    assert floats.is_bfloat16 == (dtype is BFLOAT16)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, BFLOAT16])
@pytest.mark.parametrize("wire", ["f32", "bf16", "f16"])
@pytest.mark.parametrize("part", [np.s_[:, :], np.s_[:, ::2], np.s_[::-1, 1:], np.s_[:0, :]])
def test_tensor_is_encoded_like_the_array_it_holds(dtype: Any, wire: str, part: Any) -> None:
    array = np.random.default_rng(0).standard_normal((6, 8)).astype(dtype)[part]
    for view in (array, array.T):
        encoded = encode("g", Tensor(view), wire, view.shape[1])
        assert encoded.flags.c_contiguous
        np.testing.assert_array_equal(encoded, encode("g", view, wire, view.shape[1]))


def test_tensor_lives_as_long_as_the_array_and_no_longer() -> None:
    array = np.ones((1, 4), np.float32)
    freed = weakref.ref(array)
    encoded = encode("g", Tensor(array), "f32", 4)
    del array
    gc.collect()
    assert freed() is not None
    del encoded
    gc.collect()
    assert freed() is None


def test_tensor_on_a_gpu_or_with_grad_is_refused_with_what_to_do() -> None:
    array = np.ones((1, 4), np.float32)
    with pytest.raises(ValueError, match=r"memory of a CUDA GPU, .* pass g.detach\(\).cpu\(\)"):
        encode("g", Tensor(array, CUDA), "f32", 4)
    with pytest.raises(ValueError, match=r"device type 99 of DLPack"):
        encode("g", Tensor(array, 99), "f32", 4)
    tensor = Tensor(array, error="Can't export tensors that require gradient")
    with pytest.raises(ValueError, match=r"require gradient; pass g.detach\(\).cpu\(\)"):
        encode("g", tensor, "f32", 4)


def test_tensor_of_integers_or_of_another_shape_is_named() -> None:
    with pytest.raises(TypeError, match="g has dtype int32, expected floats"):
        encode("g", Tensor(np.ones((1, 4), np.int32)), "f32", 4)
    with pytest.raises(ValueError, match=r"g has shape \(2, 3\), expected \[k, 4\]"):
        encode("g", Tensor(np.ones((2, 3), BFLOAT16)), "f32", 4)


def test_writer_takes_tensors() -> None:
    received: list[Any] = []

    def script(_: int, requests: Any, __: Any) -> Any:
        def keep() -> Any:
            for request in requests:
                received.append(request.batch.gradients)
                yield request

        yield from acking(keep())

    values = np.arange(8).reshape(2, 4).astype(BFLOAT16)
    with serving(script) as (_, run):
        for dtype in ("bf16", "f32"):
            with run.writer(dtype=dtype) as writer:
                writer.add([1, 2], Tensor(values))
                writer.flush(LONG_SECONDS)
    assert received == [values.tobytes(), values.astype("<f4").tobytes()]
