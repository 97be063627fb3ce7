"""The core's networks as torch modules: everything that torch does with a module."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pictrieve as pt  # noqa: E402
from pictrieve import finetune  # noqa: E402

BAD_SEGMENTS = torch.full((1, 4), 99)
SMALL_BERT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 12,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}


@pytest.fixture
def net() -> finetune.Network:
    return finetune.network("resnet18", {"num_classes": 5}, weights="random", seed=3)


@pytest.fixture
def pixels() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3, 64, 64)).astype(np.float32))


def logits(network: finetune.Network, pixels: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return network.eval()(pixels)["logits"]


def test_a_copy_computes_the_same_and_shares_nothing(net: finetune.Network, pixels: torch.Tensor) -> None:
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(logits(twin, pixels), logits(net, pixels))
        with torch.no_grad():
            next(twin.parameters()).mul_(2)
        assert not torch.equal(logits(twin, pixels), logits(net, pixels))


def test_state_dict_travels_through_a_file(net: finetune.Network, pixels: torch.Tensor, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "state.pt")
    other = finetune.network("resnet18", {"num_classes": 5}, weights="random", seed=4)
    assert not torch.equal(logits(other, pixels), logits(net, pixels))
    other.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert torch.equal(logits(other, pixels), logits(net, pixels))


def test_what_is_trained_is_what_is_served(net: finetune.Network, pixels: torch.Tensor, tmp_path: Path) -> None:
    net.train()
    optimiser = torch.optim.SGD(net.parameters(), lr=0.05)
    labels = torch.tensor([0, 1, 2, 3])
    for _ in range(3):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(net(pixels)["logits"], labels).backward()
        optimiser.step()
    net.save_pretrained(tmp_path)
    served = pt.nn.load(tmp_path)
    assert np.abs(served.logits(pixels.numpy()) - logits(net, pixels).numpy()).max() < 1e-4


def test_a_step_lowers_the_loss_for_every_kind_of_optimiser(net: finetune.Network, pixels: torch.Tensor) -> None:
    labels = torch.tensor([0, 1, 2, 3])
    for make, rate in ((torch.optim.SGD, 1e-3), (torch.optim.AdamW, 1e-4), (torch.optim.RMSprop, 1e-5)):
        trained = copy.deepcopy(net).train()
        optimiser = make(trained.parameters(), lr=rate)
        losses = []
        for _ in range(5):
            optimiser.zero_grad()
            loss = torch.nn.functional.cross_entropy(trained(pixels)["logits"], labels)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
        assert losses[-1] < losses[0], make


def test_batch_norms_learn_statistics_in_training_only(net: finetune.Network, pixels: torch.Tensor) -> None:
    before = net.state_dict()["bn1.running_mean"].clone()
    net.eval()(pixels)
    assert torch.equal(net.state_dict()["bn1.running_mean"], before)
    net.train()(pixels)
    assert not torch.equal(net.state_dict()["bn1.running_mean"], before)
    assert int(net.state_dict()["bn1.num_batches_tracked"]) == 1


def test_frozen_parts_keep_their_numbers_and_statistics(net: finetune.Network, pixels: torch.Tensor) -> None:
    frozen = net.freeze("conv1.*", "bn1.*", "layer1.*")
    assert "layer1.0.conv1.weight" in frozen
    assert "layer2.0.conv1.weight" not in frozen
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    net.train()
    optimiser = torch.optim.SGD([p for p in net.parameters() if p.requires_grad], lr=0.1)
    torch.nn.functional.cross_entropy(net(pixels)["logits"], torch.tensor([0, 1, 2, 3])).backward()
    optimiser.step()
    after = net.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert not any(name.startswith(("conv1.", "bn1.", "layer1.")) for name in changed)
    assert {"layer2.0.conv1.weight", "layer2.0.bn1.running_mean", "fc.weight"} <= changed
    with pytest.raises(ValueError, match="fits none"):
        net.freeze("layer9.*")


def test_types_hooks_and_autocast(net: finetune.Network, pixels: torch.Tensor) -> None:
    exact = logits(copy.deepcopy(net).double(), pixels.double())
    assert exact.dtype == torch.float64
    assert (exact - logits(net, pixels)).abs().max() < 1e-3
    seen = []
    net.register_forward_hook(lambda module, inputs, outputs: seen.append(outputs["features"].shape))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = net.train()(pixels)["logits"].float().square().mean()
    loss.backward()
    assert seen == [(4, 512)]
    gradients = [parameter.grad for parameter in net.parameters()]
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)


def test_functional_calls_reach_the_network(net: finetune.Network, pixels: torch.Tensor) -> None:
    doubled = {name: 2 * tensor for name, tensor in net.named_parameters() if name.startswith("fc.")}
    with torch.no_grad():
        found = torch.func.functional_call(net.eval(), doubled, (pixels,))["logits"]
    assert torch.allclose(found, 2 * logits(net, pixels), atol=1e-5)


def test_text_network_and_mask(tmp_path: Path) -> None:
    net = finetune.network("bert", SMALL_BERT, weights="random").eval()
    ids = torch.tensor([[1, 5, 7, 2], [1, 9, 2, 0]])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 1, 0]])
    hidden = net(ids, mask)["hidden"]
    alone = net(ids[1:, :3])["hidden"]
    assert hidden.shape == (2, 4, 16)
    assert torch.allclose(hidden[1, :3], alone[0], atol=1e-6)
    with pytest.raises(ValueError, match="ids: expected int64"):
        net(ids.float())
    with pytest.raises(ValueError, match="expected an image network"):
        net._core.forward_image([], [], False, torch.zeros(1, 3, 8, 8))


def test_only_what_a_checkpoint_lacks_is_drawn(net: finetune.Network, tmp_path: Path) -> None:
    torch.save(net.state_dict(), tmp_path / "state.pt")

    def drawn(changes: dict[str, int], weights: object) -> tuple[finetune.Network, list[tuple[int, ...]]]:
        with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], record_shapes=True) as profile:
            made = finetune.network("resnet18", changes, weights=weights, seed=9)
        return made, [tuple(e.input_shapes[0]) for e in profile.events() if e.name == "aten::normal_"]

    all_drawn = drawn({"num_classes": 5}, "random")[1]
    assert len(all_drawn) == sum(parameter.dim() > 1 for parameter in net.parameters())
    loaded, none = drawn({"num_classes": 5}, tmp_path / "state.pt")
    assert none == []
    assert all(torch.equal(tensor, net.state_dict()[name]) for name, tensor in loaded.state_dict().items())
    changed, classifier = drawn({"num_classes": 3}, tmp_path / "state.pt")
    assert classifier == [(3, 512)]
    again = finetune.network("resnet18", {"num_classes": 3}, weights=tmp_path / "state.pt", seed=9)
    assert torch.equal(changed.state_dict()["fc.weight"], again.state_dict()["fc.weight"])
    assert changed.state_dict()["fc.weight"].std() > 0


def test_a_state_to_start_with_is_checked(net: finetune.Network, pixels: torch.Tensor) -> None:
    state = net.state_dict()
    twin = finetune.Network("image", "resnet18", {"num_classes": 5}, state=state)
    assert torch.equal(logits(twin, pixels), logits(net, pixels))
    with pytest.raises(ValueError, match=r"state: 'fc.weight': expected \(5, 512\), got \(4, 512\)"):
        finetune.Network("image", "resnet18", {"num_classes": 5}, state={"fc.weight": torch.zeros(4, 512)})
    with pytest.raises(ValueError, match=r"state: 'head\.weight': expected a name of resnet18"):
        finetune.Network("image", "resnet18", state={"head.weight": torch.zeros(5, 512)})


def test_bad_input_is_named(net: finetune.Network) -> None:
    with pytest.raises(ValueError, match=r"pixels: expected \(n, 3, H, W\)"):
        net(torch.zeros(1, 4, 64, 64))
    with pytest.raises(ValueError, match="pixels: expected floating-point numbers, got Byte"):
        net(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))
    with pytest.raises(ValueError, match="pixels: expected them on cpu, where the network is, got meta"):
        net(torch.zeros(1, 3, 64, 64, device="meta"))
    with pytest.raises(ValueError, match="architecture: expected one of"):
        finetune.Network("image", "resnet9000")
    with pytest.raises(ValueError, match="num_classes"):
        finetune.Network("image", "resnet18", {"num_classes": "many"})


def test_bad_ids_are_named() -> None:
    net = finetune.network("bert", SMALL_BERT, weights="random").eval()
    for ids, reason in (
        (torch.tensor([[1, 40]]), "ids: expected 0 to 39, got 1 to 40"),
        (torch.tensor([[-1, 3]]), "ids: expected 0 to 39, got -1 to 3"),
        (torch.ones(1, 13, dtype=torch.int64), "ids: expected texts of at most 12 tokens for bert, got 13"),
    ):
        with pytest.raises(ValueError, match=reason):
            net(ids)
    ids = torch.tensor([[1, 5]])
    with pytest.raises(ValueError, match="segments: expected the shape of ids"):
        net(ids, segments=torch.zeros(1, 3, dtype=torch.int64))
    assert net(ids[:0])["hidden"].shape == (0, 2, 16)


def test_errors_of_torch_come_in_one_line_that_names_the_network(net: finetune.Network) -> None:
    bert = finetune.network("bert", SMALL_BERT, weights="random")
    huge = {"vocab_size": 1 << 24, "hidden_size": 1 << 24, "num_attention_heads": 1}
    for subject, reason, call in (
        ("image network resnet18: ", "[Dd]ouble", lambda: net(torch.zeros(1, 3, 64, 64, dtype=torch.float64))),
        ("text network bert: ", "[Ii]ndex", lambda: bert(torch.ones(1, 4, dtype=torch.int64), segments=BAD_SEGMENTS)),
        ("text network bert: ", "allocate", lambda: finetune.Network("text", "bert", huge)),
    ):
        with pytest.raises(pt.Error, match=subject + ".*" + reason) as raised:
            call()
        assert "\n" not in str(raised.value)
        assert "frame #" not in str(raised.value)
    assert logits(net, torch.zeros(1, 3, 64, 64)).shape == (1, 5)  # it goes on after an error


DDP = """
import sys, torch
import torch.distributed as dist
from pictrieve import finetune

