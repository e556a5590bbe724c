"""Finds wrong labels of training texts (task 1 of the DataInf paper), end to end.

Some training labels are flipped, a model is tuned on them, and one question, the mean gradient of
validation texts whose labels are right, ranks the training texts: wrong labels should come first.
"""

from __future__ import annotations

import argparse

import figures
import numpy as np
import reviews
from common import Stages, capture, connected, count, parser, positive, share, tune

import datainf


def main() -> None:
    """Tunes, captures, asks and reports."""
    arguments = _arguments()
    stages = Stages()
    train, validation = reviews.load(
        arguments.task, arguments.train, arguments.validation, arguments.seed
    )
    labels, flipped = reviews.flip(train.labels, arguments.flip, arguments.seed)
    told = reviews.Texts(train.texts, labels)
    print(f"{len(labels)} training texts, {sum(flipped)} labels flipped")
    classifier = reviews.Classifier(arguments.model, arguments.rank, arguments.seed)
    samples, points = classifier.samples(told), classifier.samples(validation)
    size = arguments.batch
    with stages("fine-tuning"):
        tune(
            classifier.model,
            samples,
            epochs=arguments.epochs,
            learning_rate=arguments.learning_rate,
            batch_samples=size,
            seed=arguments.seed,
        )
    losses, _ = classifier.losses(samples, size)
    _, accuracy = classifier.losses(points, size)
    print(f"  validation accuracy {accuracy:.3f}")
    with connected(arguments.target) as client:
        with stages("capture"):
            run, gradients = capture(
                client,
                "mislabeled",
                classifier.model,
                samples,
                points,
                batch_samples=size,
                include=classifier.include,
            )
        mean = gradients.mean(axis=0, dtype=np.float64).astype(np.float32)[np.newaxis]
        with stages("check"):
            error = figures.require_recomputed(run, mean)
        with stages("questions"):
            rows = figures.find_flipped(run, gradients, np.array(flipped), np.array(losses))
            found = datainf.mislabeled(run, mean, flipped=flipped, labels=labels, losses=losses)
        arguments.out.mkdir(parents=True, exist_ok=True)
        with stages("page"):
            path = arguments.out / "ranking.html"
            found.to_html(path, texts=lambda k: " | ".join(filter(None, train.texts[k])))
            ids, scores = found.numpy()
            np.savez(
                arguments.out / "scores.npz",
                sample_ids=ids,
                scores=scores,
                labels=np.array(labels)[ids],
                flipped=np.array(flipped)[ids],
                validation_gradient=mean[0],
            )
    figures.print_table(f"{arguments.model}, {arguments.task}: flipped labels found", rows)
    print(f"\nfrom fine-tuning to {path}: {sum(stages.seconds.values()):.0f} s")
    report = {
        "task": "mislabeled",
        "settings": vars(arguments),
        "run": run.run_id,
        "samples": len(labels),
        "blocks": len(run.blocks),
        "dimension": run.dimension,
        "validation_accuracy": accuracy,
        "seconds": stages.seconds,
        "relative_error_vs_numpy": error,
        "results": rows,
    }
    figures.write_json(arguments.out, report)
    title = f"{sum(flipped)} of {len(labels)} labels flipped"
    figures.draw(arguments.out, title, {arguments.task: figures.auc_panel(rows)})


def _arguments() -> argparse.Namespace:
    options = parser(__doc__, "mislabeled")
    options.add_argument("--model", default=reviews.MINILM, help="e.g. roberta-large")
    options.add_argument("--task", default=reviews.REVIEWS, choices=reviews.TASKS)
    options.add_argument("--train", type=count, default=1500, help="texts; the paper's 4,500")
    options.add_argument("--validation", type=count, default=200, help="texts; the paper's 500")
    options.add_argument("--flip", type=share, default=0.2, help="share of labels that are flipped")
    options.add_argument("--rank", type=count, default=4, help="of LoRA")
    options.add_argument("--epochs", type=count, default=2)
    options.add_argument("--learning-rate", type=positive, default=1e-3)
    options.add_argument("--batch", type=count, default=32)
    arguments = options.parse_args()
    if arguments.reduced:
        arguments.train, arguments.validation, arguments.epochs = 96, 32, 1
    return arguments


if __name__ == "__main__":
    main()
