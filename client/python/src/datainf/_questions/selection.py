"""Which samples to keep for training again."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from datainf._questions import plots
from datainf._questions.by_id import ById
from datainf._questions.page import (
    Column,
    Markup,
    Shown,
    heading,
    numbers,
    paragraph,
    samples,
    table,
)
from datainf._questions.ranking import ranks_of
from datainf._questions.result import Result, in_sign_of, read_only_columns
from datainf._result import Snapshot
from datainf._tables import Sign, in_sign

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Selection(Result):
    """A choice of the most helpful samples, by the method asked for and by each baseline.

    Attributes:
        method: The method; its column is the first.
        fraction: Share of the samples to keep.
        per_label: Whether that share is kept of each label, or of all samples together.
        ids: Sample ids in ascending order, uint64, shape [n].
        columns: Scores by name, float64, shape [n] each, as for `Ranking.columns`.
        kept: By column: whether it keeps a sample, bool, shape [n].
        labels: Observed labels, shape [n]; None unless given.
        snapshot: What the scores were computed from.
        notes: What to know about the baselines, and of a solver that did not converge.

    Example:
        >>> choice = datainf.select(run, np.ones(run.dimension), 0.5, per_label=False)
        >>> choice.kept_ids().tolist(), choice.dropped_ids().tolist()
        ([10], [11])
    """

    method: str
    fraction: float
    per_label: bool
    ids: npt.NDArray[np.uint64]
    columns: Mapping[str, Floats]
    kept: Mapping[str, Flags]
    labels: npt.NDArray[Any] | None
    snapshot: Snapshot
    notes: tuple[str, ...]

    @property
    def scores(self) -> Floats:
        """Scores of the method, shape [n]; negative = helpful."""
        return self.columns[self.method]

    def kept_ids(self, column: str | None = None) -> npt.NDArray[np.uint64]:
        """Returns the samples to keep, in ascending order, shape [k].

        Args:
            column: Whose choice, e.g. `"cosine"`; None: the method's.

        Raises:
            ValueError: There is no such column.

        Example:
            >>> choice = datainf.select(run, np.ones(run.dimension), 1.0, per_label=False)
            >>> choice.kept_ids("cosine").tolist()
            [10, 11]
        """
        return self.ids[self._kept(column)]

    def dropped_ids(self, column: str | None = None) -> npt.NDArray[np.uint64]:
        """Returns the other samples. Arguments and errors as `kept_ids`.

        Example:
            >>> choice = datainf.select(run, np.ones(run.dimension), 1.0, per_label=False)
            >>> choice.dropped_ids().tolist()
            []
        """
        return self.ids[~self._kept(column)]

    def numpy(self, *, sign: Sign = "paper") -> tuple[npt.NDArray[np.uint64], Floats, Flags]:
        """Returns `(ids, scores, kept)`, all of shape [n]: uint64, float64 and bool.

        Example:
            >>> choice = datainf.select(run, np.ones(run.dimension), 0.5, per_label=False)
            >>> choice.numpy()[2].tolist()
            [True, False]
        """
        return self.ids, in_sign(self.scores, sign), self.kept[self.method]

    def plot(self, ax: Any = None) -> Any:
        """Draws the share of each label that is kept.

        Example:
            >>> choice = datainf.select(run, np.ones(run.dimension), 0.5, per_label=False)
            >>> choice.plot().get_ylabel()
            'share of samples kept'
        """
        kept = self.kept[self.method]
        if self.labels is None:
            return plots.kept_shares(ax, {"all": float(kept.mean())})
        shares = {str(y): float(kept[self.labels == y].mean()) for y in np.unique(self.labels)}
        return plots.kept_shares(ax, shares)

    def _kept(self, column: str | None) -> Flags:
        name = self.method if column is None else column
        if name not in self.kept:
            expected = ", ".join(map(repr, self.kept))
            raise ValueError(f"column is {name!r}, expected one of {expected}")
        return self.kept[name]

    def table(self, *, sign: Sign = "paper") -> dict[str, npt.NDArray[Any]]:
        """Returns the columns by name, [n] each: ids, labels, what is kept, scores."""
        label = {} if self.labels is None else {"label": self.labels}
        return {
            "sample_id": self.ids,
            **label,
            "kept": self.kept[self.method],
            **{name: in_sign_of(name, column, sign) for name, column in self.columns.items()},
            **{f"kept_by_{name}": kept for name, kept in self.kept.items() if name != self.method},
        }

    def _page(
        self, texts: ById | None, images: ById | None, rows: int, sign: Sign
    ) -> tuple[str, list[Markup]]:
        shown = Shown(texts, images)
        kept = self.kept[self.method]
        of = "each label" if self.per_label else "all samples together"
        same = [
            [name, int(choice.sum()), f"{(choice & kept).sum() / max(kept.sum(), 1):.3f}"]
            for name, choice in self.kept.items()
        ]
        parts = [
            paragraph(
                f"{kept.sum()} of {len(kept)} samples are kept: {self.fraction:g} of {of}, the most"
                f" helpful by {self.method}; run revision {self.snapshot.revision}."
            ),
            *map(paragraph, self.notes),
            table(["chosen by", "kept", f"share of {self.method}'s choice kept too"], same),
        ]
        order = np.argsort(ranks_of(self.ids, self.scores, harmful_first=False))
        for title, at in (
            ("Kept, most helpful first", order[kept[order]][:rows]),
            ("Left out, most harmful first", order[~kept[order]][::-1][:rows]),
        ):
            parts += [heading(title), self._samples(at, shown, sign)]
        return "Selected samples", parts

    def _samples(self, at: npt.NDArray[np.intp], shown: Shown, sign: Sign) -> Markup:
        after: dict[str, Column] = {}
        if self.labels is not None:
            after["label"] = self.labels[at]
        for name, column in self.columns.items():
            after[name] = numbers(in_sign_of(name, column[at], sign))
        return samples(self.ids[at], shown, {}, after)


def choose(
    ids: npt.NDArray[np.uint64],
    columns: Mapping[str, Floats],
    fraction: float,
    groups: npt.NDArray[Any],
) -> Mapping[str, Flags]:
    """Returns what each column keeps: in each group the `fraction` with the least scores.

    Args:
        ids: Sample ids, [n].
        columns: By name, [n] each.
        fraction: Share to keep; of a group of c samples floor(fraction * c + 1/2).
        groups: Group of each sample, [n].
    """
    kept = {}
    for name, column in columns.items():
        choice = np.zeros(len(ids), bool)
        for group in np.unique(groups):
            at = np.flatnonzero(groups == group)
            count = int(np.floor(fraction * len(at) + 0.5))
            choice[at[ranks_of(ids[at], column[at], harmful_first=False) <= count]] = True
        kept[name] = choice
    return read_only_columns(kept)
