"""`datainf top` and `datainf mislabeled`: the questions people ask, baselines beside."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import datainf
from datainf._cli.common import OK, Parents, add_method, positive, save, validation_gradients
from datainf._exchange import ExchangeFile
from datainf._progress import share_bar
from datainf._questions.points import AGGREGATIONS

_PER_FILE = "labels, val_labels, losses"


def add(commands: Any, parents: Parents) -> None:
    """Adds the commands."""
    top = commands.add_parser(
        "top",
        parents=[parents.run],
        help="show the most harmful or helpful samples, baselines beside",
        description="Shows the samples that raise (or lower) the loss of the validation points"
        f" val.<b> of a file most, by one score a sample. Takes {_PER_FILE} of the file too.",
    )
    top.add_argument("-k", type=positive, default=10, metavar="K", help="samples (%(default)s)")
    top.add_argument(
        "--ranking",
        choices=["most_harmful", "most_helpful"],
        default="most_harmful",
        help="(%(default)s)",
    )
    _add_options(top)
    top.set_defaults(command=_top)

    mislabeled = commands.add_parser(
        "mislabeled",
        parents=[parents.run],
        help="rank samples by how likely their label is wrong, baselines beside",
        description="Ranks all samples by how much they hurt the loss of the validation points"
        f" val.<b> of a file. Takes {_PER_FILE} of the file too; with flipped, it tells how well"
        " each ranking finds wrong labels.",
    )
    mislabeled.add_argument(
        "-k", type=positive, default=20, metavar="K", help="samples to show (%(default)s)"
    )
    mislabeled.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of the bootstrap (%(default)s)"
    )
    _add_options(mislabeled)
    mislabeled.set_defaults(command=_mislabeled)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE.npz")
    add_method(parser)
    parser.add_argument(
        "--aggregation",
        choices=AGGREGATIONS,
        default="mean",
        help="how validation points become one; per_label needs labels and val_labels, and"
        " balanced_mean val_labels in the file (%(default)s)",
    )
    parser.add_argument(
        "--self-influence",
        action=argparse.BooleanOptionalAction,
        help="one more baseline: n times the work of a query (if kept or cheap)",
    )
    parser.add_argument(
        "--sign",
        choices=["paper", "dattri"],
        default="paper",
        help="paper: negative = helpful; dattri: positive = helpful (%(default)s)",
    )
    parser.add_argument("--out", metavar="OUT.npz", help="write ids, ranks and scores")
    parser.add_argument("--html", metavar="OUT.html", help="write a page")
    parser.add_argument(
        "--texts",
        metavar="FILE.txt",
        help="texts of the samples for the page: line k, from 0, is that of sample id k",
    )


def _top(client: datainf.Client, options: argparse.Namespace) -> int:
    ask = datainf.most_harmful if options.ranking == "most_harmful" else datainf.most_helpful
    texts = _texts(options)
    with ExchangeFile(options.file) as file:
        run = client.run(options.run)
        with share_bar(f"top {run.run_id}") as on_progress:
            found = ask(
                run,
                validation_gradients(file, options.file, run),
                options.k,
                **_arguments(file, options),
                on_progress=on_progress,
            )
    return _show(run, found, options, texts)


def _mislabeled(client: datainf.Client, options: argparse.Namespace) -> int:
    texts = _texts(options)
    with ExchangeFile(options.file) as file:
        run = client.run(options.run)
        with share_bar(f"mislabeled {run.run_id}") as on_progress:
            found = datainf.mislabeled(
                run,
                validation_gradients(file, options.file, run),
                flipped=file.by_id("flipped"),
                seed=options.seed,
                **_arguments(file, options),
                on_progress=on_progress,
            )
    return _show(run, found, options, texts)


def _arguments(file: ExchangeFile, options: argparse.Namespace) -> dict[str, Any]:
    return {
        "aggregation": options.aggregation,
        "labels": file.by_id("labels"),
        "validation_labels": file.validation_labels(),
        "losses": file.by_id("losses"),
        "method": options.method,
        "damping_scale": options.damping_scale,
        "self_influence": options.self_influence,
    }


def _show(
    run: datainf.Run,
    found: datainf.Ranking,
    options: argparse.Namespace,
    texts: list[str] | None,
) -> int:
    order = found.question.replace("_", " ")
    signs = (
        "negative = helpful, positive = harmful"
        if options.sign == "paper"
        else "positive = helpful, negative = harmful"
    )
    print(
        f"run {run.run_id}, n = {found.sample_count}, revision {found.snapshot.revision},"
        f" {found.method}, {order} first ({signs}); in brackets: the rank by a baseline"
    )
    if found.snapshot.skipped_blocks:
        print(f"skipped, all gradients zero: {', '.join(found.snapshot.skipped_blocks)}")
    for note in found.notes:
        print(note)
    _print_samples(found, options)
    if found.detections:
        print("AUC of flipped labels, and its 95 % interval by bootstrap:")
        for each in found.detections:
            print(f"  {each.method:<16} {each.auc:.3f}  ({each.low:.3f} to {each.high:.3f})")
    _write(found, options, texts)
    return OK


def _texts(options: argparse.Namespace) -> list[str] | None:
    """Returns what --texts names, before anything is computed."""
    if options.texts is None:
        return None
    if options.html is None:
        raise ValueError("--texts is for the page: give --html OUT.html too")
    return Path(options.texts).read_text(encoding="utf-8").splitlines()


def _write(found: datainf.Ranking, options: argparse.Namespace, texts: list[str] | None) -> None:
    if options.out is not None:
        save(options.out, found.table(sign=options.sign))
        print(f"{len(found.ids)} samples written to {options.out}")
    if options.html is not None:
        found.to_html(options.html, texts=texts, sign=options.sign)
        print(f"page written to {options.html}")


def _print_samples(found: datainf.Ranking, options: argparse.Namespace) -> None:
    table = found.table(sign=options.sign)
    columns = {"rank": [str(rank) for rank in table["rank"][: options.k]]}
    columns["sample_id"] = [str(each) for each in found.ids[: options.k]]
    for name in found.columns:
        places = ["" if name == found.method else f" ({rank})" for rank in found.ranks[name]]
        shown = zip(table[name][: options.k], places, strict=False)
        columns[name] = [f"{value:.4e}{place}" for value, place in shown]
    widths = [max(len(name), *map(len, cells)) for name, cells in columns.items()]
    for line in ([*columns], *zip(*columns.values(), strict=True)):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))
