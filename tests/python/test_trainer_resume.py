"""A run that was stopped goes on exactly: killed, interrupted, or failed."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import trainer_tasks  # noqa: E402
from trainer_tasks import CLASSES, Sums, settings  # noqa: E402

from pictrieve import DecodeError  # noqa: E402
from pictrieve.finetune.task import Batches  # noqa: E402
from pictrieve.finetune.trainer import Run, Settings, Trainer  # noqa: E402
from pictrieve.images import decode, encode_png  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


def weights(run: Run) -> dict[str, Any]:
    return dict(torch.load(run.model / "weights.pt", weights_only=True))


def rows(run: Run) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in run.history.to_dict("records")]


def assert_same(first: Run, second: Run) -> None:
    left, right = weights(first), weights(second)
    assert left.keys() == right.keys()
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert repr(rows(first)) == repr(rows(second))
    assert first.report() == second.report()


def test_killed_twice_in_the_middle_of_epochs_and_the_weights_are_the_same(tmp_path: Path) -> None:
    whole = Trainer(Sums(), settings(tmp_path / "whole")).run()
    start = {name: tensor.clone() for name, tensor in Sums().modules.state_dict().items()}
    assert any(not torch.equal(start[name], tensor) for name, tensor in weights(whole).items())
    for batch in (5, 11):  # 8 batches and 3 steps an epoch: in the second step; then, after its first 3, in epoch 2
        command = [sys.executable, trainer_tasks.__file__, str(tmp_path / "killed"), str(batch)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == -signal.SIGKILL, done.stderr
        with pytest.raises(FileNotFoundError, match="finished training"):
            Run(tmp_path / "killed")
    state = torch.load(tmp_path / "killed" / "checkpoint.pt", weights_only=True)["progress"]
    assert (state["epoch"], state["batch"]) == (1, 3)
    task = Sums()
    resumed = Trainer(task, settings(tmp_path / "killed")).run()
    assert task.calls == 5 + 8
    assert_same(whole, resumed)
    again = Sums()
    assert_same(resumed, Trainer(again, settings(tmp_path / "killed")).run())
    assert again.calls == 0
    assert not list((tmp_path / "killed").glob(".*.pt.*"))


def test_ctrl_c_saves_after_the_step_and_the_same_call_goes_on(tmp_path: Path) -> None:
    whole = Trainer(Sums(), settings(tmp_path / "whole")).run()
    task = Sums()
    task.interrupt_at = 4  # the first batch of a step
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        Trainer(task, settings(tmp_path / "stopped", save_every=1000)).run()
    assert signal.getsignal(signal.SIGINT) is before
    assert task.calls == 6  # the step was not torn apart
    rest = Sums()
    assert_same(whole, Trainer(rest, settings(tmp_path / "stopped", save_every=1000)).run())
    assert rest.calls == 3 * 8 - 6


def test_a_second_ctrl_c_tears_a_step_apart_and_it_is_not_saved(tmp_path: Path) -> None:
    class Torn(Sums):
        def loss(self, batch: Any) -> dict[str, torch.Tensor]:
            if self.calls == 4:
                signal.raise_signal(signal.SIGINT)
                self.modules[0].weight.data += 1
                signal.raise_signal(signal.SIGINT)
            return super().loss(batch)

    whole = Trainer(Sums(), settings(tmp_path / "whole")).run()
    with pytest.raises(KeyboardInterrupt):
        Trainer(Torn(), settings(tmp_path / "stopped")).run()
    assert_same(whole, Trainer(Sums(), settings(tmp_path / "stopped")).run())


def test_starting_over_forgets_the_old_report(tmp_path: Path) -> None:
    Trainer(Sums(), settings(tmp_path / "run")).run()
    broken = Sums()
    broken.nan_at = 1
    with pytest.raises(FloatingPointError):
        Trainer(broken, settings(tmp_path / "run", resume=False)).run()
    with pytest.raises(FileNotFoundError, match="expected the folder of a finished training"):
        Run(tmp_path / "run")


def test_ctrl_c_while_evaluating_loses_nothing(tmp_path: Path) -> None:
    class Impatient(Sums):
        evaluations = 0

        def evaluate(self) -> dict[str, float]:
            self.evaluations += 1
            if self.evaluations == 3:
                signal.raise_signal(signal.SIGINT)
            return super().evaluate()

    whole = Trainer(Sums(), settings(tmp_path / "whole")).run()
    with pytest.raises(KeyboardInterrupt):
        Trainer(Impatient(), settings(tmp_path / "stopped")).run()
    rest = Sums()
    assert_same(whole, Trainer(rest, settings(tmp_path / "stopped")).run())
    assert rest.calls == 8


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_good_state(tmp_path: Path) -> None:
    task = Sums()
    task.nan_at = 13
    message = r"loss: expected a finite number, got nan in epoch 2, batch 5 \(step 5\); .*checkpoint.pt holds the last"
    with pytest.raises(FloatingPointError, match=message):
        Trainer(task, settings(tmp_path / "run")).run()
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert state["progress"]["step"] == 4
    assert all(tensor.isfinite().all() for tensor in state["modules"].values())
    whole = Trainer(Sums(), settings(tmp_path / "whole")).run()
    assert_same(whole, Trainer(Sums(), settings(tmp_path / "run")).run())


@pytest.mark.parametrize("ctrl_c", [False, True])
def test_the_best_weights_of_a_stopped_run_can_be_opened(tmp_path: Path, ctrl_c: bool) -> None:
    whole = Trainer(Sums(), settings(tmp_path / "whole")).run()
    task = Sums()
    setattr(task, "interrupt_at" if ctrl_c else "nan_at", 13)
    message = r"checkpoint.pt holds the last good state.*; Run\('.*run'\) opens the best weights, those of epoch 1"
    with pytest.raises(KeyboardInterrupt if ctrl_c else FloatingPointError, match=message):
        Trainer(task, settings(tmp_path / "run")).run()
    stopped = Run(tmp_path / "run")
    best = torch.load(tmp_path / "run" / "best.pt", weights_only=True)["modules"]
    assert all(torch.equal(tensor, best[name]) for name, tensor in weights(stopped).items())
    task.modules.load_state_dict(weights(stopped))
    task.modules.eval()
    with torch.no_grad():
        assert stopped.report().after == task.evaluate()
    assert repr(rows(stopped)) == repr(rows(whole)[:2])
    assert "stopped: in epoch 2 of 3; these are the weights of epoch 1" in repr(stopped)
    finished = Trainer(Sums(), settings(tmp_path / "run")).run()
    assert_same(whole, finished)
    assert "stopped" not in repr(finished)


def test_a_run_that_stops_before_it_has_best_weights_says_so(tmp_path: Path) -> None:
    task = Sums()
    task.nan_at = 4
    with pytest.raises(
        FloatingPointError, match=r"holds the last good state.*; there are no best weights.* smaller lr"
    ):
        Trainer(task, settings(tmp_path)).run()
    assert (tmp_path / "checkpoint.pt").is_file()
    with pytest.raises(FileNotFoundError, match="or of one that was stopped after an epoch"):
        Run(tmp_path)
    again = Sums()
    again.nan_at = 4
    with pytest.raises(FloatingPointError, match=r"nothing is kept without out=. Try a smaller lr"):
        Trainer(again, Settings(show_progress_bar=False)).run()


def test_a_picture_that_cannot_be_read_says_how_to_go_on_and_a_good_one_does(tmp_path: Path) -> None:
    picture = tmp_path / "照片.png"
    good = encode_png(np.zeros((8, 8, 3), np.uint8))
    picture.write_bytes(good[:-30])

    class Reading(Sums):
        def batches(self, epoch: int) -> Batches:
            made = super().batches(epoch)
            return Batches(range(8), lambda i: (decode(picture) if (epoch, i) == (1, 4) else 0, made[i])[1])

    whole = Trainer(Sums(), settings(tmp_path / "whole")).run()
    message = r"照片.png: .*Put a good file in its place and call again, .*leave the picture out and train anew"
    with pytest.raises(DecodeError, match=message):
        Trainer(Reading(), settings(tmp_path / "run")).run()
    picture.write_bytes(good)
    rest = Reading()
    assert_same(whole, Trainer(rest, settings(tmp_path / "run")).run())
    assert rest.calls == 8 + 5, "from its last step on"


def test_a_gradient_that_is_no_number_stops_the_run_too(tmp_path: Path) -> None:
    class Kink(Sums):
        def loss(self, batch: Any) -> dict[str, torch.Tensor]:
            losses = super().loss(batch)
            zero = (self.modules[0].weight * 0).square().sum().sqrt()  # 0, with a slope that is NaN
            return {"loss": losses["loss"] + (zero if self.calls == 4 else 0)}

    with pytest.raises(FloatingPointError, match=r"gradient norm: expected a finite number, got nan in epoch 1"):
        Trainer(Kink(), settings(tmp_path / "run")).run()
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert all(tensor.isfinite().all() for tensor in state["modules"].values())


def test_a_run_of_another_setup_is_refused_and_the_difference_named(tmp_path: Path) -> None:
    task = Sums()
    task.nan_at = 9
    with pytest.raises(FloatingPointError):
        Trainer(task, settings(tmp_path)).run()
    with pytest.raises(ValueError, match=r"task.classes \(the run has 3, now 2: no longer '鸟'\)"):
        Trainer(Sums(classes=CLASSES[:2]), settings(tmp_path)).run()
    with pytest.raises(ValueError, match=r"task.classes .*the same values in another order"):
        Trainer(Sums(classes=CLASSES[::-1]), settings(tmp_path)).run()
    with pytest.raises(
        ValueError, match=r"settings.epochs \(the run has 3, now 4\); settings.lr \(the run has 0.02, now"
    ):
        Trainer(Sums(), settings(tmp_path, lr=0.5, epochs=4)).run()
    with pytest.raises(ValueError, match=r"parameters .*no longer '1.weight \(16,\)'"):
        Trainer(Sums(noisy=False), settings(tmp_path)).run()
    other = settings(tmp_path, save_every=None, resume=False, epochs=1)
    assert len(Trainer(Sums(classes=["new"]), other).run().history) == 2


def test_a_checkpoint_is_data_never_a_program(tmp_path: Path) -> None:
    class Danger:
        def __reduce__(self) -> Any:
            return (open, (str(tmp_path / "executed"), "w"))

    tmp_path.joinpath("run").mkdir()
    torch.save({"modules": Danger()}, tmp_path / "run" / "checkpoint.pt")
    with pytest.raises(ValueError, match=r"checkpoint.pt: expected a checkpoint of this trainer"):
        Trainer(Sums(), settings(tmp_path / "run")).run()
    assert not (tmp_path / "executed").exists()
    (tmp_path / "run" / "checkpoint.pt").write_bytes(b"PK cut short")
    with pytest.raises(ValueError, match="delete it to start over"):
        Trainer(Sums(), settings(tmp_path / "run")).run()


def test_two_trainings_do_not_share_a_folder(tmp_path: Path) -> None:
    class Nested(Sums):
        def evaluate(self) -> dict[str, float]:
            with pytest.raises(BlockingIOError, match="another process trains in this folder"):
                Trainer(Sums(), settings(tmp_path)).run()
            return super().evaluate()

    Trainer(Nested(), settings(tmp_path, epochs=1)).run()
