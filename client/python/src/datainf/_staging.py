"""Small puts on their way into one message."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import numpy.typing as npt

from datainf._frames import Rows
from datainf._shared import Place, SharedRegion

# Rows are copied side by side into memory for a whole message; what is used for more than one
# message stays warm in the processor's caches.
_MAX_SPARES = 2


class Stage:
    """Collects samples until they fill a message. Not thread-safe: its outbox guards it."""

    def __init__(self) -> None:
        self._sample_ids: list[int] = []
        self._steps: list[int] = []
        self._known: set[int] = set()
        self._begun = 0.0
        self._room: npt.NDArray[Any] | None = None
        self._place: Place | None = None
        self._spares: list[npt.NDArray[Any]] = []

    def __len__(self) -> int:
        """Samples that are staged."""
        return len(self._sample_ids)

    def waits_seconds(self, linger_seconds: float) -> float:
        """Returns how much longer what is staged may wait for more."""
        return self._begun + linger_seconds - time.monotonic()

    def has_place_for(self, piece: Rows, most: int) -> bool:
        """True if `piece` may join what is staged in a batch of at most `most` samples."""
        return not self._sample_ids or (
            len(self._sample_ids) + len(piece.sample_ids) <= most
            and self._known.isdisjoint(piece.sample_ids)
            and bool(self._steps) == bool(piece.steps)
        )

    def append(self, piece: Rows, most: int, region: SharedRegion | None = None) -> None:
        """Copies `piece` in, to memory of `region` if it has any; there must be a place for it."""
        begin = len(self._sample_ids)
        if begin == 0:
            self._begun = time.monotonic()
            self._make_room(most, piece.gradients, region)
        assert self._room is not None  # noqa: S101  # made with the first
        self._room[begin : begin + len(piece.sample_ids)] = piece.gradients
        self._sample_ids += piece.sample_ids
        self._steps += piece.steps
        self._known.update(piece.sample_ids)

    def take(self) -> Rows:
        """Returns what is staged, and begins anew."""
        assert self._room is not None  # noqa: S101  # something is staged
        count = len(self._sample_ids)
        gradients = self._room[:count]
        place, self._place = self._place, None
        if place is not None:
            place.shorten(gradients.nbytes)
            self._room = None
        elif 2 * count < len(self._room):
            gradients = gradients.copy()  # few samples must not hold the memory of many
        else:
            self._room = None
        rows = Rows(self._sample_ids, self._steps, gradients, place)
        self.clear()
        return rows

    def clear(self) -> None:
        """Forgets what is staged."""
        self._sample_ids = []
        self._steps = []
        self._known = set()

    def reuse(self, rows: Rows) -> None:
        """Takes back the memory of rows that are in a message now."""
        room = rows.gradients.base
        if room is not None and rows.place is None and len(self._spares) < _MAX_SPARES:
            self._spares.append(room)

    def _make_room(self, most: int, like: npt.NDArray[Any], region: SharedRegion | None) -> None:
        shape = (most, like.shape[1])
        self._place = None if region is None else region.take(most * like[0].nbytes)
        if self._place is not None:
            self._room = self._place.rows(like)
        elif self._room is None or self._room.shape != shape:
            self._room = None
            while self._spares and self._room is None:
                spare = self._spares.pop()
                self._room = spare if spare.shape == shape else None
            if self._room is None:
                self._room = np.empty(shape, like.dtype)
