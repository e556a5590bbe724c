import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import datainf
from datainf._definition import ExchangeFileError
from datainf._exchange import ExchangeFile, joined


def arrays(**changes: Any) -> dict[str, Any]:
    """Returns the arrays of a right file with n = 3, m = 1, d = 4, 2; None leaves one out."""
    base = {
        "block_names": np.array(["a", "b"]),
        "block_shapes": np.array([[2, 2], [1, 2]]),
        "train.0": np.arange(12, dtype=np.float32).reshape(3, 4),
        "train.1": np.arange(6, dtype=np.float32).reshape(3, 2),
        "val.0": np.zeros((1, 4), np.float32),
        "val.1": np.zeros((1, 2), np.float32),
    }
    base.update(
        {
            key.replace("_", ".", 1) if key[-1].isdigit() else key: value
            for key, value in changes.items()
        }
    )
    return {key: value for key, value in base.items() if value is not None}


def saved(folder: Path, **changes: Any) -> Path:
    path = folder / "file.npz"
    np.savez(path, **arrays(**changes))
    return path


def test_blocks_gradients_and_row_numbers(tmp_path: Path) -> None:
    with ExchangeFile(saved(tmp_path)) as file:
        assert file.blocks == (datainf.Block("a", 2, 2), datainf.Block("b", 1, 2))
        blocks = file.gradients("train")
        assert [block.shape for block in blocks] == [(3, 4), (3, 2)]
        assert file.sample_ids(3).tolist() == [0, 1, 2]
    parts = list(joined(blocks, 3, 2))
    assert [(part.start, part.stop) for part, _ in parts] == [(0, 2), (2, 3)]
    assert parts[1][1].tolist() == [[8, 9, 10, 11, 4, 5]]
    assert parts[1][1].dtype == np.float32


@pytest.mark.parametrize("dtype", [np.float16, np.float64])
def test_other_floats_are_converted(tmp_path: Path, dtype: Any) -> None:
    path = saved(tmp_path, train_0=np.ones((3, 4), dtype), train_1=np.ones((3, 2), dtype))
    with ExchangeFile(path) as file:
        ((_, rows),) = joined(file.gradients("train"), 3, 10)
    assert rows.tolist() == np.ones((3, 6)).tolist()


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (np.array([7, 5, 9]), [7, 5, 9]),
        (np.array([7, 5, 2**64 - 1], np.uint64), [7, 5, 2**64 - 1]),
        (np.array(["9", "10", "23"]), [9, 10, 23]),
        (np.array(["9", "10", "x"]), [0, 1, 2]),
        (np.array(["s0", "s1", "s2"]), [0, 1, 2]),
        (np.array([1.0, 2.0, 3.0]), [0, 1, 2]),
    ],
)
def test_ids_are_used_when_they_are_integers(tmp_path: Path, ids: Any, expected: Any) -> None:
    with ExchangeFile(saved(tmp_path, ids=ids)) as file:
        assert file.sample_ids(3).tolist() == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"block_names": None}, "block_names is missing"),
        ({"block_names": np.array([1, 2])}, "block_names has dtype int64 .* expected strings"),
        ({"block_names": np.array(["a", None])}, "block_names cannot be read: Object arrays"),
        ({"block_shapes": np.array([[2, 2]])}, r"block_shapes .* shape \(1, 2\), .*\[2, 2\]"),
        ({"block_shapes": np.array([[2, 0], [1, 2]])}, "block_shapes holds 0, expected at least 1"),
        ({"train_1": None}, r"train\.1 is missing"),
        (
            {"train_0": np.zeros((3, 5), np.float32)},
            r"train\.0 has shape \(3, 5\), .*rows, 4\]: "
            "block 'a' is 2 by 2",
        ),
        ({"train_1": np.zeros((2, 2), np.float32)}, r"train\.1 has shape \(2, 2\), .*\[3, 2\]"),
        ({"train_0": np.zeros((3, 4), np.int32)}, r"train\.0 has dtype int32, expected floats"),
        ({"train_0": np.zeros(4, np.float32)}, r"train\.0 has shape \(4,\)"),
        ({"train_2": np.zeros((3, 2), np.float32)}, r"train\.2 is one too many"),
        (
            {"train_0": np.zeros((0, 4), np.float32), "train_1": np.zeros((0, 2), np.float32)},
            r"train\.0 has no rows",
        ),
        ({"ids": np.array([1, 2])}, r"ids has shape \(2,\), expected \[3\]"),
        ({"ids": np.array([1, 2, 1])}, "ids holds 1 twice"),
        ({"ids": np.array([1, 2, -3])}, "ids holds -3"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = saved(tmp_path, **changes)
    with pytest.raises(ExchangeFileError, match=f"{re.escape(str(path))}: {message}"):
        read_all(path)


def read_all(path: Path) -> None:
    with ExchangeFile(path) as file:
        file.gradients("train")
        file.sample_ids(3)


def test_files_of_other_kinds_are_named(tmp_path: Path) -> None:
    text = tmp_path / "text.npz"
    text.write_text("no archive")
    with pytest.raises(ExchangeFileError, match=r"text\.npz is not an \.npz file"):
        ExchangeFile(text)
    single = tmp_path / "single.npy"
    np.save(single, np.zeros(3))
    with pytest.raises(ExchangeFileError, match=r"single\.npy holds a single array"):
        ExchangeFile(single)
    with pytest.raises(FileNotFoundError):
        ExchangeFile(tmp_path / "none.npz")


def test_damaged_array_is_named(tmp_path: Path) -> None:
    path = saved(tmp_path)
    content = bytearray(path.read_bytes())
    at = content.index(arrays()["train.0"].tobytes())
    content[at + 25] ^= 1
    path.write_bytes(content)
    with pytest.raises(ExchangeFileError, match=r"train\.0 cannot be read: Bad CRC-32"):
        read_all(path)
