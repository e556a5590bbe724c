"""What a forked process may do, and that its parent goes on."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
from fake_server import LONG_SECONDS, acking, rows, serving

import datainf


def refused_in_a_child(acts: list[Callable[[], Any]]) -> bool:
    """Forks; returns whether each act raises RuntimeError in the child."""
    child = os.fork()
    if child == 0:
        refused = 0
        for act in acts:
            try:
                act()
            except RuntimeError as error:
                refused += "forked from" in str(error)
        os._exit(refused)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status) == len(acts)


def test_what_was_made_before_a_fork_is_refused_after_it() -> None:
    locked, forked = threading.Event(), threading.Event()

    def hold_lock() -> None:
        with writer._outbox._lock:
            locked.set()
            forked.wait()

    with serving(lambda _, requests, __: acking(requests)) as (_, run), run.writer() as writer:
        writer.add(1, rows(1))
        writer.flush(LONG_SECONDS)
        # In the child nobody lets go of it.
        holder = threading.Thread(target=hold_lock)
        holder.start()
        locked.wait()
        try:
            assert refused_in_a_child(
                [
                    lambda: writer.add(2, rows(1)),
                    writer.flush,
                    writer.close,
                    writer.stats,
                    lambda: writer.rejected,
                    lambda: writer.revision,
                    run.statistics,
                    lambda: datainf.Client(run._connection.target),
                ]
            )
        finally:
            forked.set()
            holder.join()
        writer.add(2, rows(1))
        assert writer.flush(LONG_SECONDS) == 2


def _load(indices: list[int]) -> Any:
    return np.outer(indices, np.ones(4, np.float32))


def test_workers_that_load_data_may_be_forked_while_a_writer_sends() -> None:
    context = multiprocessing.get_context("fork")
    with serving(lambda _, requests, __: acking(requests)) as (_, run), run.writer() as writer:
        for epoch in range(3):
            with context.Pool(4) as workers:
                indices = [[100 * epoch + 10 * part + k for k in range(10)] for part in range(10)]
                for ids, gradients in zip(indices, workers.imap(_load, indices), strict=True):
                    writer.add(ids, gradients)
        assert writer.flush(LONG_SECONDS) == 300


def _ask(target: str) -> None:
    with datainf.Client(target) as client:
        assert client.run("r").revision == 7


def test_spawned_process_may_have_a_client_of_its_own() -> None:
    with serving(lambda _, requests, __: acking(requests)) as (fake, run), run.writer() as writer:
        fake.revision = 7
        writer.add(1, rows(1))
        child = multiprocessing.get_context("spawn").Process(
            target=_ask, args=(run._connection.target,)
        )
        child.start()
        child.join(LONG_SECONDS)
        assert child.exitcode == 0
