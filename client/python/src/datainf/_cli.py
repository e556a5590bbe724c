"""The command `datainf`: push, export and query files, delete, show runs and statistics."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
from collections.abc import Sequence
from typing import Any, cast

import numpy as np

import datainf
from datainf import _transfer
from datainf._definition import ExchangeFileError
from datainf._exchange import ExchangeFile, joined
from datainf._query import (
    METHOD_NAMES,
    NORMALIZATION_NAMES,
    RANKING_NAMES,
    Method,
    Normalization,
    Ranking,
)

_OK = 0
_FAILED = 1  # 2 is argparse's, for wrong usage, and 3 a push with samples rejected


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command.

    Args:
        arguments: What follows the name of the command; None: those of this process.

    Returns:
        The exit status: 0, 1 after an error, 2 for wrong usage, 3 if a push had samples rejected.
    """
    options = _parser().parse_args(arguments)
    try:
        with datainf.Client(options.target) as client:
            status: int = options.command(client, options)
            return status
    except (datainf.DataInfError, OSError, ValueError) as error:
        print(f"datainf {options.name}: {error}", file=sys.stderr)
    except KeyboardInterrupt:
        print(f"datainf {options.name}: interrupted", file=sys.stderr)
    return _FAILED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="datainf",
        description="Client of the DataInf sidecar. Negative score = helpful, positive = harmful.",
    )
    parser.add_argument("--version", action="version", version=f"datainf {datainf.__version__}")
    commands = parser.add_subparsers(dest="name", required=True)

    server = argparse.ArgumentParser(add_help=False)
    server.add_argument(
        "--target",
        default=os.environ.get("DATAINF_TARGET", "127.0.0.1:50051"),
        help="unix:/path/of/socket or host:port (DATAINF_TARGET if set: %(default)s)",
    )
    common = argparse.ArgumentParser(add_help=False, parents=[server])
    common.add_argument("--run", required=True, help="the run's id")

    _add_transfer(commands, common)
    query = commands.add_parser(
        "query",
        parents=[common],
        help="ask for the influence on the validation points of a file",
        description="Asks for the influence of all samples of a run on each row of val.<b>.",
    )
    query.add_argument("file", metavar="FILE.npz")
    query.add_argument("--method", choices=METHOD_NAMES, default="datainf", help="(%(default)s)")
    query.add_argument("--lissa-iterations", type=int, metavar="N", help="of LiSSA (10)")
    query.add_argument("--lissa-alpha", type=float, metavar="A", help="step of LiSSA (1)")
    query.add_argument(
        "--exact-tolerance", type=float, metavar="T", help="relative residual for exact (1e-6)"
    )
    query.add_argument("--damping-scale", type=float, metavar="C", help="instead of the run's")
    query.add_argument(
        "--normalization",
        choices=NORMALIZATION_NAMES,
        default="raw",
        help="relatif needs the self-influence of all samples first (%(default)s)",
    )
    result = query.add_mutually_exclusive_group(required=True)
    result.add_argument(
        "--out",
        metavar="OUT.npz",
        help="write scores [m, n], sample_ids [n], lambda [L] and block_names",
    )
    result.add_argument("--top", type=_positive, metavar="K", help="print the first K by rank")
    query.add_argument(
        "--ranking", choices=RANKING_NAMES, default="most_harmful", help="with --top (%(default)s)"
    )
    query.set_defaults(command=_query)

    own = commands.add_parser(
        "self-influence",
        parents=[common],
        help="compute how much each sample influences itself",
        description="Says the cost, then computes the self-influence of all samples: n times the"
        " work of a query. The server keeps the result as long as no sample comes or goes;"
        " `query --normalization relatif` needs it.",
    )
    own.add_argument("--damping-scale", type=float, metavar="C", help="instead of the run's")
    own.add_argument("--estimate", action="store_true", help="say the cost and stop")
    own.add_argument("--out", metavar="OUT.npz", help="write self_influence [n], sample_ids [n]")
    own.set_defaults(command=_self_influence)

    stats = commands.add_parser("stats", parents=[common], help="show statistics of each block")
    stats.add_argument("--json", action="store_true", help="print one JSON object")
    stats.set_defaults(command=_stats)
    _add_deletion(commands, server, common)
    return parser


