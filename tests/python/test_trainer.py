"""The trainer against plain loops of torch: steps, schedules, precision, averages, early stops, callbacks."""

from __future__ import annotations

import random
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402
from trainer_tasks import Sums, settings  # noqa: E402

from pictrieve.finetune.trainer import Callback, Settings, Trainer, WorseWarning  # noqa: E402
from pictrieve.finetune.trainer.schedules import share  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


class Watch(Callback):
    def __init__(self) -> None:
        self.steps: list[dict[str, float]] = []
        self.calls: list[str] = []

    def on_start(self, folder: Path, setup: Mapping[str, Any], step: int) -> None:
        self.calls.append(f"start {step} {folder.is_dir()} {setup['settings']['lr']}")

    def on_step(self, step: int, values: Mapping[str, float]) -> None:
        self.steps.append({"step": step, **values})

    def on_epoch(self, row: Mapping[str, Any]) -> None:
        self.calls.append(f"epoch {row['epoch']}")

    def on_end(self) -> None:
        self.calls.append("end")


def test_steps_are_those_of_a_plain_loop(tmp_path: Path) -> None:
    """Accumulation of 3 of 8 batches (3, 3, 2), clipping, warm-up, cosine, weight decay for matrices alone."""
    watch = Watch()
    run = Trainer(
        Sums(noisy=False),
        settings(tmp_path, average=None, clip_norm=0.5, weight_decay=0.1, warmup=0.2, callbacks=[watch]),
    ).run()
    task = Sums(noisy=False)
    net = task.modules
    groups = [
        {"params": [p for p in net.parameters() if p.ndim > 1], "weight_decay": 0.1},
        {"params": [p for p in net.parameters() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimiser = torch.optim.AdamW(groups, lr=0.02)
    rates, norms, best, best_loss = [], [], None, float("inf")
    for epoch in range(3):
        batches = list(task.batches(epoch))
        for first in (0, 3, 6):
            part = batches[first : first + 3]
            at = (epoch + (first + len(part) / 2) / 8) / 3
            rate = at / 0.2 if at < 0.2 else 0.5 * (1 + np.cos(np.pi * (at - 0.2) / 0.8))
            for group in optimiser.param_groups:
                group["lr"] = 0.02 * rate
            optimiser.zero_grad()
            (sum((net(b["x"]) - b["y"]).square().mean() for b in part) / len(part)).backward()
            norms.append(float(nn.utils.clip_grad_norm_(net.parameters(), 0.5)))
            optimiser.step()
            rates.append(0.02 * rate)
        with torch.no_grad():
            error = task.evaluate()["fit_error"]
        if error < best_loss:
            best_loss, best = error, {name: tensor.clone() for name, tensor in net.state_dict().items()}
    found = torch.load(run.model / "weights.pt", weights_only=True)
    assert best is not None
    assert all(torch.allclose(found[name], best[name], atol=1e-6) for name in best)
    assert np.allclose([step["lr"] for step in watch.steps], rates, rtol=1e-12)
    assert np.allclose([step["gradient_norm"] for step in watch.steps], norms, rtol=1e-4)
    assert max(norms) > 0.5
    assert watch.calls == ["start 0 True 0.02", "epoch 1", "epoch 2", "epoch 3", "end"]
    assert abs(run.report().after["fit_error"] - best_loss) < 1e-5
    assert run.history["step"].tolist() == [0, 3, 6, 9]


def test_schedules_are_those_of_torch() -> None:
    """Our step takes the rate of its middle: every second value of a schedule of twice as many steps."""
    kinds = {
        "cosine": lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20),
        "linear": lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 1e-12, 20),
        "constant": lambda o: torch.optim.lr_scheduler.ConstantLR(o, 1.0),
    }
    for name, make in kinds.items():
        optimiser = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=1.0)
        schedule = make(optimiser)
        values = []
        for _ in range(20):
            values.append(optimiser.param_groups[0]["lr"])
            optimiser.step()
            schedule.step()
        ours = [share(name, (i + 0.5) / 10, 0.0) for i in range(10)]
        assert np.allclose(ours, values[1::2], atol=1e-9), name
    assert [share(name, 0.05, 0.2) for name in kinds] == [0.25] * 3


