"""The report as one HTML file: pictures, curves and figures, nothing fetched from elsewhere."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template

import numpy as np

from digits.detection import detection_curve
from digits.experiment import Digits
from digits.network import Floats
from digits.report import METHOD_TITLES, Figures, RankedSample, ranked, verdict

SIDE = 8
SHOWN = 10
SHOWN_PER_POINT = 5

# The drawing area of the curves within the picture, in its units.
CHART_WIDTH, CHART_HEIGHT, LEFT, TOP, RIGHT, BOTTOM = 640, 400, 60, 12, 30, 54


@dataclass(frozen=True, kw_only=True)
class ValidationPoint:
    """One validation digit that was asked about by itself.

    Attributes:
        sample_id: Row in the data set.
        picture: Shape [64].
        label: What it is.
        guess: What the network takes it for.
        scores: DataInf's scores of all training digits, shape [n].
    """

    sample_id: int
    picture: Floats
    label: int
    guess: int
    scores: Floats


def render(
    figures: Figures,
    tuning: Digits,
    suspicion: Mapping[str, Floats],
    points: Sequence[ValidationPoint],
) -> str:
    """Returns the page.

    Args:
        figures: The numbers.
        tuning: The training digits in the order of streaming, n of them.
        suspicion: Scores by method, greatest = most suspicious, each of shape [n].
        points: Validation digits asked about by themselves.
    """
    here = Path(__file__).parent
    gallery = _Gallery(tuning)
    curves = {method: detection_curve(s, tuning.flipped) for method, s in suspicion.items()}
    return Template((here / "page.html").read_text("utf-8")).substitute(
        style=(here / "page.css").read_text("utf-8"),
        samples=f"{figures.samples:,}",
        flipped=f"{figures.flipped_samples:,}",
        validation=f"{figures.validation_samples:,}",
        seed=figures.seed,
        harmful=gallery.first(suspicion["datainf"], SHOWN, harmful=True),
        helpful=gallery.first(suspicion["datainf"], SHOWN, harmful=False),
        verdict=escape(verdict(figures.auc)),
        legend="".join(_legend(method, figures.auc[method]) for method in suspicion),
        chart=_chart(curves),
        points="".join(_point(point, gallery) for point in points),
        table="".join(
            f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>"
            for name, value in _rows(figures)
        ),
    )


class _Gallery:
    """Draws the training digits that rank first."""

    def __init__(self, digits: Digits) -> None:
        self._digits = digits
        self._pictures = {int(i): p for i, p in zip(digits.ids, digits.pictures, strict=True)}

    def first(self, scores: Floats, count: int, *, harmful: bool) -> str:
        samples = ranked(self._digits, scores, count, harmful=harmful)
        return "".join(self._figure(sample) for sample in samples)

    def _figure(self, sample: RankedSample) -> str:
        effect = "harmful" if sample.score > 0 else "helpful"
        label = f"labelled {sample.label}"
        really = f"really {sample.true_label}" if sample.flipped else "correct"
        title = f"sample {sample.sample_id}, {label}, {really}, score {sample.score:.6g}, {effect}"
        return (
            f'<figure class="{"flipped" if sample.flipped else ""}" title="{title}">'
            f"{_picture(self._pictures[sample.sample_id])}"
            f'{label}<br>{really}<b class="{effect}">{_signed(sample.score)}</b></figure>'
        )


def _signed(score: float) -> str:
    """The score to about three digits."""
    return f"{score:+,.0f}" if abs(score) >= 100 else f"{score:+.3g}"


def _picture(pixels: Floats) -> str:
    """One digit as ink on the page's own background; `pixels` from 0 to 1, shape [64]."""
    ink = "".join(
        f'<rect x="{index % SIDE}" y="{index // SIDE}" width="1" height="1" opacity="{grey:.2g}"/>'
        for index, grey in enumerate(pixels)
        if grey > 0
    )
    return (
        f'<svg viewBox="0 0 {SIDE} {SIDE}" fill="currentColor" shape-rendering="crispEdges"'
        f' aria-hidden="true">{ink}</svg>'
    )


