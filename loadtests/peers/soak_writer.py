"""Sends samples of the soak without end, in a process of its own that may be killed at any time.

    soak_writer.py TARGET RUN WRITER NEXT MESSAGE_BYTES    goes on as writer WRITER with its sample number NEXT

Prints "acked N" whenever all samples below number N are acknowledged. "stop" on standard input ends it; it has then sent
what it took, and prints "done N". The content of a sample is a function of its id, see `gradient`.
"""

from __future__ import annotations

import select
import sys
import time

import datainf
import numpy as np

BURST_SAMPLES = 16
PAUSE_SECONDS = 0.2
RETRY_SECONDS = 0.1
# Writers own ranges of ids.
WRITER_SHIFT = 40


def gradient(sample_id: int, dimension: int) -> np.ndarray:
    """24 bits of a hash of id and position, as a fraction less 1/2: the same as SoakSample makes."""
    position = np.arange(dimension, dtype=np.uint64)
    mixed = (np.uint64(sample_id) * np.uint64(0x9E3779B97F4A7C15)) ^ (position * np.uint64(0xBF58476D1CE4E5B9))
    mixed = (mixed ^ (mixed >> np.uint64(29))) * np.uint64(0x94D049BB133111EB)
    return (mixed >> np.uint64(40)).astype(np.float32) * np.float32(2.0**-24) - np.float32(0.5)


def find(client: datainf.Client, run_id: str) -> datainf.Run:
    """The run, as soon as there is a server: only what was handed to a writer is sent again by itself."""
    while True:
        try:
            return client.run(run_id)
        except datainf.UnavailableError:
            time.sleep(RETRY_SECONDS)


def main() -> None:
    np.seterr(over="ignore")  # products are meant modulo 2^64
    target, run_id, message_bytes = sys.argv[1], sys.argv[2], int(sys.argv[5])
    writer_number, number = int(sys.argv[3]), int(sys.argv[4])
    options = datainf.WriterOptions(message_bytes=message_bytes, retry_max_seconds=1.0)
    with datainf.Client(target) as client:
        run = find(client, run_id)
        with run.writer(writer_id=f"writer-{writer_number}", options=options) as writer:
            while True:
                first = (writer_number << WRITER_SHIFT) + number
                ids = np.arange(first, first + BURST_SAMPLES)
                writer.add(ids, np.stack([gradient(sample_id, run.dimension) for sample_id in ids.tolist()]))
                writer.flush()
                number += BURST_SAMPLES
                print(f"acked {number}", flush=True)
                if select.select([sys.stdin], [], [], PAUSE_SECONDS)[0]:
                    break
    print(f"done {number}", flush=True)


if __name__ == "__main__":
    main()
