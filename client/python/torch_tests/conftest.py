from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import torch
from loop import FIGURES
from server_process import ServerProcess, running_server

import datainf

_numbers = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[ServerProcess]:
    with running_server() as process:
        yield process


@pytest.fixture
def client(server: ServerProcess) -> Iterator[datainf.Client]:
    with datainf.Client(server.target) as client:
        yield client


@pytest.fixture
def run_id() -> str:
    return f"run-{next(_numbers)}"


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("error of captured gradients, worst block, against batches of one")
    for case, error in FIGURES:
        terminalreporter.write_line(f"{error:.1e}  {case}")
