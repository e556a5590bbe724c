from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from server_process import ServerProcess, running_server

import datainf

_numbers = itertools.count()


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A new folder whose path leaves room for a Unix socket's 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="datainf-") as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    """One server for all tests that do not end it."""
    with running_server() as process:
        yield process


@pytest.fixture
def client(server: ServerProcess) -> Iterator[datainf.Client]:
    with datainf.Client(server.target) as client:
        yield client


@pytest.fixture
def new_run(client: datainf.Client) -> Callable[..., datainf.Run]:
    """Makes a run of its own with blocks of given widths (rank 1)."""

    def create(*dimensions: int, **options: str) -> datainf.Run:
        blocks = [datainf.Block(f"block{i}", 1, d) for i, d in enumerate(dimensions)]
        return client.create_run(f"run-{next(_numbers)}", blocks, **options)  # type: ignore[arg-type]

    return create
