"""Fixtures shared by all tests: real data, and the rule that nothing is skipped silently."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import pictrieve as pt

SHARED_DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"


def skip_or_fail(reason: str) -> None:
    """Skip in a user's clone; fail where CI is set, so that a missing part cannot hide."""
    if os.environ.get("CI"):
        pytest.fail(f"{reason} (CI is set: nothing may be skipped)")
    pytest.skip(reason)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """Train on one thread: with batches as small as a test's, several only wait for each other."""
    before = torch.get_num_threads(), pt.num_threads()
    torch.set_num_threads(1)
    pt.set_num_threads(1)
    yield
    torch.set_num_threads(before[0])
    pt.set_num_threads(before[1])


@pytest.fixture(scope="session")
def data() -> Path:
    """Give the folder of real images, weights and labels beside the checkout."""
    if not SHARED_DATA.is_dir():
        skip_or_fail(f"test data is absent: {SHARED_DATA}")
    return SHARED_DATA


@pytest.fixture(scope="session")
def glosses() -> list[str]:
    """Give the definitions of Debian's wordnet-base in file order: about 117,000 short English texts."""
    folder = Path("/usr/share/wordnet")
    if not folder.is_dir():
        skip_or_fail("WordNet is absent: apt-get install wordnet-base")
    files = [folder / f"data.{name}" for name in ("noun", "verb", "adj", "adv")]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").split("\n") if line]
    return [line.split("| ", 1)[1].strip() for line in lines if not line.startswith("  ")]
