"""Losses that gather: two processes with half a batch each learn what one process with the whole batch learns."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

WORKER = '''
import sys
import torch
from torch import distributed
from torch.nn.parallel import DistributedDataParallel
from pictrieve.finetune import losses
from pictrieve.finetune.gradient_cache import cached_backward
from pictrieve.finetune.memory_bank import MemoryBank

rank, folder = int(sys.argv[1]), sys.argv[2]
torch.set_num_threads(1)
torch.distributed.init_process_group("gloo", init_method=sys.argv[3], rank=rank, world_size=2)


class Trained(torch.nn.Module):
    def __init__(self, name):
        super().__init__()
        torch.manual_seed(0)
        self.tower = torch.nn.Linear(5, 4)
        self.loss = losses.make(name.split("+")[0], classes=3, dim=4, gather=True)
        if name.endswith("+memory"):
            self.loss = MemoryBank(self.loss, dim=4, size=24)

    def forward(self, x, y):
        return self.loss(self.tower(x), y if y.ndim == 1 else self.tower(y))


def learnt(name, split):
    model = Trained(name)
    whole = DistributedDataParallel(model, broadcast_buffers=False) if split else model
    chance = torch.Generator().manual_seed(1)
    result = []
    for _ in range(2):
        x, z = torch.randn(12, 5, generator=chance), torch.randn(12, 5, generator=chance)
        y = torch.arange(12) % 3 if name.split("+")[0] in losses.LABEL_LOSSES else z
        if split:
            x, y = x[6 * rank : 6 * rank + 6], y[6 * rank : 6 * rank + 6]
        model.zero_grad()
        value = whole(x, y)
        value.backward()
        result += [value.detach(), *(p.grad.clone() for p in model.parameters())]
    return result + [b.clone().float() for b in model.buffers()]


def cached():
    """Towers in DistributedDataParallel, chunks exchanged once."""
    torch.manual_seed(0)
    tower = DistributedDataParallel(torch.nn.Linear(5, 4))
    x = torch.randn(12, 5, generator=torch.Generator().manual_seed(1))
    loss = losses.make("supcon", gather=True)
    labels = torch.arange(6) % 3
    mine = x[6 * rank : 6 * rank + 6]
    value = cached_backward(lambda rows: loss(rows, labels), (tower, mine), chunk_size=2)
    whole = torch.nn.Linear(5, 4)
    whole.load_state_dict(tower.module.state_dict())
    expected = losses.make("supcon")(whole(x), labels.repeat(2))
    expected.backward()
    return [[value, tower.module.weight.grad], [expected.detach(), whole.weight.grad]]


names = ["contrastive", "triplet", "multi_similarity", "supcon", "proxy_anchor", "centre"]
names += ["infonce", "ntxent", "siglip"]
found = {name: learnt(name, True) for name in [*names, "supcon+memory"]}
found["cached"] = cached()
try:
    losses.make("supcon", gather=True)(torch.ones(2 + rank, 4), torch.zeros(2 + rank, dtype=torch.int64))
except ValueError as error:
    found["unequal"] = str(error)
distributed.destroy_process_group()
found["whole"] = {name: learnt(name, False) for name in [*names, "supcon+memory"]}
torch.save(found, f"{folder}/{rank}.pt")
'''


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, str(rank), str(tmp_path), address], stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    try:
        errors = [worker.communicate(timeout=120)[1] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(errors)
    for rank in range(2):
        found = torch.load(tmp_path / f"{rank}.pt", weights_only=True)
        whole = found.pop("whole")
        for name, expected in whole.items():
            assert len(found[name]) == len(expected) >= 4
            for ours, theirs in zip(found[name], expected, strict=True):
                torch.testing.assert_close(
                    ours, theirs, rtol=1e-4, atol=1e-6, msg=lambda text, name=name: f"{name}: {text}"
                )
        for ours, theirs in zip(*found["cached"], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-6)
        assert found["unequal"].startswith("gather: expected as many rows in every process, got [2, 3]")