dist.init_process_group("gloo")
rank = dist.get_rank()
net = finetune.network("bert", {settings}, weights="random", seed=1)
wrapped = torch.nn.parallel.DistributedDataParallel(net)
optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
ids = torch.arange(16).view(4, 4) + 3
mine = slice(2 * rank, 2 * rank + 2)
for _ in range(3):
    optimiser.zero_grad()
    wrapped(ids[mine])["hidden"].square().mean().sqrt().backward()
    optimiser.step()
if rank == 0:
    torch.save(net.state_dict(), sys.argv[1])
dist.destroy_process_group()
"""


def test_two_processes_train_as_one(tmp_path: Path) -> None:
    script, result = tmp_path / "train.py", tmp_path / "state.pt"
    script.write_text(DDP.replace("{settings}", repr(SMALL_BERT)), encoding="utf-8")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    done = subprocess.run([*command, str(script), str(result)], capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr[-2000:]
    net = finetune.network("bert", SMALL_BERT, weights="random", seed=1)
    start = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    ids = torch.arange(16).view(4, 4) + 3
    for _ in range(3):
        optimiser.zero_grad()
        losses = [net(ids[half])["hidden"].square().mean().sqrt() for half in (slice(0, 2), slice(2, 4))]
        torch.stack(losses).mean().backward()
        optimiser.step()
    trained = torch.load(result, weights_only=True)
    assert any((tensor - start[name]).abs().max() > 1e-3 for name, tensor in trained.items())
    for name, tensor in net.state_dict().items():
        assert torch.allclose(tensor, trained[name], atol=1e-5), name


def test_another_number_of_classes_starts_a_new_classifier(tmp_path: Path, pixels: torch.Tensor) -> None:
    trained = finetune.network("resnet18", {"num_classes": 7}, weights="random", seed=5)
    torch.save(trained.state_dict(), tmp_path / "seven.pth")
    net = finetune.network("resnet18", {"num_classes": 4}, weights=tmp_path / "seven.pth")
    state = net.state_dict()
    assert state["fc.weight"].shape == (4, 512)
    for name, tensor in trained.state_dict().items():
        assert name.startswith("fc.") or torch.equal(state[name], tensor), name
    assert finetune.network("resnet18", weights=tmp_path / "seven.pth").facts["classes"] == 7
    net.save_pretrained(tmp_path / "four")
    assert np.abs(pt.nn.load(tmp_path / "four").logits(pixels.numpy()) - logits(net, pixels).numpy()).max() < 1e-4
