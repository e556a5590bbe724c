"""What a file says of the run that its samples come from."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datainf._block import Block
from datainf._encoding import Dtype

if TYPE_CHECKING:
    from datainf._reading import SampleStream
    from datainf._run import Run

VERSION = 1


class ExchangeFileError(ValueError):
    """A file does not have the exchange format; the message names file and what is wrong in it."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Definition:
    """What `Client.create_run` needs to make the same run again."""

    blocks: tuple[Block, ...]
    stored_dtype: Dtype
    damping_scale: float
    checkpoint: str
    labels: Mapping[str, str]


def to_json(run: Run, samples: SampleStream) -> str:
    """Returns what an exported file says of the run: one JSON object, described in README.md."""
    return json.dumps(
        {
            "version": VERSION,
            "run_id": run.run_id,
            "revision": samples.revision,
            "blocks": [dataclasses.asdict(block) for block in run.blocks],
            "stored_dtype": samples.stored_dtype,
            "damping_scale": run.damping_scale,
            "checkpoint": run.checkpoint,
            "labels": run.labels,
            "lambda": samples.damping.tolist(),
        }
    )


def from_json(path: str | Path, text: str | bytes) -> Definition:
    """Returns the definition in what `to_json` made.

    Raises:
        ExchangeFileError: It is something else.
    """
    try:
        said: Any = json.loads(text)
        version = said["version"]
        if version != VERSION:
            raise ExchangeFileError(
                f"{path}: metadata 'datainf' has version {version}, expected {VERSION}"
            )
        definition = Definition(
            blocks=tuple(
                Block(str(b["name"]), int(b["rows"]), int(b["columns"])) for b in said["blocks"]
            ),
            stored_dtype=said["stored_dtype"],
            damping_scale=float(said["damping_scale"]),
            checkpoint=str(said["checkpoint"]),
            labels={str(key): str(value) for key, value in said["labels"].items()},
        )
    except ExchangeFileError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ExchangeFileError(
            f"{path}: metadata 'datainf' is not what export writes: {type(error).__name__}: {error}"
        ) from None
    if definition.stored_dtype not in ("f32", "bf16"):
        raise ExchangeFileError(
            f"{path}: metadata 'datainf' has stored_dtype {definition.stored_dtype!r},"
            " expected 'f32' or 'bf16'"
        )
    if not definition.blocks or any(b.rows < 1 or b.columns < 1 for b in definition.blocks):
        raise ExchangeFileError(
            f"{path}: metadata 'datainf' has blocks {definition.blocks}, expected at least one,"
            " with rows and columns of at least 1"
        )
    return definition
