"""The command killed for real at random moments; benchmarks/kill_index.py does it fifty times."""

from __future__ import annotations

import importlib.util
from pathlib import Path


def test_five_kills_lose_nothing(data: Path) -> None:
    script = Path(__file__).resolve().parent.parent.parent / "benchmarks" / "kill_index.py"
    spec = importlib.util.spec_from_file_location("kill_index", script)
    assert spec is not None
    assert spec.loader is not None
    kill_index = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(kill_index)
    kill_index.run(data / "coco_captions" / "images", kills=5, seed=1)
