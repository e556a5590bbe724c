"""Chooses training data: keeps the most helpful part, trains again, and compares (task 4).

Handwritten digits, some with a wrong label. Every way to choose keeps the same share; what counts
is the accuracy after training on what was kept, against that of a random choice.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Sequence
from typing import Any

import figures
import numpy as np
import numpy.typing as npt
import peft
import torch
from common import DEVICE, Samples, Stages, capture, connected, count, on_device, parser, tune

import datainf

Array = npt.NDArray[Any]

CLASSES = 10

# How `datainf.select` chooses. One mean of all validation points ranks all samples, and the best
# are kept, whatever their label; or the best of each label; or each sample is ranked by the points
# of its own label, and the best of each label are kept.
WAYS: dict[str, dict[str, Any]] = {
    "overall": {"aggregation": "mean", "per_label": False},
    "of each label": {"aggregation": "mean", "per_label": True},
    "by its label": {"aggregation": "per_label", "per_label": True},
}

_PARTS = {"base": 500, "tuning": 1000, "validation": 100}  # the others are for the test


class Digits:
    """Pictures, [n, 64], with the labels that the training is told, and the true ones."""

    def __init__(self, pictures: Array, labels: Array, told: Array) -> None:
        """Keeps them."""
        self.pictures, self.labels, self.told = pictures, labels, told

    def part(self, rows: Array) -> Digits:
        """Returns those at the given positions."""
        return Digits(self.pictures[rows], self.labels[rows], self.told[rows])

    def samples(self) -> Samples:
        """Returns them as the model takes them."""
        pictures = torch.tensor(self.pictures, dtype=torch.float32)
        labels = torch.tensor(self.told)

        def batch(rows: Sequence[int]) -> dict[str, torch.Tensor]:
            return {"pictures": pictures[list(rows)], "labels": labels[list(rows)]}

        return Samples(count=len(labels), batch=batch)


def load() -> Digits:
    """Returns the 1,797 digits that come with scikit-learn."""
    try:
        from sklearn.datasets import load_digits  # noqa: PLC0415  # its only use
    except ModuleNotFoundError:
        raise SystemExit("the digits come with scikit-learn: pip install scikit-learn") from None
    pictures, labels = load_digits(return_X_y=True)
    return Digits(pictures / 16.0, labels, labels)


def split(digits: Digits, share: float, seed: int) -> dict[str, Digits]:
    """Returns the parts, drawn at random, a share of the tuning part with a wrong label."""
    generator = np.random.default_rng(seed)
    order = generator.permutation(len(digits.labels))
    cuts = np.cumsum(list(_PARTS.values()))
    parts = dict(zip([*_PARTS, "test"], np.split(order, cuts), strict=True))
    wrong = generator.permutation(parts["tuning"])[: round(share * len(parts["tuning"]))]
    told = digits.labels.copy()
    told[wrong] = (told[wrong] + generator.integers(1, CLASSES, len(wrong))) % CLASSES
    mixed = Digits(digits.pictures, digits.labels, told)
    return {name: mixed.part(rows) for name, rows in parts.items()}


def losses_of(model: Any, batch: Any) -> torch.Tensor:
    """Returns the loss of each sample, [B]."""
    logits = model(batch["pictures"])
    return torch.nn.functional.cross_entropy(logits, batch["labels"], reduction="none")


class Trial:
    """One seed and share of wrong labels: a base network, and what tuning it on digits gives."""

    def __init__(self, parts: dict[str, Digits], seed: int, epochs: int) -> None:
        """Trains the base."""
        self._parts, self._seed, self._epochs = parts, seed, epochs
        torch.manual_seed(seed)
        nn = torch.nn
        layers = [nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh()]
        self._base = nn.Sequential(*layers, nn.Linear(256, CLASSES)).to(DEVICE)
        self._train(self._base, parts["base"], 2 * epochs)

    def tuned(self, part: Digits) -> Any:
        """Returns the base after LoRA tuning on a part."""
        torch.manual_seed(self._seed)
        lora = peft.LoraConfig(target_modules=["0", "2", "4"], r=4, lora_alpha=4)
        model = peft.get_peft_model(copy.deepcopy(self._base), lora)
        self._train(model, part, self._epochs)
        return model

    def accuracy(self, kept: Array) -> float:
        """Returns the accuracy on the test part, in percent, after tuning on what was kept."""
        model, test = self.tuned(self._parts["tuning"].part(kept)), self._parts["test"]
        with torch.no_grad():
            pictures = on_device(test.samples().batch(range(len(test.labels))))["pictures"]
            guesses = model(pictures).argmax(dim=1).cpu().numpy()
        return 100.0 * float((guesses == test.labels).mean())

    def _train(self, model: Any, part: Digits, epochs: int) -> None:
        tune(
            model,
            part.samples(),
            epochs=epochs,
            learning_rate=1e-3,
            batch_samples=32,
            seed=self._seed,
            loss=losses_of,
        )


def choices(
    client: datainf.Client, trial: Trial, parts: dict[str, Digits], keep: float, seed: int
) -> tuple[dict[str, Array], list[figures.Asked]]:
    """Returns what each way to choose keeps, as positions in the tuning part, and what it took."""
    tuning, validation = parts["tuning"], parts["validation"]
    model, samples = trial.tuned(tuning), tuning.samples()
    run, gradients = capture(
        client,
        "selection",
        model,
        samples,
        validation.samples(),
        batch_samples=250,
        loss=losses_of,
    )
    with torch.no_grad():
        losses = losses_of(model, on_device(samples.batch(range(samples.count)))).tolist()
    kept = _known(tuning, round(keep * samples.count), seed)
    mean = gradients.mean(axis=0, dtype=np.float64).astype(np.float32)
    asked = [figures.ask(run, mean, method) for method in figures.METHODS]
    for way, options in WAYS.items():
        for method in [each.method for each in asked if each.answered]:
            choice = datainf.select(
                run,
                gradients,
                keep,
                method=method,
                labels=tuning.told.tolist(),
                validation_labels=validation.labels,
                losses=losses,
                baselines=method == "hessian_free",
                self_influence=False,
                **options,
            )
            for name in choice.kept:
                kept[f"{name}, {way}"] = choice.kept_ids(name).astype(np.int64)
    client.delete_run(run.run_id)
    return kept, asked


def _known(tuning: Digits, count: int, seed: int) -> dict[str, Array]:
    """Returns the choices to compare with: of all, at random, and by knowing what is wrong."""
    order = np.random.default_rng(seed).permutation(len(tuning.labels))
    wrong = tuning.told != tuning.labels
    return {
        "all": np.arange(len(order)),
        "random": order[:count],
        "oracle": order[np.argsort(wrong[order], kind="stable")][:count],
    }


def summary(accuracies: list[dict[str, float]]) -> list[figures.Row]:
    """Returns mean accuracy of each choice, and its gain over the random one, in points.

    A method whose scores overflowed in a trial has fewer trials.
    """
    rows = []
    for name in dict.fromkeys(name for each in accuracies for name in each):
        trials = [each for each in accuracies if name in each]
        gains = np.array([each[name] - each["random"] for each in trials])
        error = float(gains.std(ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else None
        mean = float(np.mean([each[name] for each in trials]))
        row = {"choice": name, "trials": len(trials), "accuracy": mean}
        rows.append({**row, "gain": float(gains.mean()), "gain_standard_error": error})
    return rows


def seconds_of(asked: list[figures.Asked]) -> list[figures.Row]:
    """Returns what one question by each method took, on average over the trials."""
    rows = []
    for method in figures.METHODS:
        of_method = [each for each in asked if each.method == method]
        seconds = float(np.mean([each.seconds for each in of_method]))
        notes = [each.note for each in of_method if each.note]
        rows.append({"method": method, "seconds": seconds, "note": "; ".join(set(notes))})
    return rows


def show(title: str, rows: list[figures.Row]) -> None:
    """Prints rows."""
    print(f"\n{title}\n  {'choice':<26}accuracy  against random, points")
    for row in rows:
        error = row["gain_standard_error"]
        spread = "" if error is None else f" +- {error:.1f}"
        print(f"  {row['choice']:<26}{row['accuracy']:>8.1f}  {row['gain']:+.1f}{spread}")


def main() -> None:
    """Chooses, trains again, compares and reports."""
    arguments = _arguments()
    torch.set_num_threads(1)  # for a network so small, threads mostly wait for one another
    stages, digits = Stages(), load()
    results: dict[str, dict[str, Any]] = {}
    asked: list[figures.Asked] = []
    with connected(arguments.target) as client:
        for share in arguments.flips:
            accuracies: list[dict[str, float]] = []
            for seed in range(arguments.seed, arguments.seed + arguments.seeds):
                with stages(f"seed {seed}, {share:.0%} flipped"):
                    parts = split(digits, share, seed)
                    trial = Trial(parts, seed, arguments.epochs)
                    kept, took = choices(client, trial, parts, arguments.keep, seed)
                    accuracies.append({name: trial.accuracy(rows) for name, rows in kept.items()})
                asked += took
            title = f"{share:.0%} of labels flipped, {arguments.keep:.0%} kept"
            results[title] = {"choices": summary(accuracies), "accuracies": accuracies}
            show(f"{title}, {arguments.seeds} seeds", results[title]["choices"])
    figures.print_table("one question", seconds_of(asked))
    report = {
        "task": "selection",
        "settings": vars(arguments),
        "seconds": stages.seconds,
        "questions": seconds_of(asked),
        "results": results,
    }
    figures.write_json(arguments.out, report)
    panels = {title: _panel(each["choices"]) for title, each in results.items()}
    figures.draw(arguments.out, "accuracy against a random choice, points", panels)


def _panel(rows: list[figures.Row]) -> Any:
    def panel(ax: Any) -> None:
        names = [row["choice"] for row in rows][::-1]
        errors = [row["gain_standard_error"] or 0.0 for row in rows][::-1]
        ax.barh(names, [row["gain"] for row in rows][::-1], xerr=errors, capsize=3)
        ax.axvline(0, color="black", linewidth=0.8)

    return panel


def _arguments() -> argparse.Namespace:
    options = parser(__doc__, "selection")
    options.add_argument("--flips", type=float, nargs="+", default=[0.2, 0.4], help="shares")
    options.add_argument("--keep", type=float, default=0.6, help="share that is kept")
    options.add_argument("--seeds", type=count, default=8, help="trials, from --seed on")
    options.add_argument("--epochs", type=count, default=10, help="of each tuning")
    arguments = options.parse_args()
    if not all(0 <= share < 1 for share in arguments.flips):
        options.error(f"--flips is {arguments.flips}, expected from 0 to below 1")
    if not 0 < arguments.keep <= 1:
        options.error(f"--keep is {arguments.keep}, expected more than 0 and at most 1")
    if arguments.reduced:
        arguments.flips, arguments.seeds, arguments.epochs = [0.4], 1, 2
    return arguments


if __name__ == "__main__":
    main()