def _chart(curves: Mapping[str, Floats]) -> str:
    """Share of flipped samples found (up) against share of samples inspected (right)."""

    def x(share: float) -> float:
        return LEFT + share * (CHART_WIDTH - LEFT - RIGHT)

    def y(share: float) -> float:
        return CHART_HEIGHT - BOTTOM - share * (CHART_HEIGHT - TOP - BOTTOM)

    parts = []
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts += [
            f'<path class="grid" d="M{x(0)} {y(share)}H{x(1)}M{x(share)} {y(0)}V{y(1)}"/>',
            f'<text x="{LEFT - 6}" y="{y(share) + 4}" text-anchor="end">{share:.0%}</text>',
            f'<text x="{x(share)}" y="{y(0) + 20}" text-anchor="middle">{share:.0%}</text>',
        ]
    parts += [
        f'<text x="{x(0.5)}" y="{CHART_HEIGHT - 6}" text-anchor="middle">'
        "share of samples inspected, most suspicious first</text>",
        f'<path class="random" d="M{x(0)} {y(0)}L{x(1)} {y(1)}"/>',
    ]
    for method, curve in curves.items():
        shares = np.linspace(0.0, 1.0, len(curve))
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in zip(shares, curve, strict=True))
        parts.append(f'<polyline class="curve" stroke="var(--{method})" points="{path}"/>')
    return (
        f'<svg class="chart" viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT}" role="img"'
        ' aria-label="Share of flipped labels found against share of samples inspected">'
        f"{''.join(parts)}</svg>"
    )


def _legend(method: str, auc: float) -> str:
    return (
        f'<li><span style="border-color:var(--{method})"></span>'
        f" {METHOD_TITLES[method]}, AUC {auc:.3f}</li>"
    )


def _point(point: ValidationPoint, gallery: _Gallery) -> str:
    def ranking(*, harmful: bool) -> str:
        effect = "harmful" if harmful else "helpful"
        samples = gallery.first(point.scores, SHOWN_PER_POINT, harmful=harmful)
        return (
            f'<div><h3 class="{effect}">most {effect}</h3>'
            f'<div class="digits few">{samples}</div></div>'
        )

    guess = "right" if point.guess == point.label else f"taken for {point.guess}"
    return (
        f'<div class="point"><figure title="validation digit {point.sample_id}">'
        f"{_picture(point.picture)}is {point.label}<br>{guess}</figure>"
        f"{ranking(harmful=False)}{ranking(harmful=True)}</div>"
    )


def _rows(figures: Figures) -> list[tuple[str, str]]:
    f = figures
    return [
        ("Network", f"{f.base_accuracy:.1%} right before LoRA, {f.tuned_accuracy:.1%} after"),
        ("Gradients", f"{f.samples:,} samples x {f.dimension:,} numbers in {f.blocks} blocks"),
        (
            "Trainer's gradients against finite differences",
            f"{f.gradient_error_vs_differences:.0e}",
        ),
        (
            "Streamed, durable, queries running",
            f"{f.ingest_mb:.1f} MB in {f.ingest_seconds:.2f} s: {f.ingest_samples_per_s:,.0f}"
            f" samples/s, {f.ingest_mb_per_s:.0f} MB/s",
        ),
        (
            "Queries while streaming",
            f"{f.live_queries}, median {f.live_query_ms_p50:.1f} ms at the client",
        ),
        (
            "One query over all samples",
            f"median {f.query_ms_p50:.1f} ms, greatest {f.query_ms_max:.1f} ms at the client",
        ),
        (
            "Compared with numpy float64",
            f"{f.scores_checked:,} scores of {f.answers_checked} answers; relative error at most"
            f" {f.max_relative_error_vs_numpy:.1e}",
        ),
        ("Engine", f.engine),
        ("Metrics, while it ran", f.metrics),
    ]
