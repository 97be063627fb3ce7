"""One seed for all random generators, a new one for each step."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def generators_kept() -> Iterator[None]:
    """Leave the global generators of torch, NumPy and Python after the block as they were before it."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    on_device = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
        if on_device:
            torch.cuda.set_rng_state_all(on_device)


def seed_all(*numbers: int) -> None:
    """Seed the global generators of torch, NumPy and Python with a mix of numbers from 0.

    The trainer does so before every batch with (seed, process, epoch, batch). What a batch draws depends on these
    alone, not on what was drawn before it: a resumed run needs no state of the generators to go on exactly.
    """
    mixed = np.random.SeedSequence(numbers).generate_state(3)
    random.seed(int(mixed[0]))
    np.random.seed(int(mixed[1]))
    torch.manual_seed(int(mixed[2]))
