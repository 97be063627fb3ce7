"""Two processes train as one: the same weights, written once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

import trainer_tasks  # noqa: E402

from pictrieve import _core, finetune  # noqa: E402

SCRIPT = """
import sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from trainer_tasks import Sums, settings
from pictrieve import Preprocess, datasets, finetune
from pictrieve.finetune.losses import Contrastive
from pictrieve.finetune.trainer import Trainer
from pictrieve.finetune.trainer.distributed import rank_and_world

torch.set_num_threads(1)
folder, (rank, world) = Path(sys.argv[1]), rank_and_world()

class Pairs(Sums):  # each picture is compared with those of the other process
    def loss(self, batch):
        rows = self.modules[:2](batch["x"])
        return Contrastive(gather=world > 1)(rows, (batch["y"][:, 0] > 0).long())

for name, kind in (("mean", Sums), ("pairs", Pairs)):
    task = kind(noisy=False, batch_size=16)
    if rank:  # the first process's weights count
        with torch.no_grad():
            for parameter in task.modules.parameters():
                parameter.zero_()
    how = {"optimizer": "sgd", "lr": 0.2, "clip_norm": 1.0, "monitor": "loss"}
    run = Trainer(task, settings(folder / f"{name}{rank}", **how)).run()
    assert run.path == folder / f"{name}0"
    assert len(run.history) == 4

table = datasets.Table(sys.argv[3])
few = table.filter(lambda s: s.label in ("Lemon", "Zucchini", "Avocado", "Garlic") and int(s.path.stem[-2:]) < 4)
net = finetune.network("cifar_resnet20", {"num_classes": 4}, weights="random", seed=1)
more = {"preprocess": Preprocess("imagenet"), "size": 32, "epochs": 2, "batch_size": 8, "per_class": 2, "dim": 8}
# A smooth loss: the kinks of "contrastive" make differences of 0.01 of a disturbance of 1e-6 in eight steps.
finetune.fit(net, few, loss="supcon", optimizer="sgd", lr=0.05, out=folder / "fit", **more)

task = Sums(noisy=False, batch_size=16)
task.nan_at = 4 if rank == world - 1 else 0
try:
    Trainer(task, settings(folder / "nan")).run()
except FloatingPointError as error:
    (folder / f"stopped{rank}").write_text(str(error))

if world > 1:  # threads that outlive the group may abort the process when Python ends
    torch.distributed.destroy_process_group()
    names = [(path / "comm").read_text() for path in Path("/proc/self/task").iterdir()]
    assert not [name for name in names if "gloo" in name], names
"""


def test_two_processes_train_as_one(tmp_path: Path, data: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT, encoding="utf-8")
    inside = str(Path(trainer_tasks.__file__).parent)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    found = {}
    for name, command in (("two", launcher), ("one", [sys.executable])):
        folder = tmp_path / name
        folder.mkdir()
        arguments = [str(script), str(folder), inside, str(data / "grocery" / "labels.csv")]
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-3000:]
        found[name] = {
            kind: torch.load(folder / f"{kind}0" / "model" / "weights.pt", weights_only=True)
            for kind in ("mean", "pairs")
        }
        found[name]["fit"] = {
            part: torch.from_numpy(array.copy())
            for file in ("model", "whitening")
            for part, array in _core.read_weights(str(folder / "fit" / "model" / f"{file}.safetensors")).items()
        }
    assert not [path for path in (tmp_path / "two").iterdir() if path.name in ("mean1", "pairs1")]
    start = trainer_tasks.Sums(noisy=False).modules.state_dict()
    for kind in ("mean", "pairs"):
        one, two = found["one"][kind], found["two"][kind]
        assert (one["0.weight"] - start["0.weight"]).abs().max() > 1e-2
        for tensor in one:
            assert torch.allclose(one[tensor], two[tensor], atol=1e-5), (kind, tensor)
    one, two = found["one"]["fit"], found["two"]["fit"]
    fresh = finetune.network("cifar_resnet20", {"num_classes": 0}, weights="random", seed=1).state_dict()
    assert max(float((one[name] - fresh[name]).abs().max()) for name in fresh) > 1e-2
    assert all(torch.allclose(one[name], two[name], atol=1e-5) for name in one)
    stopped = [(tmp_path / "two" / f"stopped{rank}").read_text(encoding="utf-8") for rank in (0, 1)]
    assert all("got nan in epoch 1, batch 4" in message for message in stopped)
