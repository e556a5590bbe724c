"""Memory that a stream shares with a server on the same host."""

from __future__ import annotations

import collections
import dataclasses
import logging
import mmap
import os
import stat
from typing import Any

import numpy as np
import numpy.typing as npt

from datainf._proto.v1 import ingest_service_pb2

_log = logging.getLogger("datainf")

# Places begin at multiples of a cache line.
_ALIGNMENT = 64


@dataclasses.dataclass(slots=True, eq=False)
class Place:
    """A part of a region.

    Attributes:
        region: The region.
        byte_offset: Where it begins.
        byte_count: Its length.
        is_free: Whether it may be given to others.
    """

    region: SharedRegion
    byte_offset: int
    byte_count: int
    is_free: bool = False

    def rows(self, like: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Returns its memory as rows of the dtype and length of those of `like`, as many as fit."""
        memory = self.region.memory[self.byte_offset : self.byte_offset + self.byte_count]
        return memory.view(like.dtype).reshape(-1, like.shape[1])

    def shorten(self, byte_count: int) -> None:
        """Gives back what is behind the first `byte_count` bytes, if nothing was taken since."""
        self.region.shorten(self, byte_count)

    def free(self) -> None:
        """Gives it back to its region."""
        self.is_free = True
        self.region.forget_free_places()


class SharedRegion:
    """Memory in which gradients wait until they are acked. Not thread-safe: its outbox guards it.

    Places are given one after the other, round and round, past those that are not free.
    """

    def __init__(self, memory: npt.NDArray[np.uint8], begin: int) -> None:
        """Use `open_region`.

        Args:
            memory: All of it, shape [bytes].
            begin: What is before stays as it is.
        """
        self.memory = memory
        self._begin = _aligned(begin)
        self._next = self._begin
        self._places: collections.deque[Place] = collections.deque()  # in the order given

    def take(self, byte_count: int) -> Place | None:
        """Returns a place of this length, or None if there is none now."""
        begin = self._find(byte_count)
        if begin is None:
            return None
        place = Place(self, begin, byte_count)
        self._places.append(place)
        self._next = _aligned(begin + byte_count)
        return place

    def shorten(self, place: Place, byte_count: int) -> None:
        """See `Place.shorten`."""
        if self._places and self._places[-1] is place:
            place.byte_count = byte_count
            self._next = _aligned(place.byte_offset + byte_count)

    def forget_free_places(self) -> None:
        """Lets go of places that are free and have none before them."""
        while self._places and self._places[0].is_free:
            self._places.popleft()

    def _find(self, byte_count: int) -> int | None:
        end = len(self.memory)
        if not self._places:
            return self._begin if self._begin + byte_count <= end else None
        oldest = self._places[0].byte_offset
        if self._next > oldest:
            if self._next + byte_count <= end:
                return self._next
            return self._begin if self._begin + byte_count <= oldest else None
        return self._next if self._next + byte_count <= oldest else None


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def open_region(offer: ingest_service_pb2.SharedMemory) -> SharedRegion | None:
    """Maps the memory that the server offers; None if it is not there for this process."""
    try:
        file = os.open(offer.path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode) or status.st_size != offer.byte_count:
                raise OSError(f"{offer.path} is not the server's: it has {status.st_size} bytes")
            mapped = mmap.mmap(file, offer.byte_count)
        finally:
            os.close(file)
    except (OSError, ValueError) as error:
        _log.info("no memory is shared with the server, gradients go through its socket: %s", error)
        return None
    memory: npt.NDArray[Any] = np.frombuffer(mapped, np.uint8)
    if not offer.token or memory[: len(offer.token)].tobytes() != offer.token:
        _log.info("%s is not the server's: gradients go through its socket", offer.path)
        return None
    return SharedRegion(memory, len(offer.token))
