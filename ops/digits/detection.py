"""How well a suspicion score finds the samples whose labels were flipped."""

import numpy as np
import numpy.typing as npt

from digits.network import Floats

Flags = npt.NDArray[np.bool_]


def auc(suspicion: Floats, flipped: Flags) -> float:
    """Chance that a flipped sample has the greater suspicion than another one; ties count half."""
    flipped_count = int(flipped.sum())
    pairs = flipped_count * (len(flipped) - flipped_count)
    if pairs == 0:
        raise ValueError(f"{flipped_count} of {len(flipped)} samples are flipped: need both kinds")
    _, group, sizes = np.unique(suspicion, return_inverse=True, return_counts=True)
    # Ranks from 1; equal suspicions share the mean of their ranks.
    ranks = (np.cumsum(sizes) - (sizes - 1) / 2.0)[group]
    return float((ranks[flipped].sum() - flipped_count * (flipped_count + 1) / 2.0) / pairs)


def detection_curve(suspicion: Floats, flipped: Flags) -> Floats:
    """Share of the flipped samples found among the k most suspicious, k = 0..n, shape [n + 1]."""
    order = np.argsort(-suspicion, kind="stable")
    found = np.cumsum(flipped[order]) / flipped.sum()
    return np.concatenate([[0.0], found])
