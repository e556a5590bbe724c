"""Runs the quickstart's main job against a sidecar that is already up; see ops/quickstart."""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path

import datainf
import numpy as np
import numpy.typing as npt

from digits import experiment, page, report, sidecar
from digits.check import Answer, MismatchError, StreamedSamples, relative_error
from digits.detection import auc
from digits.experiment import Experiment, Settings
from digits.network import Floats
from digits.page import ValidationPoint
from digits.report import Figures
from digits.sidecar import Streaming
from digits.training import DIFFERENCE_TOLERANCE, gradient_error

# Samples whose gradients are compared with finite differences.
COMPARED_SAMPLES = 4
# Questions over all samples whose times are reported.
TIMED_QUERIES = 30
# Validation digits asked about by themselves.
POINTS = 4
MOST_SUSPICIOUS = 10


@dataclass(frozen=True, kw_only=True)
class Inquiry:
    """All that was asked.

    Attributes:
        streaming: The stream, with the answers given meanwhile.
        timed: Answers about the mean validation gradient once all samples are stored.
        hardest: Positions of the validation digits with the greatest loss.
        apart: Answers about those, each by itself: DataInf's, then the baseline's.
    """

    streaming: Streaming
    timed: list[Answer]
    hardest: npt.NDArray[np.int64]
    apart: list[Answer]

    @property
    def answers(self) -> list[Answer]:
        """Every answer of the server."""
        return [*self.streaming.answers, *self.timed, *self.apart]


def main() -> int:
    """Trains, streams, asks, checks and reports; 1 if a gradient or an answer is wrong."""
    arguments = _arguments()
    _progress("training on handwritten digits")
    trained = experiment.run(experiment.load(), Settings(seed=arguments.seed))
    compared = trained.tuning.part(np.arange(COMPARED_SAMPLES))
    deviation = gradient_error(trained.network, compared.pictures, compared.labels)
    if deviation > DIFFERENCE_TOLERANCE:
        _progress(f"the trainer's gradients differ from finite differences by {deviation:.1e}")
        return 1
    try:
        with datainf.Client(arguments.target) as client:
            inquiry = _inquire(client, trained)
        _progress(f"comparing {len(inquiry.answers)} answers with numpy")
        worst = _check(inquiry, trained)
    except MismatchError as mismatch:
        _progress(f"WRONG ANSWER: {mismatch}")
        return 1
    except datainf.DataInfError as error:
        _progress(f"the server failed: {error}")
        return 1
    _report(inquiry, trained, deviation, worst, arguments)
    return 0


def _inquire(client: datainf.Client, trained: Experiment) -> Inquiry:
    """Streams all tuning samples and asks, meanwhile and afterwards."""
    network, validation = trained.network, trained.validation
    each = network.lora_gradients(validation.pictures, validation.labels)
    mean = each.mean(axis=0, keepdims=True)
    hardest = np.argsort(-network.losses(validation.pictures, validation.labels))[:POINTS]
    _progress("streaming gradients and asking meanwhile")
    run = sidecar.create_run(client, network)
    streaming = sidecar.stream(run, network, trained.tuning, mean)
    _progress("asking about all samples")
    timed = [
        sidecar.ask(run, mean, method)
        for _ in range(TIMED_QUERIES // len(sidecar.METHODS))
        for method in sidecar.METHODS
    ]
    apart = [sidecar.ask(run, each[hardest], method) for method in sidecar.METHODS]
    return Inquiry(streaming=streaming, timed=timed, hardest=hardest, apart=apart)


def _check(inquiry: Inquiry, trained: Experiment) -> float:
    """Compares every score with numpy; returns the greatest relative error.

    Raises:
        MismatchError: An answer is wrong, or lacks samples that were acked before it was asked for.
    """
    count = len(trained.tuning)
    for answer in [*inquiry.timed, *inquiry.apart]:
        if answer.sample_count != count:
            raise MismatchError(
                f"{answer.method} sees {answer.sample_count} samples after all {count} were acked"
            )
    streamed = StreamedSamples(
        ids=trained.tuning.ids,
        gradients=inquiry.streaming.gradients,
        widths=[block.rank * block.width for block in trained.network.blocks()],
    )
    return max(relative_error(answer, streamed) for answer in inquiry.answers)


def _report(
    inquiry: Inquiry,
    trained: Experiment,
    deviation: float,
    worst: float,
    arguments: argparse.Namespace,
) -> None:
    """Writes both reports and prints the lines."""
    streaming, tuning = inquiry.streaming, trained.tuning
    suspicion: dict[str, Floats] = {answer.method: answer.scores[0] for answer in inquiry.timed}
    suspicion["gradient_norm"] = np.sum(streaming.gradients**2, axis=1)
    megabytes = streaming.gradients.size * np.dtype(np.float32).itemsize / 1e6
    figures = Figures(
        seed=arguments.seed,
        engine=inquiry.timed[0].engine,
        metrics=arguments.metrics,
        samples=len(tuning),
        flipped_samples=int(tuning.flipped.sum()),
        validation_samples=len(trained.validation),
        dimension=streaming.gradients.shape[1],
        blocks=len(trained.network.blocks()),
        base_accuracy=trained.base_accuracy,
        tuned_accuracy=trained.tuned_accuracy,
        gradient_error_vs_differences=deviation,
        ingest_mb=megabytes,
        ingest_seconds=streaming.seconds,
        ingest_samples_per_s=len(tuning) / streaming.seconds,
        ingest_mb_per_s=megabytes / streaming.seconds,
        live_queries=len(streaming.answers),
        live_query_ms_p50=_median_ms(streaming.answers),
        query_ms_p50=_median_ms(inquiry.timed),
        query_ms_max=1e3 * max(answer.seconds for answer in inquiry.timed),
        auc={method: auc(scores, tuning.flipped) for method, scores in suspicion.items()},
        answers_checked=len(inquiry.answers),
        scores_checked=sum(answer.scores.size for answer in inquiry.answers),
        max_relative_error_vs_numpy=worst,
        most_suspicious=report.ranked(tuning, suspicion["datainf"], MOST_SUSPICIOUS, harmful=True),
    )
    html = page.render(figures, tuning, suspicion, _points(inquiry, trained))
    arguments.out.mkdir(parents=True, exist_ok=True)
    report.write_json(figures, arguments.out / "report.json")
    (arguments.out / "report.html").write_text(html, encoding="utf-8")
    print()
    for line in report.lines(figures):
        print(line)


def _points(inquiry: Inquiry, trained: Experiment) -> list[ValidationPoint]:
    validation = trained.validation
    guesses = np.argmax(trained.network.logits(validation.pictures), axis=1)
    return [
        ValidationPoint(
            sample_id=int(validation.ids[row]),
            picture=validation.pictures[row],
            label=int(validation.labels[row]),
            guess=int(guesses[row]),
            scores=scores,
        )
        for row, scores in zip(inquiry.hardest, inquiry.apart[0].scores, strict=True)
    ]


def _median_ms(answers: list[Answer]) -> float:
    return 1e3 * float(np.median([answer.seconds for answer in answers]))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="digits", description=__doc__)
    parser.add_argument("--target", required=True, help="host:port or unix:/path of the sidecar")
    parser.add_argument("--metrics", required=True, help="address of its metrics, for the report")
    parser.add_argument("--out", required=True, type=Path, help="folder of the reports")
    parser.add_argument("--seed", type=int, default=0, help="of everything random (default 0)")
    return parser.parse_args()


def _progress(text: str) -> None:
    print(f"quickstart: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
