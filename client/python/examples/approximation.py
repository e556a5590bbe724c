"""Measures how far scores are from the exact ones, over ranks of LoRA and dampings (task 0).

For each rank a classifier is tuned on film reviews; one question, the mean gradient of validation
texts, is answered by every method and exactly. The paper's bound of DataInf's error grows with the
size of a block, hence with the rank; and every method is nearer to the exact scores where the
damping is larger.
"""

from __future__ import annotations

import argparse
from typing import Any

import figures
import numpy as np
import reviews
from common import Stages, capture, connected, count, parser, positive, share, tune

import datainf


def captured(
    client: datainf.Client, arguments: argparse.Namespace, rank: int
) -> tuple[datainf.Run, figures.Gradients]:
    """Returns the run of a classifier of the given rank, and the mean validation gradient."""
    train, validation = reviews.load(
        arguments.task, arguments.train, arguments.validation, arguments.seed
    )
    labels, _ = reviews.flip(train.labels, arguments.flip, arguments.seed)
    classifier = reviews.Classifier(arguments.model, rank, arguments.seed)
    samples = classifier.samples(reviews.Texts(train.texts, labels))
    tune(
        classifier.model,
        samples,
        epochs=arguments.epochs,
        learning_rate=arguments.learning_rate,
        batch_samples=arguments.batch,
        seed=arguments.seed,
    )
    run, gradients = capture(
        client,
        f"approximation-{rank}",
        classifier.model,
        samples,
        classifier.samples(validation),
        batch_samples=arguments.batch,
        include=classifier.include,
    )
    return run, gradients.mean(axis=0, dtype=np.float64).astype(np.float32)


def rows_of(study: datainf.Study, rank: int) -> list[figures.Row]:
    """Returns a study's figures of the one validation gradient."""
    return [
        {
            "rank": rank,
            "damping_scale": row.value,
            "method": row.method,
            "dimension": row.dimension,
            "pearson": float(row.pearson[0]),
            "spearman": float(row.spearman[0]),
            "relative_error": float(row.relative_error[0]),
            "compute_seconds": row.compute_seconds,
        }
        for row in study.rows
        if row.method != "exact"
    ]


def show(rows: list[figures.Row]) -> None:
    """Prints rows."""
    print(
        "\n  rank       D  damping scale  method        Pearson  Spearman  relative error  seconds"
    )
    for row in rows:
        print(
            f"  {row['rank']:>4}{row['dimension']:>8}{row['damping_scale']:>15g}  "
            f"{row['method']:<14}{row['pearson']:>7.3f}{row['spearman']:>10.3f}"
            f"{row['relative_error']:>16.3g}{row['compute_seconds']:>9.3f}"
        )


def main() -> None:
    """Tunes at each rank, compares and reports."""
    arguments = _arguments()
    stages = Stages()
    rows: list[figures.Row] = []
    with connected(arguments.target) as client:
        for rank in arguments.ranks:
            with stages(f"rank {rank}: training and capture"):
                run, mean = captured(client, arguments, rank)
            with stages(f"rank {rank}: study"):
                study = datainf.damping_study(run, mean, damping_scales=arguments.scales)
            rows += rows_of(study, rank)
    show(rows)
    finite = [{k: None if v != v else v for k, v in row.items()} for row in rows]  # noqa: PLR0124
    report = {"task": "approximation", "settings": vars(arguments), "seconds": stages.seconds}
    figures.write_json(arguments.out, {**report, "results": finite})
    panels = {f"damping scale {scale:g}": _panel(rows, scale) for scale in arguments.scales}
    figures.draw(arguments.out, "correlation with the exact scores", panels)


def _panel(rows: list[figures.Row], scale: float) -> Any:
    def panel(ax: Any) -> None:
        for method in dict.fromkeys(row["method"] for row in rows):
            of_method = [r for r in rows if r["method"] == method and r["damping_scale"] == scale]
            ranks = [str(row["rank"]) for row in of_method]
            ax.plot(ranks, [row["pearson"] for row in of_method], marker="o", label=method)
        ax.set(ylim=(-0.1, 1.05), xlabel="rank", ylabel="Pearson")
        ax.legend()

    return panel


def _arguments() -> argparse.Namespace:
    options = parser(__doc__, "approximation")
    options.add_argument("--model", default=reviews.MINILM, help="e.g. roberta-large")
    options.add_argument("--task", default=reviews.REVIEWS, choices=reviews.TASKS)
    options.add_argument("--ranks", type=count, nargs="+", default=[1, 2, 4, 8, 16])
    options.add_argument("--scales", type=positive, nargs="+", default=[0.1, 1.0, 10.0])
    options.add_argument("--train", type=count, default=200, help="training texts")
    options.add_argument("--validation", type=count, default=50, help="validation texts")
    options.add_argument("--flip", type=share, default=0.2, help="share of labels that are flipped")
    options.add_argument("--epochs", type=count, default=3)
    options.add_argument("--learning-rate", type=positive, default=1e-3)
    options.add_argument("--batch", type=count, default=32)
    arguments = options.parse_args()
    if arguments.reduced:
        arguments.train, arguments.validation, arguments.epochs = 32, 8, 1
        arguments.ranks, arguments.scales = [1, 4], [0.1, 10.0]
    return arguments


if __name__ == "__main__":
    main()
