"""What the quickstart found: as JSON for programs, as lines for the terminal."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from digits.experiment import Digits
from digits.network import Floats

METHOD_TITLES = {
    "datainf": "DataInf",
    "hessian_free": "Hessian-free",
    "gradient_norm": "squared gradient norm",
}


@dataclass(frozen=True, kw_only=True)
class RankedSample:
    """A sample of a ranking. A positive score is harmful, a negative one helpful."""

    sample_id: int
    label: int
    true_label: int
    flipped: bool
    score: float


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The figures of one quickstart.

    Attributes:
        seed: Of the split, the flips, the weights and the order of training.
        engine: What the server computes with.
        metrics: Address of the server's metrics while it ran.
        samples: Training samples streamed, n.
        flipped_samples: How many of them have a wrong label.
        validation_samples: Validation digits whose mean gradient was asked about.
        dimension: Numbers of one sample, D.
        blocks: LoRA matrices, L.
        base_accuracy: Of the network before LoRA, on the validation digits.
        tuned_accuracy: After LoRA.
        gradient_error_vs_differences: Greatest relative error of the trainer's gradients.
        ingest_mb: Gradients streamed, MB (10^6 bytes).
        ingest_seconds: From the first sample handed over to the last one durable, with queries
            running and the gradients being computed.
        ingest_samples_per_s: samples / ingest_seconds.
        ingest_mb_per_s: ingest_mb / ingest_seconds.
        live_queries: Queries answered while the stream was open.
        live_query_ms_p50: Their median time at the client.
        query_ms_p50: Median time at the client of one query once all samples are stored.
        query_ms_max: Greatest such time.
        auc: Chance that a flipped sample ranks above another one, by method.
        answers_checked: Answers compared with numpy float64.
        scores_checked: Scores in them.
        max_relative_error_vs_numpy: Greatest row-wise relative error of any score.
        most_suspicious: The greatest DataInf scores.
    """

    seed: int
    engine: str
    metrics: str
    samples: int
    flipped_samples: int
    validation_samples: int
    dimension: int
    blocks: int
    base_accuracy: float
    tuned_accuracy: float
    gradient_error_vs_differences: float
    ingest_mb: float
    ingest_seconds: float
    ingest_samples_per_s: float
    ingest_mb_per_s: float
    live_queries: int
    live_query_ms_p50: float
    query_ms_p50: float
    query_ms_max: float
    auc: dict[str, float]
    answers_checked: int
    scores_checked: int
    max_relative_error_vs_numpy: float
    most_suspicious: list[RankedSample]


def ranked(digits: Digits, scores: Floats, count: int, *, harmful: bool) -> list[RankedSample]:
    """The `count` most harmful or most helpful digits; `scores` has shape [n]."""
    order = np.argsort(-scores if harmful else scores, kind="stable")[:count]
    return [
        RankedSample(
            sample_id=int(digits.ids[position]),
            label=int(digits.labels[position]),
            true_label=int(digits.true_labels[position]),
            flipped=bool(digits.flipped[position]),
            score=float(scores[position]),
        )
        for position in order
    ]


def write_json(figures: Figures, path: Path) -> None:
    """Writes `figures`, one key an attribute."""
    path.write_text(json.dumps(asdict(figures), indent=2) + "\n", encoding="utf-8")


def verdict(auc: dict[str, float]) -> str:
    """One sentence: the methods from best to worst."""
    order = sorted(auc, key=lambda method: -auc[method])
    return ", then ".join(f"{METHOD_TITLES[method]} ({auc[method]:.3f})" for method in order)


def lines(figures: Figures) -> Sequence[str]:
    """The figures for a terminal."""
    f = figures
    return [
        f"trained    base network {f.base_accuracy:.1%} right on {f.validation_samples} validation"
        f" digits, {f.tuned_accuracy:.1%} after LoRA on {f.samples} digits,"
        f" {f.flipped_samples} of them labelled wrong; seed {f.seed}",
        f"gradients  equal finite differences to {f.gradient_error_vs_differences:.0e}",
        f"streamed   {f.samples:,} samples of {f.dimension:,} numbers, {f.ingest_mb:.1f} MB in"
        f" {f.ingest_seconds:.2f} s: {f.ingest_samples_per_s:,.0f} samples/s,"
        f" {f.ingest_mb_per_s:.0f} MB/s, durable, gradients computed meanwhile",
        f"queries    {f.live_queries} answered while streaming, p50 {f.live_query_ms_p50:.1f} ms;"
        f" over all samples p50 {f.query_ms_p50:.1f} ms, max {f.query_ms_max:.1f} ms (client)",
        f"checked    {f.scores_checked:,} scores of {f.answers_checked} answers against numpy"
        f" float64: relative error at most {f.max_relative_error_vs_numpy:.1e}",
        f"AUC        of finding the flipped labels: {verdict(f.auc)}",
        "",
        f"The {len(f.most_suspicious)} most suspicious samples by DataInf (positive = harmful):",
        "   sample  labelled  really  flipped       score",
        *(
            f"   {s.sample_id:6}  {s.label:8}  {s.true_label:6}  "
            f"{'yes' if s.flipped else 'no':>7}  {s.score:10.4g}"
            for s in f.most_suspicious
        ),
    ]
