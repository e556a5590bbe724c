"""The questions that rank samples."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from datainf._arrays import GradientsLike
from datainf._query import Method
from datainf._questions import points as _points
from datainf._questions.aggregated import Aggregated
from datainf._questions.by_id import ById, labels_of
from datainf._questions.detection import ClassDetection, class_detection
from datainf._questions.matrix import InfluenceMatrix
from datainf._questions.points import Aggregation
from datainf._questions.ranking import Ranking
from datainf._questions.result import read_only, read_only_columns
from datainf._questions.scores import Options, Progress, score
from datainf._questions.selection import Selection, choose
from datainf._run import Run


def most_harmful(
    run: Run,
    validation: GradientsLike,
    k: int = 10,
    *,
    aggregation: Aggregation = "mean",
    labels: ById | None = None,
    validation_labels: npt.ArrayLike | None = None,
    losses: ById | None = None,
    method: Method = "datainf",
    damping_scale: float | None = None,
    baselines: bool = True,
    self_influence: bool | None = None,
    min_revision: int = 0,
    on_progress: Progress | None = None,
) -> Ranking:
    """Returns the training samples that hurt the validation loss most: the greatest scores.

    score_k = -sum_l h_l(v) . g_{k,l} for the validation gradient v, see `Run.query`; **negative =
    helpful, positive = harmful**. Baselines stand beside, at the price of a second query: on real
    data they can rank better, so look at them.

    Args:
        run: The run.
        validation: Gradients of the loss of validation points, floats, shape [m, D] or [D].
        k: Samples to return, at least 1.
        aggregation: How they become v. `"mean"`: 1/m sum_j v_j. `"balanced_mean"`: the mean of the
            means of each label. `"per_label"`: each sample is scored by the mean of the points that
            have its own observed label. One mean over all labels can mislead.
        labels: Observed label of each training sample by id, an integer or a string:
            `labels[sample_id]` of a dict, list, array or data set, or a function of the id. Needed
            for `"per_label"`.
        validation_labels: Label of each validation point, shape [m]. Needed unless `"mean"`.
        losses: Loss of each training sample by id, like `labels`: one more baseline.
        method: What ranks, see `Run.query`.
        damping_scale: c instead of the run's.
        baselines: Whether to compute them: Hessian-free, cosine, squared norm, self-influence.
        self_influence: Whether self-influence is among them: n times the work of a query. None: if
            the server has it already, or it takes 2 seconds at most; else `Ranking.notes` says what
            it would take.
        min_revision: Answer only from this revision or a later one, e.g. `Writer.flush()`'s.
        on_progress: Called with the share of the work done, 0 to 1.

    Raises:
        TypeError: A dtype is wrong.
        ValueError: A value is out of range, or missing for a sample.
        FailedPreconditionError: The run holds no samples, or is not at `min_revision` yet.
        DataInfError: Other errors of `Run.query`.

    Example:
        >>> ranking = datainf.most_harmful(run, np.ones(run.dimension), k=1)
        >>> ranking.ids.tolist(), ranking.scores.shape
        ([10], (1,))
    """
    options = Options(
        method=method,
        damping_scale=damping_scale,
        baselines=baselines,
        self_influence=self_influence,
        losses=losses,
        min_revision=min_revision,
        on_progress=on_progress,
    )
    asked = Aggregated(
        run,
        validation,
        aggregation=aggregation,
        labels=labels,
        validation_labels=validation_labels,
        options=options,
    )
    return asked.ranking("most_harmful", k)


def most_helpful(
    run: Run,
    validation: GradientsLike,
    k: int = 10,
    *,
    aggregation: Aggregation = "mean",
    labels: ById | None = None,
    validation_labels: npt.ArrayLike | None = None,
    losses: ById | None = None,
    method: Method = "datainf",
    damping_scale: float | None = None,
    baselines: bool = True,
    self_influence: bool | None = None,
    min_revision: int = 0,
    on_progress: Progress | None = None,
) -> Ranking:
    """Returns the training samples that lower the validation loss most: the least scores.

    Arguments and errors as for `most_harmful`. Baselines without a sign, e.g. `squared_norm`, rank
    the least first.

    Example:
        >>> ranking = datainf.most_helpful(run, np.ones(run.dimension), k=1)
        >>> bool(ranking.scores[0] < 0)
        True
    """
    options = Options(
        method=method,
        damping_scale=damping_scale,
        baselines=baselines,
        self_influence=self_influence,
        losses=losses,
        min_revision=min_revision,
        on_progress=on_progress,
    )
    asked = Aggregated(
        run,
        validation,
        aggregation=aggregation,
        labels=labels,
        validation_labels=validation_labels,
        options=options,
    )
    return asked.ranking("most_helpful", k)


def mislabeled(
    run: Run,
    validation: GradientsLike,
    *,
    k: int | None = None,
    flipped: ById | None = None,
    seed: int = 0,
    aggregation: Aggregation = "mean",
    labels: ById | None = None,
    validation_labels: npt.ArrayLike | None = None,
    losses: ById | None = None,
    method: Method = "datainf",
    damping_scale: float | None = None,
    baselines: bool = True,
    self_influence: bool | None = None,
    min_revision: int = 0,
    on_progress: Progress | None = None,
) -> Ranking:
    """Returns training samples whose label may be wrong, the most suspicious (harmful) first.

    This is the paper's first task. Inspect from the top. The same ranking as `most_harmful`, of all
    samples unless `k` is given.

    Args:
        run: The run.
        validation: Gradients of the loss of validation points whose labels are right, [m, D].
        k: Samples to return; None: all.
        flipped: Whether the label of each sample is known to be wrong, by id, like `labels`: then
            `Ranking.detections` has each column's AUC, the chance that a wrong label ranks before a
            right one, with a 95 % interval from 1,000 bootstrap replicates, drawn from the wrong
            and from the right ones.
        seed: Of the bootstrap: equal seeds give equal intervals.
        aggregation: As for `most_harmful`, as all that follow.
        labels: Observed label of each training sample by id.
        validation_labels: Label of each validation point, shape [m].
        losses: Loss of each training sample by id.
        method: What ranks.
        damping_scale: c instead of the run's.
        baselines: Whether to compute them.
        self_influence: Whether self-influence is among them.
        min_revision: Answer only from this revision or a later one.
        on_progress: Called with the share of the work done, 0 to 1.

    Raises:
        TypeError: A dtype is wrong.
        ValueError: A value is out of range, or missing for a sample; `flipped` marks none or all.
        FailedPreconditionError: The run holds no samples, or is not at `min_revision` yet.
        DataInfError: Other errors of `Run.query`.

    Example:
        >>> found = datainf.mislabeled(run, np.ones(run.dimension), flipped={10: True, 11: False})
        >>> found.detections[0].method, found.detections[0].auc  # the two gradients are equal
        ('datainf', 0.5)
    """
    options = Options(
        method=method,
        damping_scale=damping_scale,
        baselines=baselines,
        self_influence=self_influence,
        losses=losses,
        min_revision=min_revision,
        on_progress=on_progress,
    )
    asked = Aggregated(
        run,
        validation,
        aggregation=aggregation,
        labels=labels,
        validation_labels=validation_labels,
        options=options,
    )
    return asked.ranking("mislabeled", k, flipped, seed)


def influence(
    run: Run,
    validation: GradientsLike,
    *,
    labels: ById | None = None,
    validation_labels: npt.ArrayLike | None = None,
    seed: int = 0,
    losses: ById | None = None,
    method: Method = "datainf",
    damping_scale: float | None = None,
    baselines: bool = True,
    self_influence: bool | None = None,
    min_revision: int = 0,
    on_progress: Progress | None = None,
) -> InfluenceMatrix:
    """Returns the score of every training sample for every validation point, [m, n].

    With labels of both, this is the paper's task of identifying influential data: for each
    validation point, AUC of "has the same label" against -score, and recall: the share of
    same-label samples among the as many most helpful. `InfluenceMatrix.detections` has the means.

    Args:
        run: The run.
        validation: Gradients of the loss of validation points, floats, shape [m, D] or [D].
        labels: Label or class of each training sample by id, as for `most_harmful`.
        validation_labels: Label or class of each validation point, shape [m].
        seed: Of the bootstrap over validation points: equal seeds give equal intervals.
        losses: As for `most_harmful`, as all that follow.
        method: What scores.
        damping_scale: c instead of the run's.
        baselines: Whether to compute them. The answer holds [m, n] numbers for each.
        self_influence: Whether self-influence is among them.
        min_revision: Answer only from this revision or a later one.
        on_progress: Called with the share of the work done, 0 to 1.

    Raises:
        TypeError: A dtype is wrong.
        ValueError: A value is out of range, or missing for a sample.
        FailedPreconditionError: The run holds no samples, or is not at `min_revision` yet.
        DataInfError: Other errors of `Run.query`.

    Example:
        >>> matrix = datainf.influence(run, np.ones((2, run.dimension)))
        >>> matrix.ids.tolist(), matrix.scores.shape
        ([10, 11], (2, 2))
    """
    gradients = _points.rows("validation", validation, run.dimension)
    known = None
    if validation_labels is not None:
        known = _points.point_labels(validation_labels, len(gradients))
    options = Options(
        method=method,
        damping_scale=damping_scale,
        baselines=baselines,
        self_influence=self_influence,
        losses=losses,
        min_revision=min_revision,
        on_progress=on_progress,
    )
    scores = score(run, gradients, options)
    order = np.argsort(scores.ids)
    ids = scores.ids[order]
    columns = {name: column[:, order] for name, column in scores.columns.items()}
    observed = None if labels is None else labels_of("labels", labels, ids)
    detections: tuple[ClassDetection, ...] = ()
    if observed is not None and known is not None:
        detections = tuple(
            class_detection(name, column, observed, known, seed=seed)
            for name, column in columns.items()
        )
    return InfluenceMatrix(
        method=method,
        ids=read_only(ids),
        columns=read_only_columns(columns),
        labels=None if observed is None else read_only(observed),
        point_labels=None if known is None else read_only(known),
        detections=detections,
        snapshot=scores.snapshot,
        notes=scores.notes,
    )


def select(
    run: Run,
    validation: GradientsLike,
    fraction: float,
    *,
    per_label: bool = True,
    aggregation: Aggregation = "mean",
    labels: ById | None = None,
    validation_labels: npt.ArrayLike | None = None,
    losses: ById | None = None,
    method: Method = "datainf",
    damping_scale: float | None = None,
    baselines: bool = True,
    self_influence: bool | None = None,
    min_revision: int = 0,
    on_progress: Progress | None = None,
) -> Selection:
    """Returns which training samples to keep for training again: the most helpful share.

    The paper's data selection. `Selection.kept` has the choice of each baseline as well: train with
    each before you trust one. A choice over all labels together (`per_label=False`) can starve a
    label and do more harm than a random choice. On handwritten digits with wrong labels, the share
    of each label by one mean (the default) was as good as by `aggregation="per_label"` or better.

    Args:
        run: The run.
        validation: Gradients of the loss of validation points, floats, shape [m, D] or [D].
        fraction: Share to keep, more than 0 and at most 1; of c samples floor(fraction * c + 1/2).
        per_label: Whether to keep that share of each observed label, which needs `labels`, or of
            all samples together. Ties go to the smaller sample id.
        aggregation: As for `most_harmful`, as all that follow.
        labels: Observed label of each training sample by id.
        validation_labels: Label of each validation point, shape [m].
        losses: Loss of each training sample by id.
        method: What ranks.
        damping_scale: c instead of the run's.
        baselines: Whether to compute them.
        self_influence: Whether self-influence is among them.
        min_revision: Answer only from this revision or a later one.
        on_progress: Called with the share of the work done, 0 to 1.

    Raises:
        TypeError: A dtype is wrong.
        ValueError: A value is out of range, or missing for a sample.
        FailedPreconditionError: The run holds no samples, or is not at `min_revision` yet.
        DataInfError: Other errors of `Run.query`.

    Example:
        >>> choice = datainf.select(run, np.ones(run.dimension), 0.5, labels={10: "a", 11: "b"})
        >>> choice.kept_ids().tolist()  # half of one sample, rounded up, of each label
        [10, 11]
    """
    if not 0 < fraction <= 1:
        raise ValueError(f"fraction is {fraction}, expected more than 0 and at most 1")
    if per_label and labels is None:
        raise ValueError("labels is missing, expected with per_label; or give per_label=False")
    options = Options(
        method=method,
        damping_scale=damping_scale,
        baselines=baselines,
        self_influence=self_influence,
        losses=losses,
        min_revision=min_revision,
        on_progress=on_progress,
    )
    asked = Aggregated(
        run,
        validation,
        aggregation=aggregation,
        labels=labels,
        validation_labels=validation_labels,
        options=options,
    )
    order = np.argsort(asked.scores.ids)
    ids = asked.scores.ids[order]
    columns = {name: column[order] for name, column in asked.columns.items()}
    observed = None if asked.labels is None else asked.labels[order]
    groups = np.zeros(len(ids)) if observed is None or not per_label else observed
    return Selection(
        method=method,
        fraction=fraction,
        per_label=per_label,
        ids=read_only(ids),
        columns=read_only_columns(columns),
        kept=choose(ids, columns, fraction, groups),
        labels=None if observed is None else read_only(observed),
        snapshot=asked.scores.snapshot,
        notes=asked.scores.notes,
    )
