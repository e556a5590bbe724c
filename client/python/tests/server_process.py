"""The real server, as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

_BUILT = Path(__file__).parents[3] / "server/sidecar/target/datainf/bin/datainf-server"
_STOP_SECONDS = 60.0
_START_SECONDS = 180.0  # it compiles its kernels first; machines that build are slow


def executable() -> Path:
    """Returns the server's command; DATAINF_SERVER names another than the one built here."""
    path = Path(os.environ.get("DATAINF_SERVER", _BUILT))
    if not path.is_file():
        pytest.fail(
            f"{path} does not exist: build it with `mvn -pl server/sidecar -am package` at the top"
            " of the repository, or set DATAINF_SERVER"
        )
    return path


class ServerProcess:
    """A server on free ports of the loopback interface and on a Unix socket in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.data_dir = folder / "data"
        self.target = f"unix:{folder / 'socket'}"
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.ready: dict[str, Any] = {}

    def command(self) -> list[str]:
        return [
            str(executable()),
            "serve",
            "--data-dir",
            str(self.data_dir),
            "--listen",
            "127.0.0.1:0",
            "--http",
            "127.0.0.1:0",
            "--unix-socket",
            str(self._folder / "socket"),
            "--ready-file",
            str(self._folder / "ready.json"),
        ]

    def start(self) -> None:
        """Starts it and waits until it serves."""
        ready_file = self._folder / "ready.json"
        ready_file.unlink(missing_ok=True)
        log = self._folder / "server.log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(self.command(), stdout=output, stderr=output)  # noqa: S603
        deadline = time.monotonic() + _START_SECONDS
        while not ready_file.exists():  # appears whole
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                pytest.fail(f"the server did not start:\n{log.read_text()}")
            time.sleep(0.02)
        self.ready = json.loads(ready_file.read_text())

    def kill(self) -> int:
        """Ends it as a power cut would end its process; returns its exit status."""
        return self._end(signal.SIGKILL)

    def stop(self) -> int:
        """Asks it to end; returns its exit status."""
        return self._end(signal.SIGTERM)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Lets it do nothing for a while: connections stay, nobody answers."""
        self._send(signal.SIGSTOP)
        try:
            yield
        finally:
            self._send(signal.SIGCONT)

    def _send(self, number: int) -> None:
        assert self._process is not None, "the server does not run"
        # The command replaces itself by the JVM.
        self._process.send_signal(number)

    def _end(self, number: int) -> int:
        if self._process is None:
            return 0
        self._send(number)
        try:
            status = self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._process = None
        return status


@contextlib.contextmanager
def running_server() -> Iterator[ServerProcess]:
    """Runs a server in a new folder whose path leaves room for a Unix socket's 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="datainf-") as folder:
        process = ServerProcess(Path(folder))
        process.start()
        yield process
        assert process.stop() == 0