def test_the_average_is_that_of_torch(tmp_path: Path) -> None:
    steps = 0

    def rule(average: Any, value: Any, count: Any) -> Any:
        decay = min(0.9, (1 + steps) / (10 + steps))
        return decay * average + (1 - decay) * value

    run = Trainer(
        Sums(noisy=False), settings(tmp_path, epochs=1, accumulate=1, optimizer="sgd", warmup=0, schedule="constant")
    ).run()
    task = Sums(noisy=False)
    average = torch.optim.swa_utils.AveragedModel(task.modules, avg_fn=rule)
    average.update_parameters(task.modules)  # the first call copies
    optimiser = torch.optim.SGD(task.modules.parameters(), lr=0.02, momentum=0.9, weight_decay=0.0)
    optimiser.param_groups[0]["weight_decay"] = 0.0
    for batch in task.batches(0):
        optimiser.zero_grad()
        task.loss(batch)["loss"].backward()
        for parameter in task.modules.parameters():
            if parameter.ndim > 1:
                parameter.grad.add_(parameter.detach(), alpha=0.01)
        optimiser.step()
        steps += 1
        average.update_parameters(task.modules)
    found = torch.load(run.model / "weights.pt", weights_only=True)
    for name, tensor in average.module.state_dict().items():
        assert torch.allclose(found[name], tensor, atol=1e-5), name


def test_the_best_epoch_is_kept_and_patience_stops(tmp_path: Path) -> None:
    class Peak(Sums):
        def evaluate(self) -> dict[str, float]:
            self.seen = getattr(self, "seen", -1) + 1
            return {"other": 1.0, "quality": [0.9, 0.2, 0.5, 0.4, 0.5, 0.3][self.seen]}

        def loss(self, batch: Any) -> dict[str, torch.Tensor]:
            with torch.no_grad():
                self.modules[0].bias[0] = float(self.seen)
            return super().loss(batch)

    given = {"monitor": "quality", "patience": 2, "epochs": 9, "average": None, "lr": 1e-9}
    message = r"quality is 0.5000 after the training, 0.9000 before; try a smaller lr"
    with pytest.warns(WorseWarning, match=message):
        run = Trainer(Peak(), settings(tmp_path / "a", **given)).run()
    assert re.search(f"worse than before: {message}", repr(run))
    assert run.history["quality"].tolist() == [0.9, 0.2, 0.5, 0.4, 0.5]
    assert run.report().best_epoch == 2
    assert run.report().after == {"other": 1.0, "quality": 0.5}
    assert abs(float(torch.load(run.model / "weights.pt", weights_only=True)["0.bias"][0]) - 1) < 1e-6
    smallest = Trainer(Peak(), settings(tmp_path / "b", **{**given, "mode": "min"})).run()
    assert smallest.report().best_epoch == 1
    assert "worse" not in repr(smallest)


def test_a_monitor_that_is_not_measured_stops_the_first_step_and_another_takes_over(tmp_path: Path) -> None:
    task = Sums()
    with pytest.raises(ValueError, match=r"monitor: expected one of loss, error, fit_error, got 'map'"):
        Trainer(task, settings(tmp_path, monitor="map")).run()
    assert task.calls == 3, "one step"
    assert Trainer(Sums(), settings(tmp_path, monitor="error", epochs=1)).run().report().best_epoch == 1

    class Later(Sums):
        def baseline(self) -> dict[str, float]:
            return {}

    with pytest.raises(ValueError, match=r"monitor: expected one of loss, error, fit_error, seconds, got 'map'"):
        Trainer(Later(), settings(tmp_path / "b", monitor="map")).run()
    assert len(Trainer(Later(), settings(tmp_path / "c", monitor="fit_error", epochs=1)).run().history) == 2


