"""Floats of any library as numpy arrays, without a copy and without importing that library."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

# DLDeviceType of DLPack: those whose memory the CPU reads, and names for those whose it does not.
_HOST_DEVICES = (1, 3, 11)  # CPU; pinned for CUDA, for ROCm
_DEVICE_NAMES = {2: "a CUDA GPU", 8: "Metal", 10: "a ROCm GPU", 14: "a oneAPI device"}

# DLTensor of DLPack: void* data; int32 device_type, device_id; int32 ndim; then DLDataType: uint8
# code, uint8 bits, uint16 lanes. An unversioned DLManagedTensor begins with it.
_DTYPE_OFFSET = ctypes.sizeof(ctypes.c_void_p) + 12
_UNSIGNED, _BFLOAT = 1, 4

_capsule_pointer = ctypes.pythonapi.PyCapsule_GetPointer
_capsule_pointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
_capsule_pointer.restype = ctypes.c_void_p


class SupportsDLPack(Protocol):
    """A tensor of another library, e.g. of PyTorch."""

    def __dlpack__(self) -> Any:
        """Returns the tensor as a capsule."""

    def __dlpack_device__(self) -> tuple[Any, Any]:
        """Returns the type and the number of the device that holds it."""


GradientsLike = npt.ArrayLike | SupportsDLPack
"""What is taken as gradients."""


class Floats(NamedTuple):
    """An array and what numpy cannot say about it.

    Attributes:
        array: The elements; bfloat16 as uint16: the bits.
        is_bfloat16: Whether they are bfloat16.
    """

    array: npt.NDArray[Any]
    is_bfloat16: bool


def as_floats(name: str, values: GradientsLike) -> Floats:
    """Returns `values` as an array that shares their memory where it can.

    Args:
        name: What to call the argument in errors.
        values: Anything that numpy takes, ml_dtypes' bfloat16 included; or a tensor of another
            library that exports DLPack from the memory of the CPU, e.g. of PyTorch.

    Raises:
        TypeError: The elements are of a type that neither numpy nor this module knows.
        ValueError: The tensor is not in the memory of the CPU, or its library does not export it.
    """
    if isinstance(values, np.ndarray) or not hasattr(values, "__dlpack__"):
        array = np.asarray(values)
        # The name alone would do, but takes numpy as long as 100 KB of copying.
        is_bfloat16 = array.dtype.kind == "V" and array.dtype.name == "bfloat16"
        return Floats(array.view(np.uint16) if is_bfloat16 else array, is_bfloat16)
    tensor: Any = values
    device = int(_exported(name, tensor.__dlpack_device__)[0])
    if device not in _HOST_DEVICES:
        where = _DEVICE_NAMES.get(device, f"device type {device} of DLPack")
        raise ValueError(
            f"{name} is in the memory of {where}, expected that of the CPU: pass"
            f" {name}.detach().cpu()"
        )
    capsule = _exported(name, tensor.__dlpack__)
    is_bfloat16 = _relabel_bfloat16(capsule)
    try:
        return Floats(np.from_dlpack(_Capsule(capsule, device)), is_bfloat16)
    except (BufferError, RuntimeError) as error:
        raise TypeError(f"{name} has elements that numpy does not know: {error}") from error


def _exported(name: str, export: Callable[[], Any]) -> Any:
    try:
        return export()
    except (BufferError, RuntimeError, ValueError) as error:  # a tensor that requires grad, e.g.
        raise ValueError(
            f"{name} cannot be read: {error}; pass {name}.detach().cpu() if it is a PyTorch tensor"
        ) from error


class _Capsule:
    """Gives a capsule to numpy, which takes it over with the duty to free what it holds."""

    def __init__(self, capsule: Any, device: int) -> None:
        self._capsule = capsule
        self._device = device

    def __dlpack__(self, **_options: Any) -> Any:
        return self._capsule

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device, 0


def _relabel_bfloat16(capsule: Any) -> bool:
    """Calls the elements of a capsule uint16, which numpy knows, if they are bfloat16.

    The capsule was made for us and not handed on yet, so its header is ours to change; whoever
    frees it does not look at the type.
    """
    header = _capsule_pointer(capsule, b"dltensor")
    code = ctypes.c_uint8.from_address(header + _DTYPE_OFFSET)
    bits = ctypes.c_uint8.from_address(header + _DTYPE_OFFSET + 1)
    if (code.value, bits.value) != (_BFLOAT, 16):
        return False
    code.value = _UNSIGNED
    return True
