"""P4 and P5: forward of image networks, batch 16 and batch 1, against eager torch and the engines installed.

Without arguments the bundled EfficientNet-Lite0. `--network resnet50` (again for more) takes random weights instead,
and its peer is the same network executed by torch's operators.
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Callable
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np
import torch
from _pairing import medians, say_machine
from torch import Tensor, nn

import pictrieve as pt
from pictrieve.finetune import Network

STRIDES = {1: 2, 3: 2, 5: 2, 11: 2}  # of the blocks that shrink the picture


class SameConv(nn.Module):
    """Convolution with TensorFlow's SAME padding."""

    def __init__(self, weight: Tensor, stride: int, groups: int = 1) -> None:
        super().__init__()
        self.weight, self.stride, self.groups = nn.Parameter(weight, requires_grad=False), stride, groups

    def forward(self, x: Tensor) -> Tensor:
        padding = []
        for size, kernel in zip(x.shape[:1:-1], self.weight.shape[:1:-1], strict=True):
            total = max((-(-size // self.stride) - 1) * self.stride + kernel - size, 0)
            padding += [total // 2, total - total // 2]
        return nn.functional.conv2d(nn.functional.pad(x, padding), self.weight, None, self.stride, 0, 1, self.groups)


class Lite0(nn.Module):
    """EfficientNet-Lite0 as anyone would write it in torch."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.stem = self.unit(weights, "_conv_stem", "_bn0", 2)
        self.blocks = nn.ModuleList()
        for i in range(16):
            block, key = nn.Sequential(), f"_blocks.{i}."
            if i:
                block.append(self.unit(weights, key + "_expand_conv", key + "_bn0", 1))
            groups = weights[key + "_depthwise_conv.weight"].shape[0]
            block.append(self.unit(weights, key + "_depthwise_conv", key + "_bn1", STRIDES.get(i, 1), groups))
            block.append(self.unit(weights, key + "_project_conv", key + "_bn2", 1)[:2])
            self.blocks.append(block)
        self.head = self.unit(weights, "_conv_head", "_bn1", 1)

    @staticmethod
    def unit(weights: dict[str, Tensor], conv: str, norm: str, stride: int, groups: int = 1) -> nn.Sequential:
        """Make convolution, batch norm and ReLU6."""
        weight = weights[f"{conv}.weight"]
        batch_norm = nn.BatchNorm2d(weight.shape[0], eps=1e-3)
        parts = ("weight", "bias", "running_mean", "running_var")
        batch_norm.load_state_dict({part: weights[f"{norm}.{part}"] for part in parts}, strict=False)
        return nn.Sequential(SameConv(weight, stride, groups), batch_norm, nn.ReLU6())

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for block in self.blocks:
            y = block(x)
            x = x + y if x.shape == y.shape else y
        return self.head(x).mean((2, 3))


def engines(network: Lite0, pixels: np.ndarray) -> dict[str, Callable[[], np.ndarray]]:
    """Give the peers that are installed, each as a function of no arguments."""
    peers = {"torch eager": lambda: network(torch.from_numpy(pixels)).numpy()}
    if find_spec("onnxruntime") and find_spec("onnx"):
        import onnxruntime

        file = io.BytesIO()
        torch.onnx.export(network, torch.from_numpy(pixels), file, input_names=["pixels"], dynamo=False)
        session = onnxruntime.InferenceSession(file.getvalue(), providers=["CPUExecutionProvider"])
        peers["ONNX Runtime"] = lambda: session.run(None, {"pixels": pixels})[0]
    if find_spec("openvino"):
        import openvino

        model = openvino.convert_model(network, example_input=torch.from_numpy(pixels))
        compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        peers["OpenVINO"] = lambda: compiled(pixels)[0]
    return peers


Work = Callable[[], np.ndarray]


class Contest(NamedTuple):
    """One network on both sides."""

    line: str
    """Of the targets."""
    size: int
    """Side of the pictures."""
    ours: Callable[[np.ndarray], np.ndarray]
    peers: Callable[[np.ndarray], dict[str, Work]]


def bundled() -> Contest:
    """EfficientNet-Lite0 with its trained weights."""
    weights = torch.load(pt.models.resolve("efficientnet_lite0").weights, weights_only=True)
    reference = Lite0(weights).eval()
    return Contest("P4", 224, pt.nn.load("efficientnet_lite0").features, lambda pixels: engines(reference, pixels))


def by_name(name: str) -> Contest:
    """Any other network, with random weights."""
    reference = Network("image", name, seed=0).eval()
    ours = pt.nn.ImageNetwork(name, None, {}, seed=0)

    def peers(pixels: np.ndarray) -> dict[str, Work]:
        return {"torch eager": lambda: reference(torch.from_numpy(pixels))["features"].numpy()}

    return Contest(f"P5 {name}", reference.facts["input_size"], ours.features, peers)


def compare(contest: Contest, batch: int) -> None:
    """Compare the results of one batch, then time it."""
    shape = (batch, 3, contest.size, contest.size)
    pixels = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    with torch.inference_mode():
        sides = {"pictrieve": lambda: contest.ours(pixels), **contest.peers(pixels)}
        results = {name: work() for name, work in sides.items()}
        expected = results["torch eager"]
        for name, result in results.items():
            worst = float(np.abs(result - expected).max() / max(1, np.abs(expected).max()))
            if worst > 1e-4:
                raise SystemExit(f"{contest.line}: features of {name} differ by {worst:.2e}, nothing is timed")
        print(f"batch {batch}, {pt.num_threads()} threads")
        taken = medians(sides)
    for name, seconds in taken.items():
        print(f"  {name:28s} {batch / seconds:8.1f} images/s")
    engines_taken = [seconds for name, seconds in taken.items() if name not in ("pictrieve", "torch eager")]
    if engines_taken:
        print(f"{contest.line} batch {batch} against the best engine: {min(engines_taken) / taken['pictrieve']:.2f}")
    print(f"{contest.line} batch {batch} against torch: {taken['torch eager'] / taken['pictrieve']:.2f}")


def main() -> None:
    """Compare, then time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", action="append", help="an architecture of list_models(); may be given again")
    parser.add_argument("--batch", type=int, action="append", help="pictures at a time (default 16 and 1)")
    arguments = parser.parse_args()
    say_machine()
    torch.set_num_threads(pt.num_threads())
    for name in arguments.network or [None]:
        contest = by_name(name) if name else bundled()
        for batch in arguments.batch or [16, 1]:
            compare(contest, batch)


if __name__ == "__main__":
    main()
