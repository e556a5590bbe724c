"""Sends rows as a trainer would, in a process of its own, and obeys lines on standard input.

    {"path", "target", "name", "firstWriter", "writers", "dtype", "elements", "bytes", "messageBytes"}
          prepares a transfer, connects each of its writers, and prints "ready"
    go    sends, prints the bytes of the rows once whoever takes them has said that all are there, disconnects, and
          prints "closed"

Paths: "datainf", our client; "datainf-socket", the same without shared memory; "flight", Arrow Flight DoPut; "grpc",
messages of raw bytes; "socket", a plain socket; "memcpy", a copy within the process. `name` is the run, or what Flight is to keep the rows under. Rows come from a pool
larger than the caches, whose rows are sent again and again under other ids.
"""

from __future__ import annotations

import json
import socket
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ml_dtypes
import numpy as np

POOL_BYTES = 64 << 20
DTYPES = {"f32": np.dtype(np.float32), "bf16": np.dtype(ml_dtypes.bfloat16)}


@lru_cache(maxsize=1)
def pool(elements: int, dtype: str) -> np.ndarray:
    """Random rows [k, elements]."""
    kind = DTYPES[dtype]
    count = max(1, POOL_BYTES // (elements * kind.itemsize))
    rows = np.random.default_rng(1).random((count, elements), np.float32) - np.float32(0.5)
    return rows.astype(kind, copy=False)


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """What one writer sends."""

    target: str
    name: str
    writer: int
    dtype: str
    elements: int
    bytes: int
    message_bytes: int

    @property
    def rows(self) -> np.ndarray:
        return pool(self.elements, self.dtype)

    @property
    def row_bytes(self) -> int:
        return self.elements * DTYPES[self.dtype].itemsize

    @property
    def count(self) -> int:
        return max(1, self.bytes // self.row_bytes)

    def batches(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Ids and rows, about a message's worth at a time."""
        step = min(len(self.rows), max(1, self.message_bytes // self.row_bytes))
        first = (self.writer + 1) << 40
        for done in range(0, self.count, step):
            some = min(step, self.count - done)
            begin = done % (len(self.rows) - some + 1)
            yield np.arange(first + done, first + done + some), self.rows[begin : begin + some]


class Sender(ABC):
    """One writer: connected when made."""

    def __init__(self, transfer: Transfer) -> None:
        self.transfer = transfer

    @abstractmethod
    def send(self) -> None:
        """Sends all rows, and returns when they are there."""

    def close(self) -> None:
        """Lets the connection go."""


class DataInf(Sender):
    shared_memory = True

    def __init__(self, transfer: Transfer) -> None:
        import datainf

        super().__init__(transfer)
        self.client = datainf.Client(transfer.target)
        options = datainf.WriterOptions(shared_memory=self.shared_memory)
        self.writer = self.client.run(transfer.name).writer(dtype=transfer.dtype, options=options)
        self.writer.add(transfer.writer, transfer.rows[0])
        self.writer.flush()

    def send(self) -> None:
        for ids, rows in self.transfer.batches():
            self.writer.add(ids, rows)
        self.writer.flush()
        if self.writer.stats().acked_samples != self.transfer.count + 1:
            raise RuntimeError(f"not all {self.transfer.count + 1} samples were stored: {self.writer.stats()}")

    def close(self) -> None:
        self.writer.close()
        self.client.close()


class DataInfSocket(DataInf):
    shared_memory = False


class Flight(Sender):
    def __init__(self, transfer: Transfer) -> None:
        import pyarrow as pa
        from pyarrow import flight

        super().__init__(transfer)
        self.pa = pa
        self.client = flight.FlightClient(transfer.target)
        self.drop = flight.Action("drop", f"{transfer.name}-{transfer.writer}".encode())
        list(self.client.do_action(self.drop))
        element = pa.float32() if transfer.dtype == "f32" else pa.uint16()
        self.schema = pa.schema([("id", pa.int64()), ("gradient", pa.list_(element, transfer.elements))])
        descriptor = flight.FlightDescriptor.for_path(self.drop.body.to_pybytes())
        self.writer, _ = self.client.do_put(descriptor, self.schema)

    def send(self) -> None:
        pa = self.pa
        for ids, rows in self.transfer.batches():
            flat = rows.reshape(-1)
            values = pa.array(flat if self.transfer.dtype == "f32" else flat.view(np.uint16))
            column = pa.FixedSizeListArray.from_arrays(values, type=self.schema.field("gradient").type)
            self.writer.write_batch(pa.RecordBatch.from_arrays([pa.array(ids), column], schema=self.schema))
        self.writer.close()

    def close(self) -> None:
        list(self.client.do_action(self.drop))
        self.client.close()


class Grpc(Sender):
    def __init__(self, transfer: Transfer) -> None:
        import grpc

        super().__init__(transfer)
        self.channel = grpc.insecure_channel(transfer.target)
        self.call = self.channel.stream_unary("/raw.Sink/Take")
        self.call(iter([b"\0"]))

    def send(self) -> None:
        messages = (rows.tobytes() for _, rows in self.transfer.batches())
        taken = int(self.call(messages))
        if taken != self.transfer.count * self.transfer.row_bytes:
            raise RuntimeError(f"{taken} bytes arrived of {self.transfer.count * self.transfer.row_bytes}")

    def close(self) -> None:
        self.channel.close()


class Socket(Sender):
    def __init__(self, transfer: Transfer) -> None:
        super().__init__(transfer)
        if transfer.target.startswith("unix:"):
            self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.socket.connect(transfer.target.removeprefix("unix:"))
        else:
            host, port = transfer.target.split(":")
            self.socket = socket.create_connection((host, int(port)))

    def send(self) -> None:
        for _, rows in self.transfer.batches():
            self.socket.sendall(rows.view(np.uint8).reshape(-1))
        self.socket.shutdown(socket.SHUT_WR)
        self.socket.recv(1)

    def close(self) -> None:
        self.socket.close()


class Memcpy(Sender):
    def __init__(self, transfer: Transfer) -> None:
        super().__init__(transfer)
        self.copy = np.zeros_like(transfer.rows)

    def send(self) -> None:
        for done, (_, rows) in enumerate(self.transfer.batches()):
            begin = done % (len(self.copy) - len(rows) + 1)
            np.copyto(self.copy[begin : begin + len(rows)], rows)


PATHS: dict[str, type[Sender]] = {
    "datainf": DataInf,
    "datainf-socket": DataInfSocket,
    "flight": Flight,
    "grpc": Grpc,
    "socket": Socket,
    "memcpy": Memcpy,
}


def connect(command: dict[str, Any]) -> list[Sender]:
    """One sender a writer."""
    return [
        PATHS[command["path"]](
            Transfer(
                target=command["target"],
                name=command["name"],
                writer=command["firstWriter"] + writer,
                dtype=command["dtype"],
                elements=command["elements"],
                bytes=command["bytes"] // command["writers"],
                message_bytes=command["messageBytes"],
            )
        )
        for writer in range(command["writers"])
    ]


def send(senders: list[Sender]) -> None:
    """All at once, each on a thread."""
    failures: list[BaseException] = []

    def run(sender: Sender) -> None:
        try:
            sender.send()
        except BaseException as failure:  # raised again below
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(sender,)) for sender in senders[1:]]
    for thread in threads:
        thread.start()
    run(senders[0])
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def main() -> None:
    for line in sys.stdin:
        senders = connect(json.loads(line))
        print("ready", flush=True)
        sys.stdin.readline()
        send(senders)
        print(sum(sender.transfer.count * sender.transfer.row_bytes for sender in senders), flush=True)
        for sender in senders:
            sender.close()
        print("closed", flush=True)


if __name__ == "__main__":
    main()
