"""Each example against the real server: the golden case, ids of 64 bits, exactly once."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import datainf
import numpy as np
import pytest
from numpy.typing import NDArray
from server_process import ServerProcess

EXAMPLES = Path(__file__).parents[1]
GOLDEN = EXAMPLES.parents[1] / "server/engine/src/test/resources/golden/tiny-handmade.npz"
COMMANDS = {
    "go": [str(EXAMPLES / "target/go-example")],
    "node": ["node", str(EXAMPLES / "node/dist/main.js")],
}
# Of float32, relative to the greatest score of the validation point.
TOLERANCE = 1e-5
# With bit 63 set, and far from any number that a float64 holds exactly.
FIRST_ID = 2**63 + 2**53 + 1
TIMEOUT_SECONDS = 120


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    with tempfile.TemporaryDirectory(prefix="datainf-") as folder:
        process = ServerProcess(Path(folder))
        process.start()
        yield process
        process.stop()


@pytest.fixture(params=COMMANDS)
def language(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    # Set by the script `verify`, which has built these.
    if name not in os.environ["DATAINF_EXAMPLES"].split():
        pytest.skip(f"{name} is not installed")
    return name


@pytest.fixture(params=["unix", "tcp"])
def target(request: pytest.FixtureRequest, server: ServerProcess) -> str:
    return server.target if request.param == "unix" else str(server.ready["grpc"])


def arguments(language: str, target: str, run: str, **options: object) -> list[str]:
    """The command line of an example, with two dashes: Go takes one or two."""
    named = {"target": target, "run": run, **options}
    flags = [f"--{name.replace('_', '-')}={value}" for name, value in named.items()]
    return [*COMMANDS[language], *flags]


def example(language: str, target: str, run: str, **options: object) -> tuple[str, str]:
    """Runs an example to its end; returns what it prints to stdout and to stderr."""
    done = subprocess.run(
        arguments(language, target, run, **options),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr.strip()


def write_rows(path: Path, rows: NDArray[np.float32]) -> Path:
    path.write_bytes(rows.astype("<f4").tobytes())
    return path


def write_layout(path: Path, blocks: list[tuple[str, int, int]]) -> Path:
    described = [{"name": name, "rows": r, "columns": c} for name, r, c in blocks]
    path.write_text(json.dumps({"blocks": described}))
    return path


def test_golden_case(language: str, target: str, tmp_path: Path) -> None:
    with np.load(GOLDEN) as file:
        golden = dict(file)
    names, shapes = golden["block_names"].tolist(), golden["block_shapes"].tolist()
    blocks = range(len(names))
    train = np.hstack([golden[f"train.{b}"] for b in blocks])
    files = {
        "layout": write_layout(tmp_path / "layout.json", [(names[b], *shapes[b]) for b in blocks]),
        "train": write_rows(tmp_path / "train.f32", train),
        "first_id": FIRST_ID,
    }
    val = write_rows(tmp_path / "val.f32", np.hstack([golden[f"val.{b}"] for b in blocks]))
    run = f"golden-{language}-{'unix' if target.startswith('unix') else 'tcp'}"

    output, log = example(language, target, run, **files, writer="w", val=val, top=len(train))
    assert log == "0 duplicates, 0 replaced, rejected: []"
    expected = golden["score.datainf"]
    scores = np.full(expected.shape, np.nan)
    for line in output.splitlines():
        point, sample_id, score = line.split("\t")
        scores[int(point), int(sample_id) - FIRST_ID] = float(score)
    largest = np.abs(expected).max(axis=1, keepdims=True)
    assert (np.abs(scores - expected) <= TOLERANCE * largest).all()  # false for what is missing

    # Another writer sends the same samples: nothing is stored.
    output, log = example(language, target, run, **files)
    assert (output, log) == ("", f"{len(train)} duplicates, 0 replaced, rejected: []")
    # The first writer comes back: nothing is sent.
    output, log = example(language, target, run, **files, writer="w", val=val, top=2)
    assert log == "0 duplicates, 0 replaced, rejected: []"
    ranked = np.array([line.split("\t")[2] for line in output.splitlines()], float).reshape(-1, 2)
    np.testing.assert_allclose(
        ranked, -np.sort(-expected)[:, :2], atol=TOLERANCE * float(largest.max())
    )
    with datainf.Client(target) as client:
        assert client.run(run).revision == len(train)


def test_sample_larger_than_a_message(language: str, server: ServerProcess, tmp_path: Path) -> None:
    dimension, count = 3_000_000, 3  # 12 MB a sample
    rows = np.random.default_rng(0).standard_normal((count, dimension), np.float32)
    layout = write_layout(tmp_path / "layout.json", [("wide", 1, dimension)])
    train = write_rows(tmp_path / "train.f32", rows)
    run = f"wide-{language}"
    example(language, server.target, run, layout=layout, train=train)
    with datainf.Client(server.target) as client, client.run(run).read_samples() as samples:
        stored = np.vstack([chunk.gradients for chunk in samples])
    np.testing.assert_array_equal(stored, rows)


def test_server_killed_in_the_middle(language: str, server: ServerProcess, tmp_path: Path) -> None:
    dimension, count = 256, 200_000  # 205 MB
    rows = np.random.default_rng(0).standard_normal((count, dimension), np.float32)
    layout = write_layout(tmp_path / "layout.json", [("block", 1, dimension)])
    train = write_rows(tmp_path / "train.f32", rows)
    run_id = f"killed-{language}"
    command = arguments(language, server.target, run_id, layout=layout, train=train)
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as pushing:
        with datainf.Client(server.target) as client:
            while not any(r.sample_count for r in client.list_runs() if r.run_id == run_id):
                assert pushing.poll() is None
        server.kill()
        assert pushing.poll() is None
        server.start()
        _, log = pushing.communicate(timeout=TIMEOUT_SECONDS)
    assert pushing.returncode == 0, log
    assert log.strip() == "0 duplicates, 0 replaced, rejected: []"
    with datainf.Client(server.target) as client:
        run = client.run(run_id)
    # A revision is a sample stored or replaced: each was stored once.
    assert (run.sample_count, run.revision) == (count, count)
