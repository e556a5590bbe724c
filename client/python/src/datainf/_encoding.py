"""Encodings of gradient elements: names, wire types, conversion of arrays."""

from __future__ import annotations

import collections
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from datainf._arrays import Floats, GradientsLike, as_floats
from datainf._proto.v1 import types_pb2

Dtype = Literal["f32", "bf16", "f16"]
"""How a gradient element is encoded: binary32, bfloat16 or binary16, little-endian."""

# Elements that are rounded at once: intermediate results stay in the processor's caches.
_ROUNDED_AT_ONCE = 1 << 15

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


def natural_dtype(gradients: Floats) -> Dtype:
    """Returns the encoding that holds `gradients` best: its own, or "f32" for wider floats."""
    if gradients.is_bfloat16:
        return "bf16"
    return "f16" if gradients.array.dtype == np.float16 else "f32"


def encode(
    name: str, gradients: GradientsLike | Floats, dtype: str, dimension: int
) -> npt.NDArray[Any]:
    """Returns `gradients` as the bytes that go on the wire, copied only if they must be converted.

    Args:
        name: What to call the argument in errors.
        gradients: Floats, shape [k, D] or [D] for one sample: what `as_floats` takes, or returned.
            With "bf16" also uint16: the bits.
        dtype: Encoding of the result.
        dimension: D.

    Returns:
        Shape [k, D], C-contiguous, little-endian; bfloat16 as uint16. May share memory with
        `gradients`.

    Raises:
        TypeError: The elements are no floats.
        ValueError: The shape is not [k, D] or [D], or the elements are out of reach.
    """
    floats = gradients if isinstance(gradients, Floats) else as_floats(name, gradients)
    array = floats.array
    if array.ndim == 1:
        array = array[np.newaxis, :]
    if array.ndim != 2 or array.shape[1] != dimension:
        raise ValueError(
            f"{name} has shape {floats.array.shape}, expected [k, {dimension}] or [{dimension}]:"
            f" the run has {dimension} elements a sample"
        )
    if array.dtype == _WIRE_TYPES[dtype] and not floats.is_bfloat16:
        return np.ascontiguousarray(array)
    if floats.is_bfloat16:
        bits = np.ascontiguousarray(array, "<u2")
        if dtype == "bf16":
            return bits
        array = _widen_bfloat16(bits)
    if array.dtype.kind != "f":
        hint = ' (uint16 is taken as bits with dtype="bf16" only)' * (array.dtype == np.uint16)
        raise TypeError(f"{name} has dtype {array.dtype}, expected floats{hint}")
    if dtype == "bf16":
        return _round_to_bfloat16(array)
    with np.errstate(over="ignore"):  # infinity is for the server to reject, by sample and block
        return np.ascontiguousarray(array, dtype=_WIRE_TYPES[dtype])


def _widen_bfloat16(bits: npt.NDArray[np.uint16]) -> npt.NDArray[np.float32]:
    wide = bits.astype("<u4")
    wide <<= 16
    return wide.view("<f4")


def _round_to_bfloat16(values: npt.NDArray[Any]) -> npt.NDArray[np.uint16]:
    """Returns the bits of the nearest bfloat16, ties to even; NaN stays NaN."""
    flat = np.ascontiguousarray(values, dtype="<f4").reshape(-1)
    rounded = np.empty(flat.size, "<u2")
    for start in range(0, flat.size, _ROUNDED_AT_ONCE):
        part = slice(start, start + _ROUNDED_AT_ONCE)
        rounded[part] = _rounded(flat[part])
    return rounded.reshape(values.shape)


def _rounded(values: npt.NDArray[np.float32]) -> npt.NDArray[Any]:
    bits = values.view("<u4")
    rounded = bits >> 16
    rounded &= 1
    rounded += 0x7FFF
    rounded += bits
    # Rounding could carry a NaN's payload into infinity or zero.
    nans = np.isnan(values)
    if nans.any():
        rounded[nans] = bits[nans] | 0x0040_0000
    rounded >>= 16
    return rounded


def sample_id_list(name: str, sample_ids: npt.ArrayLike, *, repeatable: bool = False) -> list[int]:
    """Returns `sample_ids` as Python integers, checked; one integer as a list of one.

    Raises:
        TypeError: They are no integers.
        ValueError: There are none, one is out of range, or one occurs twice and is not repeatable.
    """
    if type(sample_ids) is int:
        values: list[Any] = [sample_ids]
    else:
        # numpy would make floats of Python integers on both sides of 2^63.
        kind = None if hasattr(sample_ids, "dtype") else np.object_
        array = np.atleast_1d(np.asarray(sample_ids, kind))
        if array.ndim != 1 or array.size == 0:
            raise ValueError(f"{name} has shape {array.shape}, expected [k] with k >= 1")
        if array.dtype.kind not in "iuO":
            raise TypeError(f"{name} has dtype {array.dtype}, expected integers from 0 to 2^64 - 1")
        values = array.tolist()
        if array.dtype.kind == "O":
            values = [_integer(name, value) for value in values]
    if min(values) < 0 or max(values) >= 2**64:
        wrong = next(value for value in values if not 0 <= value < 2**64)
        raise ValueError(f"{name} holds {wrong}, expected integers from 0 to 2^64 - 1")
    if not repeatable and len(set(values)) < len(values):
        twice = collections.Counter(values).most_common(1)[0][0]
        raise ValueError(f"{name} holds {twice} twice, expected each id once")
    return values


def _integer(name: str, value: Any) -> int:
    if not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} holds {value!r}, expected integers from 0 to 2^64 - 1")
    return int(value)
