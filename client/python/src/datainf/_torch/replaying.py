"""Runs a forward pass once more with the random numbers it drew, so that dropout is the same."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np
import torch
from torch import nn
from torch.utils.checkpoint import get_device_states, set_device_states


class Replay:
    """What a forward pass depends on beside model and batch, as it is now: at its beginning.

    That is the state of the random number generators of Python, numpy and torch, the latter on all
    devices of the model, and whether autocast is on.
    """

    def __init__(self, module: nn.Module) -> None:
        """Keeps the state; a few KiB."""
        parameters = list(module.parameters())
        kinds = {p.device.type for p in parameters} - {"cpu", "meta"}
        self._device = next(iter(kinds), None)
        self._python = random.getstate()
        self._numpy = np.random.get_state()
        self._cpu = torch.get_rng_state()
        self._devices, self._states = get_device_states(*parameters) if kinds else ([], [])
        self._autocast = {
            kind: (torch.is_autocast_enabled(kind), torch.get_autocast_dtype(kind))
            for kind in ("cpu", *kinds)
        }

    @contextlib.contextmanager
    def again(self) -> Iterator[None]:
        """Lets what runs inside draw the same numbers; leaves the generators as they were."""
        python, legacy = random.getstate(), np.random.get_state()
        with contextlib.ExitStack() as stack:
            kind = self._device or "cuda"  # without devices, none is touched
            stack.enter_context(torch.random.fork_rng(self._devices, device_type=kind))
            for device, (enabled, dtype) in self._autocast.items():
                stack.enter_context(torch.autocast(device, dtype, enabled=enabled))
            random.setstate(self._python)
            np.random.set_state(self._numpy)
            torch.set_rng_state(self._cpu)
            if self._device is not None:
                set_device_states(self._devices, self._states, device_type=self._device)
            try:
                yield
            finally:
                random.setstate(python)
                np.random.set_state(legacy)
