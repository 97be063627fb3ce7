"""Large batches on small machines: mining, the memory bank, gradient caching."""

from __future__ import annotations

import copy
import weakref
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from torch import nn  # noqa: E402

from pictrieve import finetune  # noqa: E402
from pictrieve.finetune import losses, mining  # noqa: E402
from pictrieve.finetune.gradient_cache import cached_backward  # noqa: E402
from pictrieve.finetune.memory_bank import MemoryBank  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")

BERT = {
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 12,
}

RESNET = {"embedding_size": 8, "hidden_sizes": [8, 12], "depths": [1, 1], "layer_type": "basic", "num_classes": 3}


class Tower(nn.Module):
    """A network of the core that gives one row for each picture or text."""

    def __init__(self, network: finetune.Network, dim: int) -> None:
        super().__init__()
        self.network = network
        self.head = nn.Linear(network.dim, dim)

    def forward(self, inputs: Any, mask: Any = None) -> Any:
        if self.network.kind == "image":
            return self.head(self.network(inputs)["features"])
        hidden = self.network(inputs, mask)["hidden"]
        return self.head((hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))


@pytest.fixture
def image() -> Tower:
    torch.manual_seed(0)
    return Tower(finetune.Network("image", "resnet", RESNET), 8).double()


@pytest.fixture
def text() -> Tower:
    torch.manual_seed(1)
    return Tower(finetune.Network("text", "bert", {**BERT, "hidden_dropout_prob": 0.2}), 8).double()


def photos(n: int = 14) -> Any:
    return torch.from_numpy(np.random.default_rng(0).normal(size=(n, 3, 28, 28)))


def tokens(n: int = 14) -> dict[str, Any]:
    chance = np.random.default_rng(1)
    ids = torch.from_numpy(chance.integers(1, 40, (n, 9)))
    return {"inputs": ids, "mask": (torch.arange(9)[None] < torch.from_numpy(chance.integers(3, 10, (n, 1)))).long()}


def gradients(*modules: Any) -> dict[str, Any]:
    return {
        f"{i} {name}": parameter.grad.clone()
        for i, module in enumerate(modules)
        for name, parameter in module.named_parameters()
        if parameter.grad is not None
    }


def close(a: dict[str, Any], b: dict[str, Any]) -> None:
    """Compare gradients in float64: what is left is rounding."""
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("chunk_size", [1, 4, 14, 100])
def test_cached_gradients_are_those_of_the_whole_batch(image: Tower, text: Tower, chunk_size: int) -> None:
    loss = losses.InfoNCE(0.2).double()
    image.eval(), text.eval()  # neither batch norm nor dropout: the whole batch is the reference
    expected = loss(image(photos()), text(**tokens()))
    expected.backward()
    whole = gradients(image, text, loss)
    for module in (image, text, loss):
        module.zero_grad()
    value = cached_backward(loss, (image, photos()), (text, tokens()), chunk_size=chunk_size)
    assert not value.requires_grad
    assert value.item() == pytest.approx(expected.item(), rel=1e-12)
    assert "2 temperature.log_scale" in whole
    close(gradients(image, text, loss), whole)
    cached_backward(loss, (image, photos()), (text, tokens()), chunk_size=chunk_size, scale=lambda value: 2 * value)
    close(gradients(image, text, loss), {name: 3 * gradient for name, gradient in whole.items()})  # added, scaled


def test_the_second_run_draws_the_random_numbers_of_the_first(text: Tower) -> None:
    """With dropout, chunks with a graph each, drawn in the same order, are the reference."""
    text.train()
    labels = torch.arange(14) % 4
    contrast = losses.SupCon()
    torch.manual_seed(5)
    rows = torch.cat([text(**{name: value[i : i + 4] for name, value in tokens().items()}) for i in range(0, 14, 4)])
    expected = contrast(rows, labels)
    expected.backward()
    whole, after = gradients(text), torch.rand(3)
    text.zero_grad()
    torch.manual_seed(5)
    value = cached_backward(lambda rows: contrast(rows, labels), (text, tokens()), chunk_size=4)
    assert value.item() == expected.item()
    close(gradients(text), whole)
    assert torch.equal(torch.rand(3), after)  # and the generator goes on as after one run
    torch.manual_seed(6)
    assert cached_backward(lambda rows: contrast(rows, labels), (text, tokens()), chunk_size=4) != value  # drops


