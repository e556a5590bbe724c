"""Samples from a file into a run, and out of a run into a file: `datainf push` and `export`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any, cast

import datainf
from datainf import _progress
from datainf._arrow import ArrowFile, ArrowSink
from datainf._cli.common import OK, SOME_REJECTED, Parents, positive, size
from datainf._definition import ExchangeFileError, to_json
from datainf._encoding import Dtype
from datainf._exchange import ExchangeFile, NpzSink
from datainf._reading import SampleStream

FORMATS = ("parquet", "arrow", "npz")

_ADD_BYTES = 8 << 20
_MAGICS = {b"PAR1": "parquet", b"ARROW1": "arrow"}


def add(commands: Any, parents: Parents) -> None:
    """Adds the commands."""
    push = commands.add_parser(
        "push",
        parents=[parents.run],
        help="stream the train gradients of a file",
        description="Streams the samples of an .npz, Parquet or Arrow file into a run. A run that"
        " does not exist is made, as the file says if export wrote it. May be repeated: samples"
        " that the run holds are counted as duplicates.",
    )
    push.add_argument("file", metavar="FILE")
    push.add_argument("--dtype", choices=["f32", "bf16"], help="stored dtype of a new run")
    push.add_argument("--damping-scale", type=float, help="damping scale of a new run (0.1)")
    push.add_argument("--checkpoint", help="checkpoint at which the gradients were taken")
    push.add_argument(
        "--allow-deleted", action="store_true", help="let samples that were deleted come back"
    )
    push.add_argument("--limit", type=positive, metavar="N", help="push the first N rows only")
    push.set_defaults(command=_push)

    export = commands.add_parser(
        "export",
        parents=[parents.run],
        help="write all samples of a run to a file",
        description="Writes all samples of a run, as they are stored, to a file that push takes."
        " Parquet and Arrow are written as samples arrive; npz holds them all in memory.",
    )
    export.add_argument("--format", choices=FORMATS, required=True)
    export.add_argument("--output", metavar="FILE", required=True, help="replaced if it exists")
    export.set_defaults(command=_export)


def _push(client: datainf.Client, options: argparse.Namespace) -> int:
    """Streams a file into a run; returns the exit status."""
    with _open(options.file) as file:
        dimension = sum(block.dimension for block in file.blocks)
        batches = file.batches(options.limit, max(_ADD_BYTES // (4 * dimension), 1))
        if file.has_other_ids:
            print("datainf push: ids are not integers: using row numbers", file=sys.stderr)
        run = _run_for(client, options, file)
        started = time.perf_counter()
        with run.writer(
            dtype=file.dtype,
            allow_deleted=options.allow_deleted,
            progress=_progress.is_wanted(),
        ) as writer:
            for ids, steps, gradients in batches:
                writer.add(ids, gradients, steps)
            revision = writer.flush()
    seconds = time.perf_counter() - started
    stats = writer.stats()
    stored = stats.acked_samples - stats.duplicate_samples - stats.rejected_samples
    print(
        f"{stats.acked_samples} samples ({size(stats.added_bytes)}) in {seconds:.2f} s:"
        f" {stored} stored, {stats.duplicate_samples} duplicate, {stats.rejected_samples} rejected;"
        f" run {run.run_id} is at revision {revision}"
    )
    for sample in writer.rejected:
        print(
            f"datainf push: sample {sample.sample_id} rejected ({sample.reason}) in block"
            f" {sample.block_name!r}: {sample.detail}",
            file=sys.stderr,
        )
    return SOME_REJECTED if stats.rejected_samples else OK


def _export(client: datainf.Client, options: argparse.Namespace) -> int:
    """Streams a run into a file, which appears whole; returns the exit status."""
    run = client.run(options.run)
    started = time.perf_counter()
    temporary = f"{options.output}.part"
    try:
        with run.read_samples() as samples:
            sink = _sink(temporary, options.format, run, samples)
            try:
                with _progress.share_bar(f"export {run.run_id}") as tell:
                    written = 0
                    for chunk in samples:
                        sink.write(chunk)
                        written += len(chunk)
                        if tell is not None:
                            tell(written / samples.count)
            except BaseException:
                sink.abandon()
                raise
            sink.finish()
        os.replace(temporary, options.output)
    finally:
        Path(temporary).unlink(missing_ok=True)
    seconds = time.perf_counter() - started
    print(
        f"{samples.count} samples of run {run.run_id} at revision {samples.revision} written to"
        f" {options.output} ({size(os.path.getsize(options.output))}) in {seconds:.2f} s"
    )
    return OK


def _sink(
    path: str, file_format: str, run: datainf.Run, samples: SampleStream
) -> ArrowSink | NpzSink:
    dtype = cast(Dtype, samples.stored_dtype)
    metadata = to_json(run, samples)
    if file_format == "npz":
        return NpzSink(
            path,
            blocks=run.blocks,
            stored_dtype=dtype,
            metadata=metadata,
            damping=samples.damping,
            count=samples.count,
        )
    return ArrowSink(path, file_format, run.blocks, dtype, metadata)


def _open(path: str) -> ArrowFile | ExchangeFile:
    """Opens a file of any format, which its first bytes tell."""
    with open(path, "rb") as file:
        begin = file.read(8)
    file_format = next((name for magic, name in _MAGICS.items() if begin.startswith(magic)), None)
    if file_format is not None:
        return ArrowFile(path, file_format)
    if Path(path).suffix in (".parquet", ".arrow"):
        raise ExchangeFileError(
            f"{path} begins with {begin!r}, expected PAR1 for Parquet or ARROW1 for Arrow"
        )
    return ExchangeFile(path)


def _run_for(
    client: datainf.Client, options: argparse.Namespace, file: ArrowFile | ExchangeFile
) -> datainf.Run:
    """Returns the run to push to; makes it, or has the server compare it with what is asked for."""
    dtype, scale, checkpoint, labels = "f32", 0.1, "", {}
    try:
        run = client.run(options.run)
        dtype, scale = run.stored_dtype, run.damping_scale
        checkpoint, labels = run.checkpoint, run.labels
    except datainf.NotFoundError:
        said = file.definition
        if said is not None:
            dtype, scale = said.stored_dtype, said.damping_scale
            checkpoint, labels = said.checkpoint, dict(said.labels)
    return client.create_run(
        options.run,
        file.blocks,
        stored_dtype=cast(Dtype, dtype if options.dtype is None else options.dtype),
        damping_scale=scale if options.damping_scale is None else options.damping_scale,
        checkpoint=checkpoint if options.checkpoint is None else options.checkpoint,
        labels=labels,
    )
