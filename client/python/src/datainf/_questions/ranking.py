"""Samples in the order of their scores, with the baselines' opinion of each."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from datainf._questions import plots
from datainf._questions.by_id import ById
from datainf._questions.detection import Detection
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
from datainf._questions.result import Result, in_sign_of, read_only, read_only_columns
from datainf._result import Snapshot
from datainf._tables import Sign, in_sign

Floats = npt.NDArray[np.float64]

_TITLES = {
    "most_harmful": "Most harmful samples",
    "most_helpful": "Most helpful samples",
    "mislabeled": "Samples that may be mislabelled",
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Ranking(Result):
    """Samples, first those that answer the question best; ties go to the smaller sample id.

    Columns beside the scores are baselines. On real data they can win: `ranks` says where each
    would have put a sample, `detections` which of them finds flagged samples best.

    Attributes:
        question: `"most_harmful"`, `"most_helpful"` or `"mislabeled"`.
        method: The method that ranks; its column is the first.
        ids: Sample ids, first to last, uint64, shape [k].
        columns: Scores by name, float64, shape [k] each: `method`; then baselines: `hessian_free`,
            -sum_l v_l . g_l; `cosine`, the same over |v| |g|; `squared_norm`, |g|^2;
            `self_influence`, minus the score of the sample for itself; `loss`, as given.
        ranks: By name, the place that a column gives a sample among all, from 1, int64, [k] each.
        sample_count: Samples that were ranked, n.
        labels: Observed labels, shape [k]; None unless given.
        flagged: Which samples are known to be flagged, bool, shape [k]; None unless given.
        detections: How well each column finds flagged samples among all n; empty unless given.
        snapshot: What the scores were computed from.
        notes: What to know about the baselines, and of a solver that did not converge.

    Example:
        >>> ranking = datainf.most_harmful(run, np.ones(run.dimension), k=1)
        >>> ranking.ids.tolist(), list(ranking.columns)[:3]
        ([10], ['datainf', 'hessian_free', 'cosine'])
    """

    question: str
    method: str
    ids: npt.NDArray[np.uint64]
    columns: Mapping[str, Floats]
    ranks: Mapping[str, npt.NDArray[np.int64]]
    sample_count: int
    labels: npt.NDArray[Any] | None
    flagged: npt.NDArray[np.bool_] | None
    detections: tuple[Detection, ...]
    snapshot: Snapshot
    notes: tuple[str, ...]

    @property
    def scores(self) -> Floats:
        """Scores by which the samples are ranked, shape [k]; negative = helpful."""
        return self.columns[self.method]

    def numpy(self, *, sign: Sign = "paper") -> tuple[npt.NDArray[np.uint64], Floats]:
        """Returns `(ids, scores)`, both of shape [k]: uint64 and float64.

        Example:
            >>> ids, scores = datainf.most_helpful(run, np.ones(run.dimension)).numpy()
            >>> bool(scores[0] < 0)
            True
        """
        return self.ids, in_sign(self.scores, sign)

    def plot(self, ax: Any = None) -> Any:
        """Draws what share of the flagged samples is found, if known; else scores as bars.

        Example:
            >>> axes = datainf.most_harmful(run, np.ones(run.dimension)).plot()
            >>> axes.get_xlabel()
            'score (negative = helpful)'
        """
        if self.flagged is not None and len(self.ids) == self.sample_count:
            return plots.found_shares(ax, self.ranks, self.flagged)
        return plots.bars(ax, self.ids, self.scores)

    def _known(self) -> dict[str, npt.NDArray[Any]]:
        known = {"label": self.labels, "flagged": self.flagged}
        return {name: column for name, column in known.items() if column is not None}

    def table(self, *, sign: Sign = "paper") -> dict[str, npt.NDArray[Any]]:
        """Returns the columns by name, [k] each: ranks, ids, what is known, scores, their ranks."""
        return {
            "rank": self.ranks[self.method],
            "sample_id": self.ids,
            **self._known(),
            **{name: in_sign_of(name, column, sign) for name, column in self.columns.items()},
            **{f"{name}_rank": rank for name, rank in self.ranks.items() if name != self.method},
        }

    def _page(
        self, texts: ById | None, images: ById | None, rows: int, sign: Sign
    ) -> tuple[str, list[Markup]]:
        count = min(rows, len(self.ids))
        after: dict[str, Column] = dict(self._known())
        for name, column in self.columns.items():
            shown_numbers = numbers(in_sign_of(name, column[:count], sign))
            places = [
                "" if name == self.method else f"\u00a0(rank\u00a0{r})" for r in self.ranks[name]
            ]
            after[name] = [n + place for n, place in zip(shown_numbers, places, strict=False)]
        parts = [
            paragraph(
                f"{count} of {self.sample_count} samples, ranked by {self.method};"
                f" run revision {self.snapshot.revision}. Beside each baseline's score: the place"
                " that it would give the sample."
            ),
            *map(paragraph, self.notes),
            samples(
                self.ids[:count], Shown(texts, images), {"rank": self.ranks[self.method]}, after
            ),
        ]
        return _TITLES[self.question], [*detection_parts(self.detections), *parts]


def detection_parts(detections: tuple[Detection, ...]) -> list[Markup]:
    """Returns the part of a page that says how well flagged samples are found."""
    if not detections:
        return []
    lines = [
        [each.method, f"{each.auc:.3f}", f"{each.low:.3f} to {each.high:.3f}"]
        for each in detections
    ]
    return [
        heading("How well the flagged samples are found"),
        table(["ranked by", "AUC", "95 % interval, by bootstrap"], lines),
        heading("Samples"),
    ]


def ranking(
    *,
    question: str,
    method: str,
    ids: npt.NDArray[np.uint64],
    columns: Mapping[str, Floats],
    k: int | None,
    labels: npt.NDArray[Any] | None,
    flagged: npt.NDArray[np.bool_] | None,
    detections: tuple[Detection, ...],
    snapshot: Snapshot,
    notes: tuple[str, ...],
) -> Ranking:
    """Ranks samples and keeps the first k, None: all.

    The other arguments are as the attributes of `Ranking`, of all n samples in any order.
    """
    if k is not None and k < 1:
        raise ValueError(f"k is {k}, expected at least 1")
    harmful_first = question != "most_helpful"
    ranks = {name: ranks_of(ids, column, harmful_first) for name, column in columns.items()}
    first = np.argsort(ranks[method])[:k]
    return Ranking(
        question=question,
        method=method,
        ids=read_only(ids[first]),
        columns=read_only_columns({name: column[first] for name, column in columns.items()}),
        ranks=read_only_columns({name: rank[first] for name, rank in ranks.items()}),
        sample_count=len(ids),
        labels=None if labels is None else read_only(labels[first]),
        flagged=None if flagged is None else read_only(flagged[first]),
        detections=detections,
        snapshot=snapshot,
        notes=notes,
    )


def ranks_of(
    ids: npt.NDArray[np.uint64], scores: Floats, harmful_first: bool
) -> npt.NDArray[np.int64]:
    """Returns the place of each sample, from 1, [n]; ties go to the smaller sample id."""
    order = np.lexsort((ids, -scores if harmful_first else scores))
    ranks = np.empty(len(ids), np.int64)
    ranks[order] = np.arange(1, len(ids) + 1)
    return ranks
