"""Pictures as data URIs, so that a page needs no other file."""

from __future__ import annotations

import base64
import io
import os
import struct
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt

_TYPES = {b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpeg", b"GIF8": "gif", b"RIFF": "webp"}


def data_uri(name: str, picture: Any) -> str:
    """Returns a picture as a data URI.

    Args:
        name: What to call the argument in errors.
        picture: Bytes or the path of a PNG, JPEG, GIF or WebP file; an array [h, w] or [h, w, 3],
            uint8 or floats from 0 to 1; or an object with `save(file, format=)`, such as Pillow's.

    Raises:
        ValueError: It is something else.
        OSError: The file cannot be read.
    """
    if isinstance(picture, (str, os.PathLike)):
        with open(picture, "rb") as file:
            picture = file.read()
    elif isinstance(picture, np.ndarray):
        picture = _png(name, picture)
    elif hasattr(picture, "save"):
        buffer = io.BytesIO()
        picture.save(buffer, format="PNG")
        picture = buffer.getvalue()
    if not isinstance(picture, bytes):
        raise ValueError(
            f"{name} has a {type(picture).__name__}, expected bytes, a path, an array or a picture"
            " of Pillow"
        )
    kind = next((kind for magic, kind in _TYPES.items() if picture.startswith(magic)), None)
    if kind is None:
        raise ValueError(
            f"{name} has a file that begins with {picture[:8]!r}, expected PNG, JPEG, GIF or WebP"
        )
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _png(name: str, pixels: npt.NDArray[Any]) -> bytes:
    """Returns pixels as a PNG file: 8 bits a channel, grey or RGB, no filter."""
    is_grey = pixels.ndim == 2
    if (not is_grey and (pixels.ndim != 3 or pixels.shape[2] != 3)) or not pixels.size:
        raise ValueError(
            f"{name} has an array of shape {list(pixels.shape)}, expected [h, w] or [h, w, 3]"
        )
    if pixels.dtype.kind == "f":
        pixels = np.round(np.clip(np.nan_to_num(pixels), 0, 1) * 255).astype(np.uint8)
    if pixels.dtype != np.uint8:
        raise ValueError(f"{name} has an array of {pixels.dtype}, expected uint8 or floats")
    height, width = pixels.shape[:2]
    lines = np.zeros((height, 1 + pixels[0].size), np.uint8)  # each line begins with its filter, 0
    lines[:, 1:] = pixels.reshape(height, -1)
    header = struct.pack(">IIBBBBB", width, height, 8, 0 if is_grey else 2, 0, 0, 0)
    chunks = (b"IHDR", header), (b"IDAT", zlib.compress(lines.tobytes())), (b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
