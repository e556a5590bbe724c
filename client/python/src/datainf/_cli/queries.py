"""`datainf query`: scores of all samples, or of the first by rank."""

from __future__ import annotations

import argparse
import sys
from typing import Any, cast

import numpy as np

import datainf
from datainf._cli.common import OK, Parents, add_method, positive, save, validation_gradients
from datainf._exchange import ExchangeFile
from datainf._progress import share_bar
from datainf._query import NORMALIZATION_NAMES, RANKING_NAMES, Method, Normalization, Ranking
from datainf._questions.scores import solver_note


def add(commands: Any, parents: Parents) -> None:
    """Adds the command."""
    query = commands.add_parser(
        "query",
        parents=[parents.run],
        help="ask for the influence on the validation points of a file",
        description="Asks for the influence of all samples of a run on each row of val.<b>.",
    )
    query.add_argument("file", metavar="FILE.npz")
    add_method(query)
    query.add_argument("--lissa-iterations", type=int, metavar="N", help="of LiSSA (10)")
    query.add_argument("--lissa-alpha", type=float, metavar="A", help="step of LiSSA (1)")
    query.add_argument(
        "--exact-tolerance", type=float, metavar="T", help="relative residual for exact (1e-6)"
    )
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
    result.add_argument("--top", type=positive, metavar="K", help="print the first K by rank")
    query.add_argument(
        "--ranking", choices=RANKING_NAMES, default="most_harmful", help="with --top (%(default)s)"
    )
    query.set_defaults(command=_query)


def _query(client: datainf.Client, options: argparse.Namespace) -> int:
    with ExchangeFile(options.file) as file:
        run = client.run(options.run)
        gradients = validation_gradients(file, options.file, run)
    with share_bar(f"query {run.run_id}") as on_progress:
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
            on_progress=on_progress,
        )
    note = solver_note(result)
    if note is not None:
        print(f"datainf query: {note}", file=sys.stderr)
    if options.top is not None:
        _print_top(run, result, options.ranking)
        return OK
    arrays = {
        "scores": result.scores,
        "sample_ids": result.ids[0],
        "lambda": result.snapshot.damping,
        "block_names": np.array([block.name for block in run.blocks]),
    }
    save(options.out, arrays)
    snapshot = result.snapshot
    print(
        f"{len(result.scores)} by {snapshot.sample_count} scores ({snapshot.method}) of run"
        f" {run.run_id} at revision {snapshot.revision} written to {options.out}"
    )
    return OK


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
