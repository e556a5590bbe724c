"""Takes what senders send, in four ways, and does nothing with it: the peers of our server.

    sink.py FOLDER     the sockets are made in FOLDER

Prints one line of JSON that says where it listens, {"flight", "flight-unix", "socket", "socket-unix"}, and ends with
standard input. Arrow Flight keeps the record batches of the uploads in memory until they are dropped; what comes over
plain sockets is read into one buffer, over and over.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
from pyarrow import flight

BUFFER_BYTES = 1 << 20


class KeepingServer(flight.FlightServerBase):
    """Keeps the record batches of all uploads; the action "drop" lets them go."""

    def __init__(self, location: str) -> None:
        super().__init__(location)
        self._lock = threading.Lock()
        self._batches: defaultdict[bytes, list[pa.RecordBatch]] = defaultdict(list)

    def do_put(
        self,
        context: flight.ServerCallContext,
        descriptor: flight.FlightDescriptor,
        reader: flight.MetadataRecordBatchReader,
        writer: flight.FlightMetadataWriter,
    ) -> None:
        batches = [chunk.data for chunk in reader]
        with self._lock:
            self._batches[descriptor.path[0]].extend(batches)

    def do_action(self, context: flight.ServerCallContext, action: flight.Action) -> list[flight.Result]:
        with self._lock:
            if action.type == "drop":
                self._batches.pop(action.body.to_pybytes(), None)
            rows = sum(batch.num_rows for batches in self._batches.values() for batch in batches)
        return [flight.Result(str(rows).encode())]


def listen(family: socket.AddressFamily, address: tuple[str, int] | str) -> socket.socket:
    """Takes connections on a thread of its own, each on another one."""
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.bind(address)
    listener.listen()

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=receive, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def receive(connection: socket.socket) -> None:
    """Reads until the sender has ended, and says so with one byte."""
    buffer = bytearray(BUFFER_BYTES)
    with connection:
        while connection.recv_into(buffer):
            pass
        connection.sendall(b"\n")


def main() -> None:
    folder = Path(sys.argv[1])
    flight_tcp = KeepingServer("grpc+tcp://127.0.0.1:0")
    flight_unix = f"grpc+unix://{folder / 'flight'}"
    keep_unix = KeepingServer(flight_unix)
    tcp = listen(socket.AF_INET, ("127.0.0.1", 0))
    unix = str(folder / "socket")
    listen(socket.AF_UNIX, unix)
    addresses = {
        "flight": f"grpc+tcp://127.0.0.1:{flight_tcp.port}",
        "flight-unix": flight_unix,
        "socket": f"127.0.0.1:{tcp.getsockname()[1]}",
        "socket-unix": f"unix:{unix}",
    }
    print(json.dumps(addresses), flush=True)
    sys.stdin.read()
    flight_tcp.shutdown()
    keep_unix.shutdown()


if __name__ == "__main__":
    main()
