"""Samples out of the real server into files, and back."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from server_process import ServerProcess

import datainf
from datainf import _arrow
from datainf._cli import main

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: [arrow]")
ipc = pytest.importorskip("pyarrow.ipc")
parquet = pytest.importorskip("pyarrow.parquet")

FORMATS = ["parquet", "arrow", "npz"]
NewRun = Callable[..., datainf.Run]


def fill(run: datainf.Run, count: int = 50, seed: int = 1) -> None:
    """Stores samples with ids up to 2^64 - 1, the first half with steps."""
    rows = np.random.default_rng(seed).standard_normal((count, run.dimension))
    ids = np.arange(count, dtype=np.uint64) * np.uint64(3)
    ids[0] = 2**64 - 1
    half = count // 2
    with run.writer() as writer:
        writer.add(ids[:half], rows[:half], steps=np.arange(half) - 2)
        writer.add(ids[half:], rows[half:])


def everything(run: datainf.Run) -> dict[str, np.ndarray[Any, Any]]:
    """Returns all samples of a run, put together."""
    with run.read_samples() as samples:
        chunks = list(samples)
    return {
        "ids": np.concatenate([chunk.ids for chunk in chunks]),
        "steps": np.concatenate([chunk.steps for chunk in chunks]),
        "q": np.concatenate([chunk.squared_norms for chunk in chunks]),
        "gradients": np.concatenate([chunk.gradients for chunk in chunks]),
    }


def require_equal(left: dict[str, Any], right: dict[str, Any]) -> None:
    for key, values in left.items():
        assert values.dtype == right[key].dtype, key
        assert values.tobytes() == right[key].tobytes(), key


def export(server: ServerProcess, run_id: str, file_format: str, path: Path) -> None:
    common = ["--run", run_id, "--target", server.target]
    assert main(["export", *common, "--format", file_format, "--output", str(path)]) == 0
    assert sorted(path.parent.glob("*.part")) == []


def push(server: ServerProcess, run_id: str, path: Path, *options: str) -> int:
    return main(["push", str(path), "--run", run_id, "--target", server.target, *options])


@pytest.mark.parametrize("dtype", ["f32", "bf16"])
@pytest.mark.parametrize("file_format", FORMATS)
def test_export_and_push_give_the_same_run_again(
    server: ServerProcess, client: datainf.Client, tmp_path: Path, file_format: str, dtype: str
) -> None:
    name = f"out-{file_format}-{dtype}"
    run = client.create_run(
        name,
        [datainf.Block("q", 2, 150), datainf.Block("a.lora_B.weight", 1, 7)],
        stored_dtype=dtype,  # type: ignore[arg-type]
        damping_scale=0.3,
        checkpoint="step-9",
        labels={"model": "m"},
    )
    fill(run)
    first, second = tmp_path / f"first.{file_format}", tmp_path / f"second.{file_format}"
    export(server, name, file_format, first)
    assert push(server, f"{name}-again", first) == 0
    again = client.run(f"{name}-again")
    for attribute in ("blocks", "stored_dtype", "damping_scale", "checkpoint", "labels"):
        assert getattr(again, attribute) == getattr(run, attribute)
    require_equal(everything(run), everything(again))
    validation = np.random.default_rng(2).standard_normal((2, run.dimension))
    scores = [each.query(validation, reproducible=True).scores for each in (run, again)]
    assert scores[0].tobytes() == scores[1].tobytes()
    export(server, f"{name}-again", file_format, second)
    require_equal(content(first), content(second))
    # Pushed to where it came from, it changes nothing.
    assert push(server, name, second) == 0
    assert client.run(name).revision == 50


def content(path: Path) -> dict[str, Any]:
    """Returns the columns or arrays of a file."""
    if path.suffix == ".npz":
        with np.load(path) as arrays:
            return {key: arrays[key] for key in arrays.files if key != "datainf"}
    table = read_table(path)
    values: dict[str, Any] = {}
    for name in table.column_names:
        column = table.column(name).combine_chunks()
        flat = column.flatten() if pa.types.is_fixed_size_list(column.type) else column
        values[name] = flat.to_numpy(zero_copy_only=False)
    return values


def read_table(path: Path) -> Any:
    if path.suffix == ".parquet":
        return parquet.read_table(path)
    with ipc.open_file(str(path)) as file:
        return file.read_all()


def write_table(table: Any, path: Path) -> None:
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    else:
        with ipc.new_file(str(path), table.schema) as file:
            file.write_table(table)


def test_a_file_says_what_its_run_is(
    server: ServerProcess, client: datainf.Client, tmp_path: Path
) -> None:
    run = client.create_run("said", [datainf.Block("q", 2, 3), datainf.Block("step", 1, 1)])
    fill(run)
    path = tmp_path / "said.parquet"
    export(server, "said", "parquet", path)
    table = read_table(path)
    assert table.column_names == ["sample_id", "step", "q", "gradient.q", "gradient.step"]
    assert table.schema.field("gradient.q").type.list_size == 6
    said = json.loads(table.schema.metadata[b"datainf"])
    assert said["run_id"] == "said"
    assert said["revision"] == 50
    assert said["blocks"][0] == {"name": "q", "rows": 2, "columns": 3}
    assert said["lambda"] == [block.damping for block in run.statistics().blocks]
    stored = content(path)
    np.testing.assert_allclose(
        stored["q"].reshape(-1, 2)[:, 0],
        (stored["gradient.q"].astype(np.float64).reshape(-1, 6) ** 2).sum(axis=1),
        rtol=1e-12,
    )


@pytest.mark.parametrize("file_format", ["parquet", "arrow"])
def test_a_run_is_written_and_read_group_by_group(
    server: ServerProcess,
    new_run: NewRun,
    client: datainf.Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    file_format: str,
) -> None:
    run = new_run(100_000)
    fill(run, 30)
    # Chunks have at most 2 MiB, 5 rows here.
    monkeypatch.setattr(_arrow, "_GROUP_BYTES", 4_000_000)
    path = tmp_path / f"groups.{file_format}"
    export(server, run.run_id, file_format, path)
    if file_format == "parquet":
        assert parquet.ParquetFile(path).num_row_groups == 3
    else:
        assert ipc.open_file(str(path)).num_record_batches == 3
    assert push(server, f"{run.run_id}-again", path) == 0
    require_equal(everything(run), everything(client.run(f"{run.run_id}-again")))
    assert push(server, f"{run.run_id}-some", path, "--limit", "7") == 0
    assert client.run(f"{run.run_id}-some").sample_count == 7


def test_files_of_other_programs_are_taken(
    server: ServerProcess, new_run: NewRun, client: datainf.Client, tmp_path: Path
) -> None:
    run = new_run(3, 2)
    fill(run, 4)
    path = tmp_path / "spark.parquet"
    export(server, run.run_id, "parquet", path)
    table = read_table(path)
    # Lists of any length and float64, no steps and no q.
    plain = table.select(["sample_id"])
    for name in table.column_names[3:]:
        plain = plain.append_column(name, table.column(name).cast(pa.list_(pa.float64())))
    write_table(plain, path)
    assert push(server, f"{run.run_id}-plain", path) == 0
    ours, theirs = everything(run), everything(client.run(f"{run.run_id}-plain"))
    assert theirs.pop("steps").tolist() == [0] * 4
    require_equal(theirs, ours)


def replaced(name: str, values: Any) -> Callable[[Any], Any]:
    return lambda table: table.set_column(table.column_names.index(name), name, values)


def without(name: str) -> Callable[[Any], Any]:
    return lambda table: table.drop_columns([name])


def said(**changes: Any) -> Callable[[Any], Any]:
    def change(table: Any) -> Any:
        metadata = json.loads(table.schema.metadata[b"datainf"])
        return table.replace_schema_metadata({"datainf": json.dumps({**metadata, **changes})})

    return change


@pytest.mark.parametrize("file_format", ["parquet", "arrow"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.replace_schema_metadata({}), "has no metadata 'datainf'"),
        (lambda t: t.replace_schema_metadata({"datainf": "{"}), "is not what export writes"),
        (said(version=2), "has version 2, expected 1"),
        (said(stored_dtype="f64"), "stored_dtype 'f64', expected 'f32' or 'bf16'"),
        (said(stored_dtype="bf16"), "expected lists of 2 uint16, the bits of bfloat16"),
        (said(blocks=[]), "expected at least one"),
        (
            said(blocks=[{"name": "block0", "rows": 1, "columns": 3}]),
            "column 'gradient.block0' has type fixed_size_list",
        ),
        (without("gradient.block0"), "has 0 columns 'gradient.block0'"),
        (without("sample_id"), "has 0 columns 'sample_id', expected one of integers"),
        (replaced("sample_id", pa.array(["a", "b"])), "has type string, expected integers"),
        (replaced("sample_id", pa.array([-1, 2])), "'sample_id'"),
        (replaced("sample_id", pa.array([7, 7])), "sample_id holds 7 twice"),
        (replaced("sample_id", pa.array([7, None])), "'sample_id' has nulls"),
        (
            replaced("gradient.block0", pa.array([[1.0, 2.0], [3.0]])),
            "has a list of 1, expected 2",
        ),
        (replaced("gradient.block0", pa.array([[1.0, 2.0], None])), "has nulls"),
        (replaced("gradient.block0", pa.array([[1.0, 2.0], [3.0, None]])), "has nulls"),
        (lambda table: table.slice(0, 0), "has no rows, expected at least 1"),
    ],
)
def test_bad_files_are_named(
    server: ServerProcess,
    client: datainf.Client,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file_format: str,
    change: Callable[[Any], Any],
    message: str,
) -> None:
    run = client.create_run("two-rows", [datainf.Block("block0", 1, 2)])
    with run.writer() as writer:
        writer.add([1, 2], np.ones((2, 2), np.float32))
    path = tmp_path / f"bad.{file_format}"
    export(server, "two-rows", file_format, path)
    write_table(change(read_table(path)), path)
    assert push(server, "two-rows", path) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"datainf push: {path}: ")
    assert message in error
    assert client.run("two-rows").sample_count == 2


@pytest.mark.parametrize("file_format", FORMATS)
def test_cut_files_are_named(
    server: ServerProcess,
    new_run: NewRun,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    file_format: str,
) -> None:
    run = new_run(2)
    fill(run, 4)
    path = tmp_path / f"cut.{file_format}"
    export(server, run.run_id, file_format, path)
    whole = path.read_bytes()
    for length in (0, 3, 12, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:length])
        assert push(server, "never-made", path) == 1
        assert str(path) in capsys.readouterr().err
    assert main(["stats", "--run", "never-made", "--target", server.target]) == 1


def test_a_flipped_bit_in_a_parquet_page_is_found(
    server: ServerProcess, new_run: NewRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = new_run(1_000)
    fill(run, 4)
    path = tmp_path / "flipped.parquet"
    export(server, run.run_id, "parquet", path)
    data = bytearray(path.read_bytes())
    with run.read_samples() as samples:
        row = next(samples).gradients[2].tobytes()
    data[data.index(row) + 77] ^= 1
    path.write_bytes(data)
    assert push(server, run.run_id, path) == 1
    assert "cannot be read" in capsys.readouterr().err


def test_bad_npz_files_are_named(
    server: ServerProcess, new_run: NewRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = new_run(2, stored_dtype="bf16")
    fill(run, 4)
    path = tmp_path / "bad.npz"
    export(server, run.run_id, "npz", path)
    with np.load(path) as file:
        arrays = dict(file)
    for changes, message in (
        ({"steps": np.zeros(3, np.int64)}, "steps has dtype int64 and shape (3,)"),
        ({"train.0": np.zeros((4, 2), np.float32)}, "expected uint16, the bits of bfloat16"),
        ({"block_names": np.array(["other"])}, "datainf has other blocks"),
        ({"datainf": np.array("[]")}, "is not what export writes"),
    ):
        np.savez(path, **{**arrays, **changes})
        assert push(server, run.run_id, path) == 1
        assert message in capsys.readouterr().err


def test_without_pyarrow_npz_works_and_the_others_say_what_to_install(
    server: ServerProcess, new_run: NewRun, tmp_path: Path
) -> None:
    run = new_run(2)
    fill(run, 4)
    code = (
        "import sys; sys.modules['pyarrow'] = None; from datainf._cli import main;"
        "sys.exit(main(sys.argv[1:]))"
    )
    common = ["export", "--run", run.run_id, "--target", server.target]

    def exported(file_format: str) -> subprocess.CompletedProcess[str]:
        output = ["--format", file_format, "--output", str(tmp_path / "out")]
        return subprocess.run(  # noqa: S603
            [sys.executable, "-c", code, *common, *output],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    assert exported("npz").returncode == 0
    refused = exported("parquet")
    assert refused.returncode == 1
    assert "pip install 'datainf-client[arrow]'" in refused.stderr


def test_an_export_that_fails_leaves_the_file_that_was_there(
    server: ServerProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "kept.parquet"
    path.write_text("mine")
    common = ["--target", server.target, "--format", "parquet", "--output", str(path)]
    assert main(["export", "--run", "no-such-run", *common]) == 1
    assert "no-such-run" in capsys.readouterr().err
    assert path.read_text() == "mine"
    assert sorted(tmp_path.iterdir()) == [path]


def test_read_samples_by_id_and_revision(new_run: NewRun) -> None:
    run = new_run(600_000)  # larger than a message
    rows = np.random.default_rng(3).standard_normal((3, run.dimension), np.float32)
    with run.writer() as writer:
        writer.add([1, 2, 3], rows, steps=[5, 6, 7])
    with run.read_samples([3, 1], revision=3) as samples:
        assert (samples.revision, samples.sample_count, samples.count) == (3, 3, 2)
        assert samples.damping.tolist() == [run.statistics().blocks[0].damping]
        chunks = list(samples)
    assert [chunk.ids.tolist() for chunk in chunks] == [[3], [1]]
    assert [chunk.steps.tolist() for chunk in chunks] == [[7], [5]]
    assert chunks[0].gradients.tobytes() == rows[2].tobytes()
    with pytest.raises(datainf.NotFoundError, match="does not hold 2 of 3 samples: 8, 9"):
        run.read_samples([1, 8, 9])
    with pytest.raises(datainf.FailedPreconditionError, match="min_revision is 4"):
        run.read_samples(min_revision=4)
    run.delete_samples([1])
    with pytest.raises(datainf.DataInfError, match="at revision 4") as failure:
        run.read_samples(revision=3)
    assert failure.value.code == grpc.StatusCode.OUT_OF_RANGE


def test_read_samples_may_be_left_early(new_run: NewRun) -> None:
    run = new_run(1 << 18)
    fill(run, 30)
    with run.read_samples() as samples:
        first = next(samples)
    assert first.gradients.shape == (1, 1 << 18)
    run.delete()
