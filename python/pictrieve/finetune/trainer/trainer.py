"""Training any task: epochs, evaluation, checkpoints, exact resume and the report exist once, here."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from pictrieve._core import DecodeError
from pictrieve.finetune.task import Task
from pictrieve.finetune.trainer import files
from pictrieve.finetune.trainer.callbacks import Callback, callbacks_of
from pictrieve.finetune.trainer.checkpoint import Checkpoint
from pictrieve.finetune.trainer.distributed import connect, from_first, rank_and_world, share_weights
from pictrieve.finetune.trainer.interrupts import Interrupts
from pictrieve.finetune.trainer.optimization import Optimization
from pictrieve.finetune.trainer.prefetch import grouped, prefetched
from pictrieve.finetune.trainer.progress import Progress
from pictrieve.finetune.trainer.randomness import generators_kept, seed_all
from pictrieve.finetune.trainer.report import WorseWarning
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
            FloatingPointError: A loss became NaN or infinite; the last good checkpoint stays, and `Run` of the folder
                opens the best weights where an epoch was measured.
            KeyboardInterrupt: Ctrl-C; the state is saved, the same call goes on from there, and `Run` as above.
            DecodeError: A picture cannot be read; the message says how to go on.
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
        except FloatingPointError as error:
            remedy = "Try a smaller lr, clip_norm=1.0 or amp=None, with another out="
            raise FloatingPointError(f"{error}; {self._stopped()}. {remedy}") from None
        except KeyboardInterrupt:
            raise KeyboardInterrupt(self._stopped()) from None
        except DecodeError as error:
            raise DecodeError(
                f"{error}. Put a good file in its place and call again, a run with out= goes on from its checkpoint; "
                "or leave the picture out and train anew, with another out="
            ) from error
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
            self._epoch(callbacks)
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
                for group in grouped(prefetched(batches, progress.batch), settings.accumulate):
                    with self._interrupts.held():
                        values = self._optimization.step(group, progress, length)
                        progress.seconds = time.monotonic() - started
                        for callback in callbacks:
                            callback.on_step(progress.step, values)
                    if progress.step == 1 and type(self._task).baseline is Task.baseline:  # all names are known now
                        self._check_monitor([*progress.totals, *progress.rows[0]])
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
        self._check_monitor(row)
        average = self._optimization.average
        with self._interrupts.held():  # what is known of the best weights is true of the file
            if progress.is_better(row[name], settings.mode_of(name)):
                progress.kept = metrics
                if self._is_first:
                    with average.in_place() if average else nullcontext():
                        self._checkpoint.save_best()
        return settings.patience is not None and progress.stale >= settings.patience

    def _check_monitor(self, names: Iterable[str]) -> None:
        """Refuse to watch what is not measured, and forget a run that has done no epoch: another name may take over."""
        name, known = self._settings.monitor, [name for name in names if name not in ("epoch", "step")]
        if name is None or name in known:
            return
        if self._is_first and not self._progress.epoch:
            self._checkpoint.delete()
        raise ValueError(f"monitor: expected one of {', '.join(known)}, got {name!r}")

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
                facts = self._task.finish()
                after = self._measured(self._task.evaluate) if facts else progress.kept
                worse = self._export(after, facts, self._task.examples())
            progress.finished = True
            self._save()
            if worse:
                warnings.warn(f"{self._folder}: {worse}", WorseWarning, stacklevel=4)

    def _stopped(self) -> str:
        """Export the best weights of a run that stops early, for those who want no more of it; say what there is."""
        progress, folder, out = self._progress, self._folder, self._settings.out
        if out is None or not self._checkpoint.exists():
            return "nothing is kept" + (" without out=" if out is None else " yet")
        kept = f"{folder / files.CHECKPOINT} holds the last good state, from which the same call goes on"
        if not progress.best_epoch:
            return f"{kept}; there are no best weights, for no epoch was measured"
        if self._interrupts.torn:  # who presses Ctrl-C twice does not want to wait
            return kept
        if self._is_first and not progress.finished:
            self._checkpoint.load_best()
            epoch = f"epoch {min(progress.epoch + 1, self._settings.epochs)} of {self._settings.epochs}"
            self._export(
                progress.kept, {"stopped": f"in {epoch}; these are the weights of epoch {progress.best_epoch}"}
            )
        return f"{kept}; Run({str(folder)!r}) opens the best weights, those of epoch {progress.best_epoch}"

    @torch.no_grad()
    def _export(self, after: dict[str, float], facts: dict[str, Any], examples: Any = ()) -> str:
        """Write model and report; say in which way it is worse than the start, "" where it is not."""
        task, folder = self._task, self._folder
        task.modules.eval()
        files.write_folder(folder / files.MODEL, task.export)
        before = {name: value for name, value in self._progress.rows[0].items() if name not in ("epoch", "step")}
        worse = self._settings.worse(before, after)
        report = {
            "before": before,
            "after": after,
            "best_epoch": self._progress.best_epoch,
            "facts": facts | ({"worse than before": worse} if worse else {}),
            "examples": examples,
            "encoder": task.encoder,
        }
        files.write_json(folder / files.REPORT, report)
        files.write_json(folder / files.SETUP, self._setup)
        return worse

    def _is_due(self) -> bool:
        if self._settings.save_every:
            return self._progress.step % self._settings.save_every == 0
        return time.monotonic() - self._saved_at > _SECONDS_BETWEEN_CHECKPOINTS

    def _save(self) -> None:
        if self._is_first and self._settings.out is not None:  # nobody can come back to a temporary folder
            with self._interrupts.held():
                self._checkpoint.save(self._progress)
            self._saved_at = time.monotonic()


def _temporary_folder() -> str:
    """Make a folder that is deleted when Python ends: encoders read its files as long as they live."""
    path = tempfile.mkdtemp(prefix="pictrieve-run-")
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path
