"""Streams the gradients into the sidecar and asks it, through the Python client."""

import threading
import time
from dataclasses import dataclass

import datainf
import numpy as np

from digits.check import Answer, Method
from digits.experiment import Digits
from digits.network import Floats, Network

RUN_ID = "digits"
METHODS: tuple[Method, ...] = ("datainf", "hessian_free")
# Samples whose gradients the trainer computes and hands over at once.
BATCH_SAMPLES = 25
# The server is ours: if it is gone, it does not come back.
OPTIONS = datainf.WriterOptions(retry_deadline_seconds=15.0)


@dataclass(frozen=True, kw_only=True)
class Streaming:
    """What streaming took.

    Attributes:
        gradients: As sent, widened; shape [n, D].
        seconds: From the first sample handed over to the last one durable, gradients computed
            meanwhile.
        answers: Of the queries asked while the stream was open.
    """

    gradients: Floats
    seconds: float
    answers: list[Answer]


def create_run(client: datainf.Client, network: Network) -> datainf.Run:
    """Creates the run for a network's LoRA matrices."""
    blocks = [datainf.Block(block.name, block.rank, block.width) for block in network.blocks()]
    return client.create_run(RUN_ID, blocks, checkpoint="final")


def ask(run: datainf.Run, validation: Floats, method: Method) -> Answer:
    """Asks for the scores of all samples; `validation` has shape [m, D]."""
    gradients = validation.astype(np.float32)
    begin = time.perf_counter()
    result = run.query(gradients, method=method)
    seconds = time.perf_counter() - begin
    return Answer(
        method=method,
        validation=gradients.astype(np.float64),
        ids=result.ids[0],
        scores=result.scores,
        sample_count=result.snapshot.sample_count,
        revision=result.snapshot.revision,
        engine=result.snapshot.engine,
        seconds=seconds,
    )


def stream(run: datainf.Run, network: Network, digits: Digits, validation: Floats) -> Streaming:
    """Sends the gradient of each digit's loss, while another thread asks about `validation` [1, D].

    The questions begin when the first samples are durable and end with the stream.
    """
    questions = _Questions(run, validation)
    batches = []
    with run.writer(options=OPTIONS) as writer:
        begin = time.perf_counter()
        for start in range(0, len(digits), BATCH_SAMPLES):
            batch = slice(start, start + BATCH_SAMPLES)
            gradients = network.lora_gradients(digits.pictures[batch], digits.labels[batch])
            batches.append(gradients.astype(np.float32))
            writer.add(digits.ids[batch], batches[-1])
            if start == 0:
                writer.flush()
                questions.start()
        writer.flush()
        seconds = time.perf_counter() - begin
        answers = questions.finish()
    if writer.rejected:
        raise RuntimeError(f"the server rejected samples: {writer.rejected[:3]}")
    return Streaming(
        gradients=np.concatenate(batches).astype(np.float64), seconds=seconds, answers=answers
    )


class _Questions:
    """Asks with each method in turn, on a thread of its own, one question after the other."""

    def __init__(self, run: datainf.Run, validation: Floats) -> None:
        self._run = run
        self._validation = validation
        self._stop = threading.Event()
        self._answers: list[Answer] = []
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._ask, name="questions", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def finish(self) -> list[Answer]:
        """Waits for the answer under way; raises what went wrong."""
        self._stop.set()
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._answers

    def _ask(self) -> None:
        try:
            while not self._stop.is_set():
                method = METHODS[len(self._answers) % len(METHODS)]
                self._answers.append(ask(self._run, self._validation, method))
        except Exception as error:  # raised again by finish()
            self._failure = error
