"""Scores of all samples of a run by one method, with the baselines beside them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from datainf._query import Method
from datainf._questions.by_id import ById, numbers_of
from datainf._result import QueryResult, Snapshot
from datainf._run import Run

Floats = npt.NDArray[np.float64]
Progress = Callable[[float], None]

SIGNED = ("datainf", "hessian_free", "lissa", "lissa_reference", "exact", "cosine")
"""Columns whose sign says helpful or harmful; those of the others are magnitudes."""

_CHEAP_SECONDS = 2.0


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """How to score, as the questions take it; see `most_harmful`."""

    method: Method = "datainf"
    damping_scale: float | None = None
    baselines: bool = True
    self_influence: bool | None = None
    losses: ById | None = None
    min_revision: int = 0
    on_progress: Progress | None = None

    def part(self, begin: float, end: float) -> Progress | None:
        """Returns what to tell of a piece of the work."""
        tell = self.on_progress
        return None if tell is None else lambda share: tell(begin + share * (end - begin))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Scores:
    """Scores of samples for c validation gradients.

    Attributes:
        ids: Sample ids, [n].
        columns: By name, [c, n] each. Greater = more harmful, or at least more suspicious. The
            first is that of the method asked for.
        snapshot: What the first column was computed from.
        notes: What to know about the baselines, and of a solver that did not converge.
    """

    ids: npt.NDArray[np.uint64]
    columns: Mapping[str, Floats]
    snapshot: Snapshot
    notes: tuple[str, ...]

    def picked(self, rows: npt.NDArray[np.intp]) -> dict[str, Floats]:
        """Returns columns of one score a sample, [n]: that of row `rows[k]` for sample k."""
        samples = np.arange(len(self.ids))
        return {name: column[rows, samples] for name, column in self.columns.items()}


def score(run: Run, gradients: npt.NDArray[np.float32], options: Options) -> Scores:
    """Asks for scores and baselines.

    Samples that came or went between the questions to the server, or that were replaced, are left
    out or have values of different revisions; see `Scores.notes`.

    Args:
        run: The run.
        gradients: Validation gradients, [c, D].
        options: How.

    Raises:
        ValueError: A value is wrong.
        DataInfError: The server refuses.
    """
    result = run.query(
        gradients,
        method=options.method,
        damping_scale=options.damping_scale,
        min_revision=options.min_revision,
        on_progress=options.part(0.0, 0.5),
    )
    table = _Table(result.ids[0], result.snapshot.revision)
    table.add(options.method, result.ids[0], result.scores, result.snapshot.revision)
    note = solver_note(result)
    if note is not None:
        table.notes.append(note)
    if options.baselines:
        is_plain = options.method == "hessian_free"
        _add_gradient_baselines(table, run, gradients, result if is_plain else None)
        _add_self_influence(table, run, options)
    if options.on_progress is not None:
        options.on_progress(1.0)
    return table.scores(len(gradients), options.losses, result.snapshot)


def solver_note(result: QueryResult) -> str | None:
    """Returns what to know of an answer whose solver did not converge; None if it did."""
    solver = result.solver
    if solver is None or solver.converged:
        return None
    return (
        f"{result.snapshot.method} did not converge: relative residual"
        f" {solver.relative_residual:.3g} after {solver.iterations} iterations (0: solved; 1: no"
        " better than nothing). Take another method, more damping, or for lissa a smaller alpha."
    )


def _add_gradient_baselines(
    table: _Table, run: Run, gradients: npt.NDArray[np.float32], plain: QueryResult | None
) -> None:
    if plain is None:
        plain = run.query(gradients, method="hessian_free", min_revision=table.revision)
    norms = run.squared_norms(min_revision=table.revision)
    ids, revision = plain.ids[0], plain.snapshot.revision
    table.add("hessian_free", ids, plain.scores, revision)
    # Samples that the norms lack are left out by their own column.
    squared = norms.values[_positions(norms.ids, ids)] if len(norms.ids) else np.zeros(len(ids))
    table.add("cosine", ids, _cosine(run, gradients, plain, squared), revision)
    table.add("squared_norm", norms.ids, norms.values[np.newaxis], norms.revision)


def _cosine(
    run: Run, gradients: npt.NDArray[np.float32], plain: QueryResult, squared_norms: Floats
) -> Floats:
    """Returns -v.g / (|v| |g|), [c, n], from -v.g: it saves reading the gradients once more.

    Blocks that the server skips count in no norm; 0 where a norm is 0.
    """
    used = np.repeat(
        [block.name not in plain.snapshot.skipped_blocks for block in run.blocks],
        [block.dimension for block in run.blocks],
    )
    lengths = np.linalg.norm(gradients[:, used].astype(np.float64), axis=1)
    both = lengths[:, np.newaxis] * np.sqrt(squared_norms)
    cosines: Floats = np.divide(plain.scores, both, out=np.zeros_like(both), where=both != 0)
    return cosines


def _add_self_influence(table: _Table, run: Run, options: Options) -> None:
    if options.self_influence is False:
        return
    cost = run.self_influence_cost(damping_scale=options.damping_scale)
    is_kept = cost.multiplications == 0
    is_cheap = cost.compute_seconds <= _CHEAP_SECONDS and not cost.job_count_ahead
    if options.self_influence is None and not is_kept and not is_cheap:
        table.notes.append(
            f"self_influence is left out: it would take about {cost.compute_seconds:.3g} s, behind"
            f" {cost.job_count_ahead} other jobs. self_influence=True computes it."
        )
        return
    own = run.self_influence(
        damping_scale=options.damping_scale,
        min_revision=table.revision,
        on_progress=options.part(0.5, 1.0),
    )
    table.add("self_influence", own.ids, -own.values[np.newaxis], own.snapshot.revision)


class _Table:
    """Columns of answers that may be of different revisions."""

    def __init__(self, ids: npt.NDArray[np.uint64], revision: int) -> None:
        self._ids = ids
        self._present = np.ones(len(ids), bool)
        self._columns: dict[str, Floats] = {}
        self.revision = revision
        self.notes: list[str] = []

    def add(self, name: str, ids: npt.NDArray[np.uint64], values: Floats, revision: int) -> None:
        """Adds a column, [c, k] or [1, k], of samples in any order, unless it is there."""
        if name in self._columns:
            return
        order = _positions(ids, self._ids)
        self._present &= order >= 0
        self._columns[name] = values[:, order] if len(ids) else np.zeros((1, len(order)))
        if revision != self.revision:
            self.notes.append(
                f"{name} is of revision {revision}, the scores of {self.revision}: samples that"
                " came or went in between are left out."
            )

    def scores(self, count: int, losses: ById | None, snapshot: Snapshot) -> Scores:
        """Returns the samples that all columns have."""
        ids = self._ids[self._present]
        columns = {name: column[:, self._present] for name, column in self._columns.items()}
        if losses is not None:
            columns["loss"] = numbers_of("losses", losses, ids)[np.newaxis]
        return Scores(
            ids=ids,
            columns={
                name: np.broadcast_to(column, (count, len(ids))) for name, column in columns.items()
            },
            snapshot=snapshot,
            notes=tuple(self.notes),
        )


def _positions(ids: npt.NDArray[Any], wanted: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """Returns where each wanted id stands in `ids`, -1 where it does not."""
    if np.array_equal(ids, wanted):
        return np.arange(len(ids))
    if not len(ids):
        return np.full(len(wanted), -1)
    order = np.argsort(ids, kind="stable")
    at = order[np.clip(np.searchsorted(ids, wanted, sorter=order), 0, len(ids) - 1)]
    return np.where(ids[at] == wanted, at, -1)