def test_bfloat16_computes_in_it_and_keeps_float32_weights(tmp_path: Path) -> None:
    seen = set()

    class Typed(Sums):
        def loss(self, batch: Any) -> torch.Tensor:
            rows = self.modules(batch["x"])
            seen.add(rows.dtype)
            return (rows.float() - batch["y"]).square().mean()

    run = Trainer(Typed(noisy=False), settings(tmp_path, amp="bfloat16", epochs=8)).run()
    assert seen == {torch.bfloat16}
    assert {tensor.dtype for tensor in torch.load(run.model / "weights.pt", weights_only=True).values()} == {
        torch.float32
    }
    assert run.report().after["fit_error"] < 0.5 * run.report().before["fit_error"]
    with pytest.raises(ValueError, match='amp: "float16" needs device="cuda"'):
        Settings(amp="float16")


def test_the_callers_random_generators_are_left_alone(tmp_path: Path) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), float(np.random.random()), float(torch.rand(()))

    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    expected = draw()
    random.seed(3), np.random.seed(3), torch.manual_seed(3)
    first = Trainer(Sums(), settings(tmp_path / "a")).run()
    assert draw() == expected
    second = Trainer(Sums(), settings(tmp_path / "b")).run()
    other = Trainer(Sums(), settings(tmp_path / "c", seed=1)).run()
    left, right, different = (torch.load(r.model / "weights.pt", weights_only=True) for r in (first, second, other))
    assert all(torch.equal(left[name], right[name]) for name in left)
    assert not torch.equal(left["0.weight"], different["0.weight"])


def test_without_a_folder_nothing_stays() -> None:
    code = """
from trainer_tasks import Sums
from pictrieve.finetune.trainer import Settings, Trainer
run = Trainer(Sums(), Settings(epochs=1, show_progress_bar=False)).run()
assert (run.path / "model" / "weights.pt").is_file() and "fit_error" in repr(run)
print(run.path)
"""
    folder = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert not Path(done.stdout.strip()).exists()


def test_history_without_pandas_is_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = Trainer(Sums(), settings(tmp_path, epochs=2)).run()
    monkeypatch.setitem(sys.modules, "pandas", None)
    assert [row["epoch"] for row in run.history] == [0, 1, 2]
    assert set(run.history[2]) == {"epoch", "step", "loss", "error", "fit_error", "seconds"}


def test_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = Trainer(Sums(), settings(tmp_path, log="tensorboard")).run()
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    logged = [(event.step, event.value) for event in events.Scalars("epoch/fit_error")]
    assert np.allclose(logged, run.history[["epoch", "fit_error"]].to_numpy()[1:], rtol=1e-6)
    assert [event.step for event in events.Scalars("step/loss")] == list(range(1, 10))
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match=r"pictrieve\[wandb\]"):
        Trainer(Sums(), settings(tmp_path, log=["tensorboard", "wandb"]))
    with pytest.raises(ValueError, match="log: expected 'tensorboard', 'wandb'"):
        Trainer(Sums(), settings(tmp_path, log="paper"))


def test_logs_are_imported_only_when_asked_for() -> None:
    code = "import sys, pictrieve.finetune.trainer; print({'tensorboard', 'wandb', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "epochs: expected a whole number from 1, got 0"),
        ({"lr": 0.0}, "lr: expected a positive number"),
        ({"optimizer": "lion"}, "optimizer: expected one of 'adamw'"),
        ({"schedule": "step"}, "schedule: expected one of 'constant'"),
        ({"warmup": 1.0}, "warmup: expected a share"),
        ({"average": 1.0}, "average: expected a decay"),
        ({"clip_norm": -1.0}, "clip_norm: expected a positive number"),
    ],
)
def test_wrong_settings_are_named(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Settings(**wrong)


def test_tasks_that_cannot_be_trained(tmp_path: Path) -> None:
    frozen = Sums()
    frozen.modules.requires_grad_(False)
    with pytest.raises(ValueError, match="expected some to train, got none"):
        Trainer(frozen, settings(tmp_path / "a")).run()
    empty = Sums()
    empty.batches = lambda epoch: []  # type: ignore[method-assign,assignment]
    with pytest.raises(ValueError, match="batches: expected at least one"):
        Trainer(empty, settings(tmp_path / "b")).run()
    odd = Sums()
    odd.loss = lambda batch: torch.zeros(3)  # type: ignore[method-assign,assignment]
    with pytest.raises(ValueError, match=r"loss: expected a scalar.*got shape \(3,\)"):
        Trainer(odd, settings(tmp_path / "c")).run()