def _add_transfer(commands: Any, common: Any) -> None:
    push = commands.add_parser(
        "push",
        parents=[common],
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
    push.add_argument("--limit", type=_positive, metavar="N", help="push the first N rows only")
    push.set_defaults(command=_transfer.push)

    export = commands.add_parser(
        "export",
        parents=[common],
        help="write all samples of a run to a file",
        description="Writes all samples of a run, as they are stored, to a file that push takes."
        " Parquet and Arrow are written as samples arrive; npz holds them all in memory.",
    )
    export.add_argument("--format", choices=_transfer.FORMATS, required=True)
    export.add_argument("--output", metavar="FILE", required=True, help="replaced if it exists")
    export.set_defaults(command=_transfer.export)


def _add_deletion(commands: Any, server: Any, common: Any) -> None:
    delete = commands.add_parser(
        "delete",
        parents=[common],
        help="delete samples",
        description="Deletes samples by id, durably. Ids that the run does not hold are counted.",
    )
    ids = delete.add_mutually_exclusive_group(required=True)
    ids.add_argument("--ids", type=int, nargs="+", metavar="ID", help="the samples")
    ids.add_argument("--file", metavar="FILE", help="a text file with an id in each line")
    delete.set_defaults(command=_delete)

    runs = commands.add_parser("runs", parents=[server], help="list runs")
    runs.add_argument("--json", action="store_true", help="print one JSON object a line")
    runs.set_defaults(command=_runs)

    delete_run = commands.add_parser(
        "delete-run", parents=[common], help="delete a run with all of its samples"
    )
    delete_run.add_argument(
        "--yes", action="store_true", required=True, help="needed: there is no way back"
    )
    delete_run.set_defaults(command=_delete_run)


def _query(client: datainf.Client, options: argparse.Namespace) -> int:
    with ExchangeFile(options.file) as file:
        blocks = file.gradients("val")
        run = client.run(options.run)
        _require_same_blocks(options.file, file.blocks, run)
    _, gradients = next(joined(blocks, len(blocks[0]), len(blocks[0])))
    result = run.query(
        gradients,
        method=cast(Method, options.method),
        damping_scale=options.damping_scale,
        lissa_iterations=options.lissa_iterations,
        lissa_alpha=options.lissa_alpha,
        exact_tolerance=options.exact_tolerance,
        normalization=cast(Normalization, options.normalization),
        top_k=options.top,
        ranking=cast(Ranking, options.ranking),
    )
    if options.top is not None:
        _print_top(run, result, options.ranking)
        return _OK
    arrays: dict[str, Any] = {
        "scores": result.scores,
        "sample_ids": result.ids[0],
        "lambda": result.snapshot.damping,
        "block_names": np.array([block.name for block in run.blocks]),
    }
    with open(options.out, "wb") as out:  # savez would add .npz to a bare name
        np.savez(out, **arrays)
    snapshot = result.snapshot
    print(
        f"{len(result.scores)} by {snapshot.sample_count} scores ({snapshot.method}) of run"
        f" {run.run_id} at revision {snapshot.revision} written to {options.out}"
    )
    return _OK


def _self_influence(client: datainf.Client, options: argparse.Namespace) -> int:
    run = client.run(options.run)
    cost = run.self_influence_cost(damping_scale=options.damping_scale)
    print(
        f"{cost.multiplications:.3g} multiplications, about {cost.compute_seconds:.3g} s, behind"
        f" {cost.job_count_ahead} other jobs"
        if cost.multiplications
        else "the server holds the result",
        flush=True,
    )
    if options.estimate:
        return _OK
    own = run.self_influence(damping_scale=options.damping_scale)
    if options.out is not None:
        with open(options.out, "wb") as out:
            np.savez(out, self_influence=own.values, sample_ids=own.ids)
    print(
        f"self-influence of {len(own.ids)} samples of run {run.run_id} at revision"
        f" {own.snapshot.revision}, in {own.compute_seconds:.3g} s"
    )
    return _OK


def _delete(client: datainf.Client, options: argparse.Namespace) -> int:
    run = client.run(options.run)
    if options.ids is not None:
        ids = options.ids
    else:
        with open(options.file, encoding="utf-8") as lines:
            ids = [int(line) for line in lines if line.strip()]
    deletion = run.delete_samples(sorted(set(ids)))
    print(
        f"{deletion.deleted_count} deleted, {deletion.absent_count} not held;"
        f" run {run.run_id} is at revision {deletion.revision}"
    )
    return _OK


def _runs(client: datainf.Client, options: argparse.Namespace) -> int:
    for run in client.list_runs():
        if options.json:
            print(
                json.dumps(
                    {
                        "run_id": run.run_id,
                        "sample_count": run.sample_count,
                        "revision": run.revision,
                        "dimension": run.dimension,
                        "stored_dtype": run.stored_dtype,
                        "damaged_sample_count": run.damaged_sample_count,
                        "create_time": run.create_time.isoformat(),
                    }
                )
            )
        else:
            damage = f", {run.damaged_sample_count} damaged" if run.damaged_sample_count else ""
            print(
                f"{run.run_id}: n = {run.sample_count}, revision {run.revision},"
                f" D = {run.dimension}, stored as {run.stored_dtype}{damage}"
            )
    return _OK


def _delete_run(client: datainf.Client, options: argparse.Namespace) -> int:
    client.delete_run(options.run)
    print(f"run {options.run} is deleted")
    return _OK


def _require_same_blocks(path: str, blocks: Sequence[datainf.Block], run: datainf.Run) -> None:
    if len(blocks) != len(run.blocks):
        raise ExchangeFileError(
            f"{path} has {len(blocks)} blocks, but run {run.run_id} has {len(run.blocks)}"
        )
    for index, (ours, theirs) in enumerate(zip(blocks, run.blocks, strict=True)):
        if ours != theirs:
            raise ExchangeFileError(
                f"{path}: block {index} is {ours}, but that of run {run.run_id} is {theirs}"
            )


def _print_top(run: datainf.Run, result: datainf.QueryResult, ranking: str) -> None:
    snapshot = result.snapshot
    print(
        f"run {run.run_id}, n = {snapshot.sample_count}, revision {snapshot.revision},"
        f" {snapshot.method}, {ranking.replace('_', ' ')} first"
        " (negative = helpful, positive = harmful)"
    )
    if snapshot.skipped_blocks:
        print(f"skipped, all gradients zero: {', '.join(snapshot.skipped_blocks)}")
    print(f"{'validation':>10} {'rank':>6} {'sample_id':>20} {'score':>15}")
    for point, (ids, scores) in enumerate(zip(result.ids, result.scores, strict=True)):
        for rank, (sample_id, score) in enumerate(zip(ids, scores, strict=True), start=1):
            print(f"{point:>10} {rank:>6} {sample_id:>20} {score:>15.6e}")


def _stats(client: datainf.Client, options: argparse.Namespace) -> int:
    run = client.run(options.run)
    statistics = run.statistics()
    if options.json:
        print(json.dumps({"run_id": run.run_id, **dataclasses.asdict(statistics)}, indent=2))
        return _OK
    print(
        f"run {run.run_id}: n = {statistics.sample_count}, revision {statistics.revision},"
        f" D = {run.dimension}, stored as {run.stored_dtype}, damping scale {run.damping_scale}"
    )
    width = max(len(block.name) for block in statistics.blocks)
    print(
        f"{'block':<{width}} {'d':>9} {'lambda':>12} {'q min':>12} {'q median':>12} {'q max':>12}"
        f" {'zero':>8}"
    )
    for block in statistics.blocks:
        print(
            f"{block.name:<{width}} {block.dimension:>9} {block.damping:>12.5e}"
            f" {block.squared_norm_min:>12.5e} {block.squared_norm_median:>12.5e}"
            f" {block.squared_norm_max:>12.5e} {block.zero_gradient_count:>8}"
            f"{'  skipped' if block.skipped else ''}"
        )
    return _OK


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value
