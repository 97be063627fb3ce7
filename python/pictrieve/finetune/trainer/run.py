"""What a training left behind."""

from __future__ import annotations

import json
from functools import cached_property
from pathlib import Path
from typing import Any

from pictrieve.encoders import BinaryEncoder, DualEncoder, ImageEncoder, TextEncoder
from pictrieve.finetune.trainer import files
from pictrieve.finetune.trainer.report import Report


class Run:
    """The folder of a training that has finished, or was stopped (Ctrl-C, NaN) after an epoch that was measured.

    Args:
        path: The `out=` of the training.

    Attributes:
        path: The folder.

    Raises:
        FileNotFoundError: There is neither.

    Example:
        >>> run = Run("runs/a")                              # doctest: +SKIP
        >>> run.encoder.encode("cat.jpg").shape              # doctest: +SKIP
        (1280,)
    """

    def __init__(self, path: str | Path) -> None:
        """Open the folder."""
        self.path = Path(path)
        if not (self.path / files.REPORT).is_file():
            raise FileNotFoundError(
                f"{self.path}: expected the folder of a finished training, or of one that was stopped after an epoch "
                f"with validation, got no {files.REPORT} in it"
            )

    @property
    def history(self) -> Any:
        """One row for each epoch: a pandas DataFrame; a list of dicts where pandas is not installed.

        Epoch 0 is the state before the training.
        """
        lines = (self.path / files.HISTORY).read_text(encoding="utf-8").splitlines()
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        try:
            import pandas
        except ImportError:
            return rows
        return pandas.DataFrame(rows)

    def report(self) -> Report:
        """Compare before and after, and show what still goes wrong; a table with pictures in a notebook."""
        return Report.from_dict(self._results())

    @property
    def model(self) -> Path:
        """The exported directory."""
        return self.path / files.MODEL

    @cached_property
    def encoder(self) -> Any:
        """The trained encoder, ready to use: an `ImageEncoder`, `TextEncoder`, `DualEncoder` or `BinaryEncoder`."""
        kinds: dict[str, Any] = {
            "image": ImageEncoder,
            "text": TextEncoder,
            "dual": DualEncoder,
            "binary": BinaryEncoder,
        }
        return kinds[self._results()["encoder"]].from_pretrained(self.model)

    def _results(self) -> dict[str, Any]:
        results: dict[str, Any] = json.loads((self.path / files.REPORT).read_text(encoding="utf-8"))
        return results

    def __repr__(self) -> str:
        """Show the report."""
        return f"Run({str(self.path)!r})\n{self.report()!r}"

    def _repr_html_(self) -> str:
        return self.report()._repr_html_()
