"""Training any task: epochs, evaluation, checkpoints, exact resume and the report exist once, here."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from pictrieve.finetune.task import Task
from pictrieve.finetune.trainer import files
from pictrieve.finetune.trainer.callbacks import Callback, callbacks_of
from pictrieve.finetune.trainer.checkpoint import Checkpoint
from pictrieve.finetune.trainer.distributed import connect, from_first, rank_and_world, share_weights
from pictrieve.finetune.trainer.interrupts import Interrupts
from pictrieve.finetune.trainer.optimization import Optimization
from pictrieve.finetune.trainer.prefetch import prefetched
from pictrieve.finetune.trainer.progress import Progress
from pictrieve.finetune.trainer.randomness import generators_kept, seed_all
from pictrieve.finetune.trainer.run import Run
from pictrieve.finetune.trainer.settings import Settings
from pictrieve.finetune.trainer.setup import plain
from pictrieve.progress import progress_bar

_SECONDS_BETWEEN_CHECKPOINTS = 60.0


class Trainer:
    """Trains a `Task`.

    After a kill, at any moment, the same call goes on where the last checkpoint was and ends with exactly the weights
    that an uninterrupted run gives. Started by `torchrun`, its processes share the work; the first one writes.

    Args:
        task: What to train.
        settings: How.

    Example:
        >>> run = Trainer(task, Settings(epochs=3, out="runs/a")).run()      # doctest: +SKIP
        >>> run.history[["epoch", "loss"]]                                   # doctest: +SKIP
    """

    def __init__(self, task: Task, settings: Settings) -> None:
        """Take the task; nothing is computed or written yet."""
        self._task = task
        self._settings = settings
        self._callbacks = callbacks_of(settings)
        self._interrupts = Interrupts()

    def run(self) -> Run:
        """Train, keep the best weights, export and report.

        Raises:
            ValueError: The folder holds a run of another setup (the message names what differs), or the monitored
                metric does not exist.
            FloatingPointError: A loss became NaN or infinite; the last good checkpoint stays.
            KeyboardInterrupt: Ctrl-C; the state is saved, the same call goes on from there.
        """
        connect()
        with generators_kept():
            folder = Path(from_first(str(self._settings.out or _temporary_folder())))
            folder.mkdir(parents=True, exist_ok=True)
            self._is_first = rank_and_world()[0] == 0
            with files.locked(folder) if self._is_first else nullcontext():
                self._begin(folder)
                if not self._progress.finished:
                    self._train_and_finish()
                from_first(None)  # the files are there before another process reads them
            return Run(folder)

    def _begin(self, folder: Path) -> None:
        """Bring the task to its device, and to where the folder's run stands."""
        settings, task = self._settings, self._task
        self._folder = folder
        task.modules.to(settings.device)
        share_weights(task.modules)
        self._optimization = Optimization(task, settings)
        self._progress = Progress()
        shapes = [f"{name} {tuple(p.shape)}" for name, p in task.modules.named_parameters() if p.requires_grad]
        setup = {"processes": rank_and_world()[1], "parameters": shapes}
        self._setup = plain({"settings": settings.fingerprint(), "task": task.fingerprint(), **setup})
        self._checkpoint = Checkpoint(folder, task.modules, self._optimization, self._setup)
        if not settings.resume and self._is_first:
            self._checkpoint.delete()
            (folder / files.REPORT).unlink(missing_ok=True)  # of another training: this one has not finished
        if from_first(self._checkpoint.exists()):  # the first process decides, and waits until all have read
            self._progress = self._checkpoint.load()
            from_first(None)
        self._saved_at = time.monotonic()

    def _train_and_finish(self) -> None:
        progress = self._progress
        callbacks: list[Callback] = []
        try:
            with self._interrupts.watched():
                for callback in self._callbacks if self._is_first else []:
                    callback.on_start(self._folder, self._setup, progress.step)
                    callbacks.append(callback)
                self._train(callbacks)
                self._finish()
        finally:
            for callback in callbacks:
                callback.on_end()

    def _train(self, callbacks: list[Callback]) -> None:
        settings, progress = self._settings, self._progress
        if not progress.rows:
            progress.rows.append({"epoch": 0, "step": 0, **self._evaluated(self._task.baseline)})
            self._save()
        if self._is_first:
            files.write_rows(self._folder / files.HISTORY, progress.rows)
        while not progress.trained:
            try:
                self._epoch(callbacks)
            except FloatingPointError as error:
                raise FloatingPointError(f"{error}; {self._remedy()}") from None
            self._save()  # evaluation may take long, or fail
            metrics = self._evaluated(self._task.evaluate)
            row = self._row(metrics)
            stop = self._judge(row, metrics)
            progress.rows.append(row)
            progress.next_epoch()
            progress.trained = stop or progress.epoch == settings.epochs
            self._save()
            if self._is_first:
                files.write_rows(self._folder / files.HISTORY, progress.rows)
            for callback in callbacks:
                callback.on_epoch(row)

    def _epoch(self, callbacks: list[Callback]) -> None:
        """Train the rest of an epoch, saving now and then."""
        settings, progress = self._settings, self._progress
        batches = self._task.batches(progress.epoch)
        length = len(batches)
        if not length:
            raise ValueError("batches: expected at least one in an epoch, got none; is the batch larger than the data?")
        self._task.modules.train()
        started = time.monotonic() - progress.seconds
        label = f"batches of epoch {progress.epoch + 1}"
        show = settings.show_progress_bar if self._is_first else False
        try:
            with progress_bar(length, label, show) as report:
                for group in _grouped(prefetched(batches, progress.batch), settings.accumulate):
                    with self._interrupts.held():
                        values = self._optimization.step(group, progress, length)
                        progress.seconds = time.monotonic() - started
                        for callback in callbacks:
                            callback.on_step(progress.step, values)
                    if report:
                        report(progress.batch, length)
                    if self._is_due():
                        self._save()
        except KeyboardInterrupt:
            if not self._interrupts.torn:
                self._save()
            raise

    def _evaluated(self, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
        """Measure in the first process, with the averaged weights where there are such; all get the result."""
        metrics: dict[str, float] = {}
        average = self._optimization.average
        if self._is_first:
            with average.in_place() if average else nullcontext():
                metrics = self._measured(measure)
        result: dict[str, float] = from_first(metrics)
        return result

    def _measured(self, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
        self._task.modules.eval()
        seed_all(self._settings.seed)
        with torch.no_grad():
            return {name: float(value) for name, value in measure().items()}

    def _row(self, metrics: dict[str, float]) -> dict[str, Any]:
        progress = self._progress
        row = {"epoch": progress.epoch + 1, "step": progress.step, **progress.means(), **metrics}
        return row | {"seconds": round(progress.seconds, 3)}

    def _judge(self, row: dict[str, Any], metrics: dict[str, float]) -> bool:
        """Keep the weights where they are the best so far; say whether to stop."""
        settings, progress = self._settings, self._progress
        name = settings.monitor or next(iter(metrics), None)
        if name is None:
            if settings.patience:
                raise ValueError("patience: expected a metric to watch, got none; give validation data or monitor=")
            return False
        if name not in row:
            raise ValueError(f"monitor: expected one of {', '.join(row)}, got {name!r}")
        mode = settings.mode or ("min" if "loss" in name or "error" in name else "max")
        if progress.is_better(row[name], mode):
            progress.kept = metrics
            average = self._optimization.average
            if self._is_first:
                with self._interrupts.held(), average.in_place() if average else nullcontext():
                    self._checkpoint.save_best()
        return settings.patience is not None and progress.stale >= settings.patience

    def _finish(self) -> None:
        """Export and report, with the best weights."""
        progress = self._progress
        from_first(None)  # the best weights have been written
        if progress.best_epoch:
            self._checkpoint.load_best()
        elif self._optimization.average:
            self._optimization.average.put()
        self._task.modules.eval()
        if self._is_first:
            with torch.no_grad():
                self._export()
            progress.finished = True
            self._save()

    def _export(self) -> None:
        task, folder = self._task, self._folder
        facts = task.finish()
        files.write_folder(folder / files.MODEL, task.export)
        before = self._progress.rows[0]
        report = {
            "before": {name: value for name, value in before.items() if name not in ("epoch", "step")},
            "after": self._measured(task.evaluate) if facts else self._progress.kept,
            "best_epoch": self._progress.best_epoch,
            "facts": facts,
            "examples": task.examples(),
            "encoder": task.encoder,
        }
        files.write_json(folder / files.REPORT, report)
        files.write_json(folder / files.SETUP, self._setup)

    def _is_due(self) -> bool:
        if self._settings.save_every:
            return self._progress.step % self._settings.save_every == 0
        return time.monotonic() - self._saved_at > _SECONDS_BETWEEN_CHECKPOINTS

    def _save(self) -> None:
        if self._is_first and self._settings.out is not None:  # nobody can come back to a temporary folder
            with self._interrupts.held():
                self._checkpoint.save(self._progress)
            self._saved_at = time.monotonic()

    def _remedy(self) -> str:
        path = self._folder / files.CHECKPOINT
        kept = (
            f"{path} holds the last good state, best.pt the best weights" if self._settings.out else "nothing is kept"
        )
        return f"{kept}. Try a smaller lr, clip_norm=1.0 or amp=None, with another out="


def _temporary_folder() -> str:
    """Make a folder that is deleted when Python ends: encoders read its files as long as they live."""
    path = tempfile.mkdtemp(prefix="pictrieve-run-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


def _grouped(batches: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while group := list(islice(batches, size)):
        yield group
