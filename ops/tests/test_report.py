import json
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from digits.experiment import Digits
from digits.page import ValidationPoint, render
from digits.report import Figures, lines, ranked, verdict, write_json

COUNT = 30


@pytest.fixture
def digits() -> Digits:
    generator = np.random.default_rng(11)
    true_labels = generator.integers(0, 10, COUNT)
    labels = true_labels.copy()
    labels[:6] = (labels[:6] + 1) % 10
    return Digits(
        ids=np.arange(500, 500 + COUNT, dtype=np.uint64),
        pictures=generator.random((COUNT, 64)),
        true_labels=true_labels,
        labels=labels,
    )


@pytest.fixture
def figures(digits: Digits) -> Figures:
    return Figures(
        seed=0,
        engine="<vector>",
        metrics="http://127.0.0.1:9464/metrics",
        samples=COUNT,
        flipped_samples=6,
        validation_samples=4,
        dimension=20,
        blocks=6,
        base_accuracy=0.9,
        tuned_accuracy=0.8,
        gradient_error_vs_differences=1e-9,
        ingest_mb=12.0,
        ingest_seconds=0.5,
        ingest_samples_per_s=60.0,
        ingest_mb_per_s=24.0,
        live_queries=3,
        live_query_ms_p50=5.0,
        query_ms_p50=4.0,
        query_ms_max=9.0,
        auc={"datainf": 0.8, "hessian_free": 0.7, "gradient_norm": 0.9},
        answers_checked=5,
        scores_checked=150,
        max_relative_error_vs_numpy=3e-7,
        most_suspicious=ranked(digits, np.arange(float(COUNT)), 10, harmful=True),
    )


class PageReader(HTMLParser):
    """Checks that elements nest, and keeps what a test asks about."""

    VOID = frozenset({"br", "meta"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.counts: dict[str, int] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_ranked_puts_the_greatest_score_first_for_harmful(digits: Digits) -> None:
    samples = ranked(digits, np.arange(float(COUNT)), 2, harmful=True)
    assert [(s.sample_id, s.score) for s in samples] == [(529, 29.0), (528, 28.0)]


def test_ranked_puts_the_least_score_first_for_helpful(digits: Digits) -> None:
    samples = ranked(digits, np.arange(float(COUNT)), 2, harmful=False)
    assert [s.sample_id for s in samples] == [500, 501]
    assert all(s.flipped for s in samples)
    assert samples[0].label == (samples[0].true_label + 1) % 10


def test_verdict_names_the_best_method_first() -> None:
    auc = {"datainf": 0.8, "hessian_free": 0.7, "gradient_norm": 0.9}
    assert verdict(auc).startswith("squared gradient norm (0.900), then DataInf (0.800)")


def test_write_json_has_the_promised_keys(figures: Figures, tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    write_json(figures, path)
    report = json.loads(path.read_text("utf-8"))
    assert report["samples"] == COUNT
    assert report["dimension"] == 20
    assert report["ingest_mb_per_s"] == 24.0
    assert report["query_ms_p50"] == 4.0
    assert set(report["auc"]) == {"datainf", "hessian_free", "gradient_norm"}
    assert report["max_relative_error_vs_numpy"] == 3e-7
    assert report["most_suspicious"][0]["sample_id"] == 529


def test_lines_list_the_most_suspicious_samples(figures: Figures) -> None:
    text = "\n".join(lines(figures))
    assert "The 10 most suspicious samples" in text
    assert "529" in text


def test_render_makes_one_page_that_needs_nothing_else(digits: Digits, figures: Figures) -> None:
    scores = np.linspace(-1.0, 1.0, COUNT)
    point = ValidationPoint(
        sample_id=7, picture=np.ones(64), label=3, guess=8, scores=scores[::-1].copy()
    )
    suspicion = {"datainf": scores, "hessian_free": -scores, "gradient_norm": scores**2}
    page = render(figures, digits, suspicion, [point])

    reader = PageReader(page)
    assert reader.open == []
    # Ten harmful, ten helpful, and one point with five of each.
    assert reader.counts["figure"] == 20 + 1 + 10
    assert reader.counts["polyline"] == 3
    assert not [name for name, _ in reader.attributes if name in ("src", "href", "srcset")]
    assert "url(" not in page
    assert "@import" not in page
    assert "&lt;vector&gt;" in page
    assert "taken for 8" in page
