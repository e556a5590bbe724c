"""Faults of networks and processes. DATAINF_FAULTS=long makes many more of them."""

from __future__ import annotations

import itertools
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from faulty_proxy import misbehave, proxied
from server_process import ServerProcess, running_server

import datainf

LONG = os.environ.get("DATAINF_FAULTS") == "long"
LONG_SECONDS = 60.0
DIMENSION = 4096
# The server asks a silent peer after 60 s and gives it 20 s to answer.
HALF_OPEN_SECONDS = 60 + 20

# Samples of 16 KiB travel in messages of several.
QUICK = datainf.WriterOptions(
    message_bytes=100_000, retry_initial_seconds=0.01, retry_max_seconds=0.1
)

_numbers = itertools.count()


@pytest.fixture(scope="module")
def mortal() -> Iterator[ServerProcess]:
    """A server that these tests may stop."""
    with running_server() as process:
        yield process


@pytest.fixture
def run(mortal: ServerProcess) -> Iterator[datainf.Run]:
    with datainf.Client(mortal.target) as client:
        yield client.create_run(f"faults-{next(_numbers)}", [datainf.Block("b", 1, DIMENSION)])


def rows(first: int, count: int) -> Any:
    """Row k holds numbers that say so, [count, D]."""
    numbers = np.arange(first, first + count, dtype=np.float32)
    return np.repeat(numbers[:, None] + 1, DIMENSION, axis=1)


def require_exactly(run: datainf.Run, count: int) -> None:
    """Samples 0 to count - 1 are there, each stored once and with its own row."""
    ids: list[int] = []
    with run.read_samples() as samples:
        for chunk in samples:
            ids += chunk.ids.tolist()
            assert (chunk.gradients == chunk.ids[:, None].astype(np.float32) + 1).all()
    assert sorted(ids) == list(range(count))
    # One step for each sample stored or replaced.
    assert run.statistics().revision == count


def streams(server: ServerProcess) -> float:
    with urllib.request.urlopen(f"http://{server.ready['http']}/metrics") as page:
        for line in page.read().decode().splitlines():
            if line.startswith("datainf_ingest_streams "):
                return float(line.split()[1])
    pytest.fail("no datainf_ingest_streams")


