"""The training that the quickstart asks about: handwritten digits, a fifth labelled wrong."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits.detection import Flags
from digits.network import Floats, Labels, Network
from digits.training import train

CLASSES = 10


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is trained and how. None of it was chosen to favour a method."""

    seed: int = 0
    base_samples: int = 500
    tuning_samples: int = 1000
    flipped_share: float = 0.2
    hidden_width: int = 256
    rank: int = 4
    base_epochs: int = 20
    tuning_epochs: int = 10
    learning_rate: float = 1e-3
    batch_samples: int = 32


@dataclass(frozen=True, kw_only=True)
class Digits:
    """Some handwritten digits, n of them.

    Attributes:
        ids: Row in the data set, shape [n]; the sample id on the server.
        pictures: 8 x 8 grey levels from 0 to 1, row-major, shape [n, 64].
        true_labels: The digit that was written, shape [n].
        labels: The digit that the training is told, shape [n].
    """

    ids: npt.NDArray[np.uint64]
    pictures: Floats
    true_labels: Labels
    labels: Labels

    def __len__(self) -> int:
        """Number of digits."""
        return len(self.ids)

    @property
    def flipped(self) -> Flags:
        """Whether the training is told a wrong label, shape [n]."""
        flipped: Flags = self.labels != self.true_labels
        return flipped

    def part(self, rows: npt.NDArray[np.int64]) -> "Digits":
        """The digits at positions `rows`, in that order."""
        return Digits(
            ids=self.ids[rows],
            pictures=self.pictures[rows],
            true_labels=self.true_labels[rows],
            labels=self.labels[rows],
        )


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A network after LoRA tuning, and the digits that belong to it.

    Attributes:
        network: At its final parameters.
        tuning: What it was tuned on, a share of the labels flipped.
        validation: Digits that it never saw, labelled right.
        base_accuracy: On the validation digits, before tuning.
        tuned_accuracy: On the validation digits, after tuning.
    """

    network: Network
    tuning: Digits
    validation: Digits
    base_accuracy: float
    tuned_accuracy: float


def load() -> Digits:
    """The 1,797 digits that ship with scikit-learn (UCI ML, Optical Recognition of Digits)."""
    from sklearn.datasets import load_digits  # noqa: PLC0415  # the only use of scikit-learn

    pictures, labels = load_digits(return_X_y=True)
    labels = labels.astype(np.int64)
    return Digits(
        ids=np.arange(len(labels), dtype=np.uint64),
        pictures=pictures / 16.0,
        true_labels=labels,
        labels=labels,
    )


def run(digits: Digits, settings: Settings) -> Experiment:
    """Splits, flips, trains the base network on one part and LoRA on another."""
    needed = settings.base_samples + settings.tuning_samples + 1
    if len(digits) < needed:
        raise ValueError(f"{len(digits)} digits are too few: these settings need {needed}")
    generator = np.random.default_rng(settings.seed)
    order = generator.permutation(len(digits))
    base, tuning, validation = (
        digits.part(rows) for rows in np.split(order, [settings.base_samples, needed - 1])
    )
    tuning = _flip(tuning, settings.flipped_share, generator)
    widths = [digits.pictures.shape[1], settings.hidden_width, settings.hidden_width, CLASSES]
    network = Network(widths, settings.rank, generator)

    def fit(part: Digits, *, lora: bool, epochs: int) -> float:
        train(
            network.lora_step if lora else network.base_step,
            part.pictures,
            part.labels,
            epochs=epochs,
            learning_rate=settings.learning_rate,
            batch_samples=settings.batch_samples,
            generator=generator,
        )
        return network.accuracy(validation.pictures, validation.true_labels)

    return Experiment(
        base_accuracy=fit(base, lora=False, epochs=settings.base_epochs),
        tuned_accuracy=fit(tuning, lora=True, epochs=settings.tuning_epochs),
        network=network,
        tuning=tuning,
        validation=validation,
    )


def _flip(digits: Digits, share: float, generator: np.random.Generator) -> Digits:
    """Gives a share of the digits, drawn at random, a wrong label, drawn at random."""
    labels = digits.labels.copy()
    chosen = generator.choice(len(digits), round(share * len(digits)), replace=False)
    labels[chosen] = (labels[chosen] + generator.integers(1, CLASSES, len(chosen))) % CLASSES
    return Digits(
        ids=digits.ids,
        pictures=digits.pictures,
        true_labels=digits.true_labels,
        labels=labels,
    )
