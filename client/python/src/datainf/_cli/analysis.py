"""`datainf self-influence`."""

from __future__ import annotations

import argparse
from typing import Any

import datainf
from datainf._cli.common import OK, Parents, save
from datainf._progress import share_bar


def add(commands: Any, parents: Parents) -> None:
    """Adds the command."""
    own = commands.add_parser(
        "self-influence",
        parents=[parents.run],
        help="compute how much each sample influences itself",
        description="Says the cost, then computes the self-influence of all samples: n times the"
        " work of a query. The server keeps the result as long as no sample comes or goes;"
        " `query --normalization relatif` needs it.",
    )
    own.add_argument("--damping-scale", type=float, metavar="C", help="instead of the run's")
    own.add_argument("--estimate", action="store_true", help="say the cost and stop")
    own.add_argument("--out", metavar="OUT.npz", help="write self_influence [n], sample_ids [n]")
    own.set_defaults(command=_self_influence)


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
        return OK
    with share_bar(f"self-influence {run.run_id}") as on_progress:
        own = run.self_influence(damping_scale=options.damping_scale, on_progress=on_progress)
    if options.out is not None:
        save(options.out, {"self_influence": own.values, "sample_ids": own.ids})
    print(
        f"self-influence of {len(own.ids)} samples of run {run.run_id} at revision"
        f" {own.snapshot.revision}, in {own.compute_seconds:.3g} s"
    )
    return OK