def test_running_statistics_move_once_per_chunk(image: Tower) -> None:
    other = copy.deepcopy(image).train()
    image.train()
    labels = torch.arange(12) % 3
    cached_backward(lambda rows: losses.Contrastive()(rows, labels), (image, photos(12)), chunk_size=4)
    rows = torch.cat([other(part) for part in photos(12).split(4)])
    losses.Contrastive()(rows, labels).backward()
    for name, buffer in other.named_buffers():
        torch.testing.assert_close(dict(image.named_buffers())[name], buffer, rtol=1e-12, atol=0)
    close(gradients(image), gradients(other))


def test_autocast_keeps_the_graph(image: Tower) -> None:
    labels = torch.arange(14) % 4
    image.float().eval()
    with torch.autocast("cpu", torch.bfloat16):
        losses.SupCon()(image(photos().float()), labels).backward()
        whole = gradients(image)
        image.zero_grad()
        cached_backward(lambda rows: losses.SupCon()(rows, labels), (image, photos().float()), chunk_size=5)
    found = gradients(image)
    assert found.keys() == whole.keys()
    for name in whole:
        assert torch.cosine_similarity(found[name].flatten(), whole[name].flatten(), dim=0) > 0.98, name


def test_a_tower_may_be_used_twice_and_inputs_may_differ_in_length(image: Tower) -> None:
    def loss(a: Any, b: Any) -> Any:
        return (a.mean(0) - b.mean(0)).square().sum() + a.square().mean()

    image.eval()
    loss(image(photos(9)), image(photos(14))).backward()
    whole = gradients(image)
    image.zero_grad()
    cached_backward(loss, (image, (photos(9), None)), (image, [photos(14)]), chunk_size=4)
    close(gradients(image), whole)


class Held:
    """A tensor that a graph keeps for backward."""

    def __init__(self, tensor: Any) -> None:
        self.tensor = tensor


def test_memory_is_that_of_a_chunk(image: Tower) -> None:
    held, peak = [0], [0]

    def release(size: int) -> None:
        held[0] -= size

    def keep(tensor: Any) -> Held:
        box, size = Held(tensor), tensor.numel() * tensor.element_size()
        held[0] += size
        peak[0] = max(peak[0], held[0])
        weakref.finalize(box, release, size)
        return box

    def measured(run: Any) -> int:
        held[0] = peak[0] = 0
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda box: box.tensor):
            run()
        return peak[0]

    image.eval()
    labels = torch.arange(64) % 8
    loss = losses.SupCon()
    whole = measured(lambda: loss(image(photos(64)), labels).backward())
    cached = measured(lambda: cached_backward(lambda r: loss(r, labels), (image, photos(64)), chunk_size=4))
    assert cached < whole / 8


def test_cached_backward_refuses_what_does_not_fit(image: Tower) -> None:
    with pytest.raises(ValueError, match="chunk_size: expected 1 or more, got 0"):
        cached_backward(losses.InfoNCE(), (image, photos()), chunk_size=0)
    with pytest.raises(ValueError, match=r"inputs: expected tensors of one length, got lengths \[3, 14\]"):
        cached_backward(losses.InfoNCE(), (image, (photos(), photos(3))), chunk_size=2)
    with pytest.raises(TypeError, match="tower: expected rows as a tensor, got dict"):
        cached_backward(losses.InfoNCE(), (image.network, photos()), chunk_size=2)


