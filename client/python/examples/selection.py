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
from common import DEVICE, Samples, Stages, capture, connected, on_device, parser, tune

import datainf

Array = npt.NDArray[Any]

CLASSES = 10
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

    def __init__(self, parts: dict[str, Digits], seed: int) -> None:
        """Trains the base."""
        self._parts, self._seed = parts, seed
        torch.manual_seed(seed)
        nn = torch.nn
        layers = [nn.Linear(64, 256), nn.Tanh(), nn.Linear(256, 256), nn.Tanh()]
        self._base = nn.Sequential(*layers, nn.Linear(256, CLASSES)).to(DEVICE)
        self._train(self._base, parts["base"], epochs=20)

    def tuned(self, part: Digits) -> Any:
        """Returns the base after LoRA tuning on a part."""
        torch.manual_seed(self._seed)
        lora = peft.LoraConfig(target_modules=["0", "2", "4"], r=4, lora_alpha=4)
        model = peft.get_peft_model(copy.deepcopy(self._base), lora)  # type: ignore[arg-type]
        self._train(model, part, epochs=10)
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
) -> dict[str, Array]:
    """Returns what each way to choose keeps, as positions in the tuning part."""
    tuning, validation = parts["tuning"], parts["validation"]
    model = trial.tuned(tuning)
    samples = tuning.samples()
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
    count = round(keep * samples.count)
    order = np.random.default_rng(seed).permutation(samples.count)
    wrong = tuning.told != tuning.labels
    kept = {
        "all": np.arange(samples.count),
        "random": order[:count],
        "oracle": order[np.argsort(wrong[order], kind="stable")][:count],
    }
    alike: dict[str, Any] = {
        "labels": tuning.told.tolist(),
        "validation_labels": validation.labels,
        "losses": losses,
        "self_influence": False,
    }
    overall = datainf.select(run, gradients, keep, per_label=False, **alike)
    of_label = datainf.select(run, gradients, keep, aggregation="per_label", **alike)
    exact = datainf.select(
        run, gradients, keep, aggregation="per_label", method="exact", baselines=False, **alike
    )
    for name in overall.kept:
        kept[f"{name}, overall"] = overall.kept_ids(name).astype(np.int64)
    for name in of_label.kept:
        kept[f"{name}, per label"] = of_label.kept_ids(name).astype(np.int64)
    kept["exact, per label"] = exact.kept_ids("exact").astype(np.int64)
    client.delete_run(run.run_id)
    return kept


def summary(accuracies: list[dict[str, float]]) -> list[figures.Row]:
    """Returns mean accuracy of each choice, and its gain over the random one, in points."""
    rows = []
    for name in accuracies[0]:
        gains = np.array([each[name] - each["random"] for each in accuracies])
        error = float(gains.std(ddof=1) / len(gains) ** 0.5) if len(gains) > 1 else None
        mean = float(np.mean([each[name] for each in accuracies]))
        row = {"choice": name, "accuracy": mean, "gain": float(gains.mean())}
        rows.append({**row, "gain_standard_error": error})
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
    stages, digits = Stages(), load()
    results: dict[str, list[figures.Row]] = {}
    with connected(arguments.target) as client:
        for share in arguments.flips:
            accuracies: list[dict[str, float]] = []
            for seed in range(arguments.seed, arguments.seed + arguments.seeds):
                with stages(f"seed {seed}, {share:.0%} flipped"):
                    parts = split(digits, share, seed)
                    trial = Trial(parts, seed)
                    kept = choices(client, trial, parts, arguments.keep, seed)
                    accuracies.append({name: trial.accuracy(rows) for name, rows in kept.items()})
            title = f"{share:.0%} of labels flipped, {arguments.keep:.0%} kept"
            results[title] = summary(accuracies)
            show(f"{title}, {arguments.seeds} seeds", results[title])
    report = {"task": "selection", "settings": vars(arguments), "seconds": stages.seconds}
    figures.write_json(arguments.out, {**report, "results": results})
    panels = {title: _panel(rows) for title, rows in results.items()}
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
    options.add_argument("--seeds", type=int, default=8, help="trials, from --seed on")
    arguments = options.parse_args()
    if not all(0 <= share < 1 for share in arguments.flips):
        options.error(f"--flips is {arguments.flips}, expected from 0 to below 1")
    if not 0 < arguments.keep <= 1:
        options.error(f"--keep is {arguments.keep}, expected more than 0 and at most 1")
    if arguments.seeds < 1:
        options.error(f"--seeds is {arguments.seeds}, expected at least 1")
    if arguments.reduced:
        arguments.flips, arguments.seeds = [0.4], 1
    return arguments


if __name__ == "__main__":
    main()
