"""Encodings of gradient elements: names, wire types, conversion of arrays."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from datainf._proto.v1 import types_pb2

Dtype = Literal["f32", "bf16", "f16"]
"""How a gradient element is encoded: binary32, bfloat16 or binary16, little-endian."""

# numpy has no bfloat16: its bits travel as unsigned integers.
_WIRE_TYPES: dict[str, np.dtype[Any]] = {
    "f32": np.dtype("<f4"),
    "bf16": np.dtype("<u2"),
    "f16": np.dtype("<f2"),
}
_ELEMENT_TYPES = {
    "f32": types_pb2.ELEMENT_TYPE_F32,
    "bf16": types_pb2.ELEMENT_TYPE_BF16,
    "f16": types_pb2.ELEMENT_TYPE_F16,
}


def element_type(dtype: str) -> types_pb2.ElementType:
    """Returns the wire value of `dtype`.

    Raises:
        ValueError: It is not one of "f32", "bf16" and "f16".
    """
    if dtype not in _ELEMENT_TYPES:
        raise ValueError(f"dtype is {dtype!r}, expected one of {', '.join(map(repr, _WIRE_TYPES))}")
    return _ELEMENT_TYPES[dtype]


def dtype_name(value: int) -> str:
    """Returns the name of a wire value; a type this client does not know by its number."""
    return next((name for name, number in _ELEMENT_TYPES.items() if number == value), str(value))


def wire_type(dtype: str) -> np.dtype[Any]:
    """Returns how numpy holds elements; bfloat16 as uint16: the bits."""
    return _WIRE_TYPES[dtype]


def element_bytes(dtype: str) -> int:
    """Returns the size of one element."""
    return _WIRE_TYPES[dtype].itemsize


def natural_dtype(gradients: npt.NDArray[Any]) -> Dtype:
    """Returns the encoding that holds `gradients` best: its own, or "f32" for wider floats."""
    if gradients.dtype.name == "bfloat16":
        return "bf16"
    return "f16" if gradients.dtype == np.float16 else "f32"


def encode(name: str, gradients: npt.ArrayLike, dtype: str, dimension: int) -> npt.NDArray[Any]:
    """Returns `gradients` as the bytes that go on the wire, copied only if they must be converted.

    Args:
        name: What to call the argument in errors.
        gradients: Floats, shape [k, D] or [D] for one sample. With "bf16" also uint16: the bits.
        dtype: Encoding of the result.
        dimension: D.

    Returns:
        Shape [k, D], C-contiguous, little-endian; bfloat16 as uint16. May share memory with
        `gradients`.

    Raises:
        TypeError: The elements are no floats.
        ValueError: The shape is not [k, D] or [D].
    """
    array = np.asarray(gradients)
    if array.ndim == 1:
        array = array[np.newaxis, :]
    if array.ndim != 2 or array.shape[1] != dimension:
        raise ValueError(
            f"{name} has shape {np.shape(gradients)}, expected [k, {dimension}] or [{dimension}]:"
            f" the run has {dimension} elements a sample"
        )
    is_bfloat16 = array.dtype.name == "bfloat16"
    if dtype == "bf16" and (is_bfloat16 or array.dtype == np.uint16):
        # Both hold the bits already; a view turns ml_dtypes' type into numpy's.
        bits = np.ascontiguousarray(array)
        return bits.view(np.uint16).astype("<u2", copy=False)
    if array.dtype.kind != "f" and not is_bfloat16:
        hint = ' (uint16 is taken as bits with dtype="bf16" only)' * (array.dtype == np.uint16)
        raise TypeError(f"{name} has dtype {array.dtype}, expected floats{hint}")
    if dtype == "bf16":
        return _round_to_bfloat16(np.ascontiguousarray(array, dtype=np.float32))
    with np.errstate(over="ignore"):  # infinity is for the server to reject, by sample and block
        return np.ascontiguousarray(array, dtype=_WIRE_TYPES[dtype])


def _round_to_bfloat16(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Returns the bits of the nearest bfloat16, ties to even; NaN stays NaN."""
    bits = values.view(np.uint32)
    rounded = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
    # Rounding could carry a NaN's payload into infinity or zero.
    rounded = np.where(np.isnan(values), bits | np.uint32(0x0040_0000), rounded)
    return (rounded >> np.uint32(16)).astype("<u2")


def sample_id_array(name: str, sample_ids: npt.ArrayLike) -> npt.NDArray[np.uint64]:
    """Returns `sample_ids` as shape [k], checked.

    Raises:
        TypeError: They are no integers.
        ValueError: There are none, one is out of range, or one occurs twice.
    """
    # numpy would make floats of Python integers on both sides of 2^63.
    kind = None if hasattr(sample_ids, "dtype") else np.object_
    array = np.atleast_1d(np.asarray(sample_ids, kind))
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} has shape {array.shape}, expected [k] with k >= 1")
    if array.dtype.kind not in "iuO":
        raise TypeError(f"{name} has dtype {array.dtype}, expected integers from 0 to 2^64 - 1")
    for value in array.tolist():
        if not isinstance(value, (int, np.integer)):
            raise TypeError(f"{name} holds {value!r}, expected integers from 0 to 2^64 - 1")
        if not 0 <= value < 2**64:
            raise ValueError(f"{name} holds {value}, expected integers from 0 to 2^64 - 1")
    ids = array.astype(np.uint64)
    unique, counts = np.unique(ids, return_counts=True)
    if unique.size != ids.size:
        raise ValueError(f"{name} holds {unique[counts > 1][0]} twice, expected each id once")
    return ids
