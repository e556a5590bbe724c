"""`datainf stats`, `runs`, `delete` and `delete-run`: what there is, and its end."""

from __future__ import annotations

import argparse
import dataclasses
import json
from typing import Any

import datainf
from datainf._cli.common import OK, Parents


def add(commands: Any, parents: Parents) -> None:
    """Adds the commands."""
    stats = commands.add_parser(
        "stats", parents=[parents.run], help="show statistics of each block"
    )
    stats.add_argument("--json", action="store_true", help="print one JSON object")
    stats.set_defaults(command=_stats)

    delete = commands.add_parser(
        "delete",
        parents=[parents.run],
        help="delete samples",
        description="Deletes samples by id, durably. Ids that the run does not hold are counted.",
    )
    ids = delete.add_mutually_exclusive_group(required=True)
    ids.add_argument("--ids", type=int, nargs="+", metavar="ID", help="the samples")
    ids.add_argument("--file", metavar="FILE", help="a text file with an id in each line")
    delete.set_defaults(command=_delete)

    runs = commands.add_parser("runs", parents=[parents.server], help="list runs")
    runs.add_argument("--json", action="store_true", help="print one JSON object a line")
    runs.set_defaults(command=_runs)

    delete_run = commands.add_parser(
        "delete-run", parents=[parents.run], help="delete a run with all of its samples"
    )
    delete_run.add_argument(
        "--yes", action="store_true", required=True, help="needed: there is no way back"
    )
    delete_run.set_defaults(command=_delete_run)


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
    return OK


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
    return OK


def _delete_run(client: datainf.Client, options: argparse.Namespace) -> int:
    client.delete_run(options.run)
    print(f"run {options.run} is deleted")
    return OK


def _stats(client: datainf.Client, options: argparse.Namespace) -> int:
    run = client.run(options.run)
    statistics = run.statistics()
    if options.json:
        print(json.dumps({"run_id": run.run_id, **dataclasses.asdict(statistics)}, indent=2))
        return OK
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
    return OK