def test_memory_bank_keeps_the_newest_rows_and_is_saved() -> None:
    bank = MemoryBank(losses.SupCon(), dim=3, size=5, start=1)
    chance = torch.Generator().manual_seed(0)
    batches = [(torch.randn(2, 3, generator=chance).requires_grad_(), torch.tensor([2 * i, 0])) for i in range(5)]
    lengths = []
    for i, (rows, labels) in enumerate(batches):
        if i == 4:  # resumed from a file
            state, bank = bank.state_dict(), MemoryBank(losses.SupCon(), dim=3, size=5, start=1)
            bank.load_state_dict(state)
        value = bank(rows, labels)
        lengths.append(len(bank))
        assert value.requires_grad
    assert lengths == [0, 2, 4, 5, 5]
    newest = torch.cat([rows.detach() for rows, _ in batches])[-5:]
    assert {tuple(row) for row in bank.rows.tolist()} == {tuple(row) for row in newest.tolist()}
    before = copy.deepcopy(bank.state_dict())
    rows, labels = batches[0]
    assert torch.equal(bank.eval()(rows, labels), losses.SupCon()(rows, labels))
    with torch.no_grad():
        bank.train()(rows, labels)
    assert all(torch.equal(value, before[name]) for name, value in bank.state_dict().items())
    bank.reset()
    assert len(bank) == 0


@pytest.mark.parametrize("name", ["contrastive", "triplet", "multi_similarity", "supcon"])
def test_every_loss_of_pairs_learns_from_memory(name: str) -> None:
    torch.manual_seed(0)
    settings = {"normalise": False} if name in ("contrastive", "triplet") else {}  # so that backward needs what it saw
    bank = MemoryBank(losses.make(name, **settings), dim=4, size=20)
    values = [bank(torch.randn(6, 4).requires_grad_(), torch.arange(6) % 3) for _ in range(4)]
    sum(values).backward()  # later batches have not spoilt what earlier ones need
    alone = losses.make(name, **settings)(rows := torch.randn(6, 4), torch.arange(6) % 3)
    assert bank(rows.requires_grad_(), torch.arange(6) % 3) > alone


def test_memory_bank_refuses_what_does_not_fit() -> None:
    with pytest.raises(TypeError, match="loss: expected a loss of pairs with labels, such as Contrastive, got ArcFace"):
        MemoryBank(losses.ArcFace(3, 4), dim=4, size=8)
    with pytest.raises(ValueError, match="dim, size: expected 1 or more, got 4 and 0"):
        MemoryBank(losses.SupCon(), dim=4, size=0)
    bank = MemoryBank(losses.SupCon(), dim=4, size=8)
    with pytest.raises(ValueError, match="size: expected at least the batch's 9 rows, got a memory of 8"):
        bank(torch.ones(9, 4, requires_grad=True), torch.arange(9))
    with pytest.raises(ValueError, match="embeddings: expected rows of length 4, got 5"):
        bank(torch.ones(9, 5, requires_grad=True), torch.arange(9))


def test_hard_triplets_and_all_triplets_by_hand() -> None:
    distances = torch.tensor([[0.0, 1, 3, 2], [1, 0, 5, 4], [3, 5, 0, 6], [2, 4, 6, 0]])
    masks = mining.pair_masks(torch.tensor([0, 0, 0, 1]))
    assert mining.pair_masks(torch.tensor([0, 1]), torch.tensor([1, 0]), torch.tensor([-1, 0])).positive.tolist() == [
        [False, True],
        [False, False],
    ]
    as_lists = [
        list(zip(*(part.tolist() for part in found), strict=True))
        for found in (
            mining.hard_triplets(distances, masks),
            mining.all_triplets(masks),
            mining.semi_hard_triplets(distances, masks, 1.5),
        )
    ]
    assert as_lists[0] == [(0, 2, 3), (1, 2, 3), (2, 1, 3)]
    assert as_lists[1] == [(0, 1, 3), (0, 2, 3), (1, 0, 3), (1, 2, 3), (2, 0, 3), (2, 1, 3)]
    assert as_lists[2] == [(0, 1, 3), (2, 1, 3)]
