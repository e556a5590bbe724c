from typing import Any

import ml_dtypes
import numpy as np
import numpy.typing as npt
import pytest

from datainf._encoding import encode, sample_id_list

BFLOAT16: Any = ml_dtypes.bfloat16


def test_contiguous_float32_is_not_copied() -> None:
    rows = np.ones((3, 4), np.float32)
    assert np.shares_memory(encode("g", rows, "f32", 4), rows)


@pytest.mark.parametrize(
    "rows",
    [
        np.arange(8, dtype=np.float64).reshape(2, 4),
        np.arange(8, dtype=np.float32).reshape(4, 2).T,
        np.arange(16, dtype=np.float32).reshape(2, 8)[:, ::2],
        np.arange(8, dtype=">f4").reshape(2, 4),
        np.arange(8, dtype=np.float16).reshape(2, 4),
        np.arange(8).reshape(2, 4).astype(BFLOAT16),
    ],
)
def test_others_are_converted_to_contiguous_little_endian(rows: npt.NDArray[Any]) -> None:
    encoded = encode("g", rows, "f32", 4)
    assert encoded.dtype == np.dtype("<f4")
    assert encoded.flags.c_contiguous
    np.testing.assert_array_equal(encoded, rows.astype(np.float64))


def test_one_sample_may_have_one_dimension() -> None:
    assert encode("g", np.ones(4, np.float32), "f32", 4).shape == (1, 4)


def test_float32_is_rounded_to_bfloat16_as_ml_dtypes_does() -> None:
    rng = np.random.default_rng(0)
    bits = rng.integers(0, 2**32, 100_000, dtype=np.uint32)
    # Ties, the largest finite values, infinities and NaNs with payload in low bits only.
    special = [0x3F808000, 0x3F818000, 0x7F7FFFFF, 0xFF7FFFFF, 0x7F800000, 0x7F800001, 0xFF80FFFF]
    values = np.concatenate([bits, np.array(special, np.uint32)]).view(np.float32)
    encoded = encode("g", values, "bf16", values.size)[0]
    with np.errstate(invalid="ignore"):
        expected = values.astype(BFLOAT16)
    is_nan = np.isnan(values)
    np.testing.assert_array_equal(encoded[~is_nan], expected.view(np.uint16)[~is_nan])
    assert np.isnan(encoded.view(BFLOAT16)[is_nan].astype(np.float32)).all()


def test_bfloat16_bits_pass_unchanged() -> None:
    values = np.array([[1.5, -2.0]], BFLOAT16)
    bits = values.view(np.uint16)
    np.testing.assert_array_equal(encode("g", values, "bf16", 2), bits)
    np.testing.assert_array_equal(encode("g", bits, "bf16", 2), bits)


def test_overflow_to_float16_becomes_infinity_for_the_server_to_reject() -> None:
    assert np.isinf(encode("g", np.array([1e6], np.float32), "f16", 1)).all()


@pytest.mark.parametrize("shape", [(3,), (2, 3), (2, 5), (1, 2, 4), ()])
def test_wrong_shape_is_named(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"g has shape .*expected \[k, 4\] or \[4\]"):
        encode("g", np.zeros(shape, np.float32), "f32", 4)


@pytest.mark.parametrize("dtype", [np.int64, np.uint16, np.complex64, np.bool_])
def test_elements_that_are_no_floats_are_refused(dtype: Any) -> None:
    with pytest.raises(TypeError, match="expected floats"):
        encode("g", np.zeros(4, dtype), "f32", 4)


def test_sample_ids_may_use_all_64_bits() -> None:
    assert sample_id_list("ids", [0, 2**64 - 1]) == [0, 2**64 - 1]
    assert sample_id_list("ids", 7) == [7]
    assert sample_id_list("ids", np.arange(3, dtype=np.int32)) == [0, 1, 2]


@pytest.mark.parametrize(
    ("ids", "kind", "message"),
    [
        ([1, -2], ValueError, "holds -2"),
        ([2**64], ValueError, "holds 18446744073709551616"),
        ([-1, 2**64 - 1], ValueError, "holds -1"),
        ([3, 5, 3], ValueError, "holds 3 twice"),
        ([], ValueError, "expected .k. with k >= 1"),
        ([[1, 2]], ValueError, "expected .k. with k >= 1"),
        ([1.0, 2.0], TypeError, "holds 1.0"),
        (["1"], TypeError, "holds '1'"),
        (np.ones(2), TypeError, "dtype float64"),
    ],
)
def test_wrong_sample_ids_are_named(ids: Any, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        sample_id_list("ids", ids)
