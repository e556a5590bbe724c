"""A TCP proxy that does what networks do."""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import threading
import time
from collections.abc import Iterator

_CHUNK_BYTES = 64 << 10
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER of 0 seconds: closing sends RST


class FaultyProxy:
    """Forwards connections to `target`, a "host:port", until told to misbehave. Thread-safe."""

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._server = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.target = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.connections = 0
        self._flowing = threading.Event()
        self._flowing.set()
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._bytes_left: int | None = None
        self._cut = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def freeze(self) -> None:
        """Forwards nothing more, as if the peer had vanished; connections stay open."""
        self._flowing.clear()

    def thaw(self) -> None:
        """Goes on forwarding."""
        self._flowing.set()

    def cut_after(self, byte_count: int) -> threading.Event:
        """Lets so many bytes pass, in both directions together; then holds the connections.

        Returns:
            Is set once they have passed.
        """
        with self._lock:
            self._cut = threading.Event()
            self._bytes_left = byte_count
            return self._cut

    def drop(self, *, reset: bool) -> None:
        """Ends all connections, by FIN or by RST, and lets new ones pass."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
            self._bytes_left = None
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    if reset:
                        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                        end.close()
                    else:
                        end.shutdown(socket.SHUT_RDWR)
        self.thaw()

    def close(self) -> None:
        self._listener.close()
        self.drop(reset=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._flowing.wait()
                server = socket.create_connection(self._server)
                self.connections += 1
                with self._lock:
                    self._pairs.append((client, server))
                for source, sink in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK_BYTES):
                self._flowing.wait()
                sink.sendall(data[: self._allowed(len(data))])
            self._flowing.wait()
            sink.shutdown(socket.SHUT_WR)

    def _allowed(self, byte_count: int) -> int:
        with self._lock:
            if self._bytes_left is None:
                return byte_count
            allowed = min(byte_count, self._bytes_left)
            self._bytes_left -= allowed
            if self._bytes_left == 0:
                self.freeze()
                self._cut.set()
            return allowed


@contextlib.contextmanager
def proxied(target: str) -> Iterator[FaultyProxy]:
    proxy = FaultyProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()


def misbehave(
    proxy: FaultyProxy, rng: random.Random, faults: int, most_bytes: int, over: threading.Event
) -> None:
    """Delays, cuts or resets connections at random bytes, so many times or until `over`."""
    for _ in range(faults):
        reached = proxy.cut_after(rng.randrange(1, most_bytes))
        while not reached.wait(0.01):
            if over.is_set():
                proxy.drop(reset=False)
                return
        fault = rng.randrange(3)
        if fault == 0:
            time.sleep(rng.uniform(0, 0.2))
        proxy.drop(reset=fault == 1)