def await_streams(server: ServerProcess, count: int, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while streams(server) != count:
        assert time.monotonic() < deadline, f"{streams(server)} streams: expected {count}"
        time.sleep(0.1)


def test_paused_server_blocks_the_trainer_and_loses_nothing(
    mortal: ServerProcess, run: datainf.Run
) -> None:
    options = datainf.WriterOptions(max_buffered_bytes=1 << 20, block_timeout_seconds=0.5)
    with run.writer(options=options) as writer:
        writer.add(range(8), rows(0, 8))
        writer.flush(LONG_SECONDS)
        with mortal.paused():
            # More than buffer, windows and sockets take together.
            with pytest.raises(datainf.WriterFullError, match="no room within") as full:
                writer.add(range(8, 2008), rows(8, 2000))
            added = 8 + full.value.accepted_count
            with pytest.raises(datainf.DeadlineExceededError, match="not acked within"):
                writer.flush(0.2)
        writer.flush(LONG_SECONDS)
    require_exactly(run, added)


def test_connections_cut_reset_and_delayed_at_random_bytes_lose_nothing(
    mortal: ServerProcess, run: datainf.Run
) -> None:
    seed = int(os.environ.get("DATAINF_SEED", time.time_ns()))
    print(f"DATAINF_SEED={seed}")  # shown if it fails
    rng = random.Random(seed)  # noqa: S311
    faults = 100 if LONG else 12
    with proxied(mortal.ready["grpc"]) as proxy, datainf.Client(proxy.target) as client:
        over = threading.Event()
        count = 0
        with client.run(run.run_id).writer(options=QUICK) as writer:
            faulty = threading.Thread(
                target=misbehave, args=(proxy, rng, faults, 4 << 20, over), daemon=True
            )
            faulty.start()
            while faulty.is_alive():
                writer.add(range(count, count + 4), rows(count, 4))
                count += 4
            over.set()
            faulty.join()
            writer.flush(LONG_SECONDS)
            assert proxy.connections > faults / 2
    require_exactly(run, count)


def test_vanished_peer_does_not_hold_up_its_successor(
    mortal: ServerProcess, run: datainf.Run
) -> None:
    with proxied(mortal.ready["grpc"]) as proxy, datainf.Client(proxy.target) as client:
        vanished = client.run(run.run_id).writer(writer_id="rank-0", options=QUICK)
        vanished.add(range(4), rows(0, 4))
        vanished.flush(LONG_SECONDS)
        await_streams(mortal, 1, LONG_SECONDS)
        proxy.freeze()
        with run.writer(writer_id="rank-0") as successor:
            successor.add(range(4, 8), rows(4, 4))
            successor.flush(LONG_SECONDS)
        # The server has ended the stream of the vanished one, not knowing that nobody listens.
        await_streams(mortal, 0, LONG_SECONDS)
        proxy.thaw()
        vanished.add(8, rows(8, 1))
        with pytest.raises(datainf.DataInfError, match="rank-0") as ended:
            vanished.flush(LONG_SECONDS)
        assert ended.value.code is grpc.StatusCode.ABORTED
    require_exactly(run, 8)


@pytest.mark.skipif(not LONG, reason="takes the server's keepalive: DATAINF_FAULTS=long")
def test_half_open_connection_is_freed_in_time_and_the_writer_comes_back(
    mortal: ServerProcess, run: datainf.Run
) -> None:
    with (
        proxied(mortal.ready["grpc"]) as proxy,
        datainf.Client(proxy.target) as client,
        client.run(run.run_id).writer(options=QUICK) as writer,
    ):
        writer.add(range(4), rows(0, 4))
        writer.flush(LONG_SECONDS)
        proxy.freeze()
        writer.add(range(4, 8), rows(4, 4))
        await_streams(mortal, 0, HALF_OPEN_SECONDS + 10)
        proxy.drop(reset=True)
        writer.flush(LONG_SECONDS)
    require_exactly(run, 8)


_KILLED_WRITER = """
import sys
import numpy as np
import datainf

target, run_id, dimension = sys.argv[1], sys.argv[2], int(sys.argv[3])
options = datainf.WriterOptions(message_bytes=10_000, max_buffered_bytes=1 << 20)
with datainf.Client(target) as client:
    run = client.run(run_id)
    first = run.statistics().sample_count
    tell = lambda stats: print(first + stats.acked_samples, flush=True)
    with run.writer(writer_id="rank-0", options=options, on_progress=tell) as writer:
        for sample_id in range(first, 1_000_000):
            writer.add(sample_id, np.full((1, dimension), sample_id + 1, np.float32))
"""


def test_killed_client_leaves_whole_samples_and_its_successor_goes_on(
    mortal: ServerProcess, run: datainf.Run
) -> None:
    """Samples are larger than messages, so that kills come within samples."""
    rng = random.Random(1)  # noqa: S311
    for _ in range(100 if LONG else 3):
        command = [sys.executable, "-c", _KILLED_WRITER, mortal.target, run.run_id, str(DIMENSION)]
        before = run.statistics().sample_count
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:  # noqa: S603
            assert writer.stdout is not None
            acked = 0
            for _ in range(rng.randrange(2, 20)):
                acked = int(writer.stdout.readline())
            writer.kill()
        assert writer.returncode == -signal.SIGKILL
        await_streams(mortal, 0, LONG_SECONDS)
        assert run.statistics().sample_count >= acked > before
    require_exactly(run, run.statistics().sample_count)


_TOXIPROXY = "github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0"
_TOXICS: tuple[dict[str, Any], ...] = (
    {"type": "latency", "attributes": {"latency": 50, "jitter": 50}},
    {"type": "reset_peer", "attributes": {"timeout": 20}},
    {"type": "limit_data", "attributes": {"bytes": 500_000}},
    {"type": "timeout", "attributes": {"timeout": 100}},
    {"type": "slicer", "attributes": {"average_size": 1000, "size_variation": 900}},
)


@pytest.mark.skipif(
    not LONG or shutil.which("go") is None, reason="builds toxiproxy: DATAINF_FAULTS=long and Go"
)
def test_toxiproxy_loses_nothing(mortal: ServerProcess, run: datainf.Run, tmp_path: Path) -> None:
    environment = {**os.environ, "GOBIN": str(tmp_path)}
    subprocess.run(["go", "install", _TOXIPROXY], env=environment, check=True)  # noqa: S603, S607
    api, port = (free_port() for _ in range(2))
    command = [str(tmp_path / "server"), "-host", "127.0.0.1", "-port", str(api)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as toxiproxy:  # noqa: S603
        try:
            proxy = {"name": "d", "listen": f"127.0.0.1:{port}", "upstream": mortal.ready["grpc"]}
            post_when_up(f"http://127.0.0.1:{api}/proxies", proxy)
            toxics = f"http://127.0.0.1:{api}/proxies/d/toxics"
            with (
                datainf.Client(f"127.0.0.1:{port}") as client,
                client.run(run.run_id).writer(options=QUICK) as writer,
            ):
                for count, toxic in enumerate(40 * _TOXICS):
                    stream = ("upstream", "downstream")[count % 2]
                    post(toxics, {**toxic, "name": "t", "stream": stream})
                    writer.add(range(8 * count, 8 * count + 8), rows(8 * count, 8))
                    time.sleep(0.2)
                    request = urllib.request.Request(f"{toxics}/t", method="DELETE")  # noqa: S310
                    urllib.request.urlopen(request).close()  # noqa: S310
                writer.flush(LONG_SECONDS)
        finally:
            toxiproxy.terminate()
    require_exactly(run, 8 * 40 * len(_TOXICS))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def post(url: str, content: dict[str, Any]) -> None:
    urllib.request.urlopen(url, json.dumps(content).encode()).close()  # noqa: S310


def post_when_up(url: str, content: dict[str, Any]) -> None:
    for _ in range(500):
        try:
            post(url, content)
        except urllib.error.URLError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"nobody answers at {url}")
