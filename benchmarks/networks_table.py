"""Write docs/networks.md: every kind of network against its reference, on the same weights.

Without arguments all rows, with speeds. `--only resnet50` (again for more): this row, the page keeps its others.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from _network_references import TOKENS, Contest, Outputs, contests, vits
from _pairing import medians, say_machine

import pictrieve as pt
from pictrieve import _core
from pictrieve.finetune import Network

TARGET = Path(__file__).resolve().parent.parent / "docs" / "networks.md"
THREADS = 2
BATCH = 16
HEAD = """# Networks and their references

Written by `python benchmarks/networks_table.py`. Both sides have the same weights, random but for the rows that say
"trained", and the same random input: two pictures, or two texts of 64 and 37 tokens. *Outputs* is the largest absolute
difference of feature map, features and logits (of texts: hidden states and projections), relative to the largest
number where that is above 1; *gradients* that of all parameters' gradients of a random mix of these outputs, relative
to the largest gradient; *frozen* that of the outputs of the network as encoders serve it (of text towers: the hidden
states). 0 is no rounding: in training both run torch's operators, often in the same order. The tests allow 1e-4 of
each: `tests/conformance/test_networks*.py`, where every variant's names and shapes are compared as well, and
`test_detection.py`, which holds `fasterrcnn_resnet50_fpn` against torchvision. RN50's last norm of each block is
scaled by 0.2: with plain random weights its attention pool saturates, and gradients are no longer told by float32.
"""
SPEED = """
*Ours* and *torch* are images or texts a second of the frozen network and of the eager reference, for 16 pictures of the
size shown or 16 texts of 64 tokens: medians of rounds in which both alternate, {threads} threads each, "-" where not
timed. Each was measured once, on a shared virtual machine: the ratio says something about other machines, the speeds do
not. The latest {machine}.
"""


class Sides(NamedTuple):
    """The same weights three times: the reference, ours for training, ours for serving."""

    reference: Any
    net: Network
    frozen: Any


class Figures(NamedTuple):
    """What one row says."""

    contest: Contest
    parameters: int
    outputs: float
    gradients: float
    frozen: float
    speeds: tuple[float, float] | None


def inputs_of(contest: Contest, count: int, lengths: list[int]) -> Any:
    """Draw pixels, or ids and their mask; the last token of each text is the last of the vocabulary."""
    generator = torch.Generator().manual_seed(1)
    if contest.size:
        return torch.randn(count, 3, contest.size, contest.size, generator=generator)
    words = contest.config["vocab_size"]
    ids = torch.randint(5, words - 1, (count, TOKENS), generator=generator)
    ends = torch.tensor(lengths if contest.masked else [TOKENS] * count)
    mask = torch.arange(TOKENS) < ends[:, None]
    ids[torch.arange(count), ends - 1] = words - 1
    return ids.where(mask, torch.tensor(contest.config.get("pad_token_id") or 0)), mask


def ours(net: Network, inputs: Any, wanted: Outputs) -> Outputs:
    """Run our network for training."""
    if net.kind == "image":
        outputs = net(inputs)
        return {name: outputs[name] for name in wanted}
    ids, mask = inputs
    hidden = net(ids, mask)["hidden"]
    outputs = {"hidden": hidden[mask]}
    if "projected" in wanted:
        outputs["projected"] = net.project(hidden[torch.arange(len(ids)), mask.sum(1) - 1])
    return outputs


def served(frozen: Any, inputs: Any, wanted: Outputs) -> Outputs:
    """Run our network for serving; it gives tokens, projections belong to encoders."""
    if not isinstance(frozen, pt.nn.ImageNetwork):
        ids, mask = inputs
        return {"hidden": torch.from_numpy(frozen(ids.numpy(), mask.numpy()))[mask]}
    runs = {"feature_map": frozen, "features": frozen.features, "logits": frozen.logits}
    return {name: torch.from_numpy(runs[name](inputs.numpy())) for name in wanted}


def difference(found: Outputs, expected: Outputs) -> float:
    """Give the largest difference, relative to the largest number where that is above 1."""
    worst = 0.0
    for name, value in found.items():
        theirs = expected[name].detach()
        worst = max(worst, float((value.detach() - theirs).abs().max()) / max(1.0, float(theirs.abs().max())))
    return worst


def mixed(outputs: Outputs) -> Any:
    """Give one number that depends on all outputs."""
    generator = torch.Generator().manual_seed(2)
    return sum((outputs[key] * torch.randn(outputs[key].shape, generator=generator)).sum() for key in sorted(outputs))


def gradient_difference(sides: Sides, outputs: Outputs, theirs: Outputs, folder: Path) -> float:
    """Give the largest difference of gradients, relative to the largest gradient."""
    mixed(outputs).backward()
    mixed(theirs).backward()
    expected = sides.net._core.from_layout(vits.gradients_of(sides.reference, folder), "")
    worst, largest = 0.0, 0.0
    for name, parameter in sides.net.named_parameters():
        gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
        worst = max(worst, float((gradient - expected[name]).abs().max()))
        largest = max(largest, float(expected[name].abs().max()))
    return worst / largest


def sides_of(contest: Contest, folder: Path) -> Sides:
    """Build the reference, and both of ours from its file."""
    reference = contest.build()
    tensors = vits.file_of(reference, folder)
    net = Network("image" if contest.size else "text", contest.name, contest.config).eval()
    net.load_layout(tensors)
    path = folder / "weights.safetensors"
    _core.write_safetensors(str(path), {name: tensor.contiguous().numpy() for name, tensor in tensors.items()})
    serve = pt.nn.ImageNetwork if contest.size else pt.nn.TextNetwork
    return Sides(reference, net, serve(contest.name, path, contest.config))


def speeds_of(contest: Contest, sides: Sides, repeats: int) -> tuple[float, float]:
    """Time both sides in turn; give ours and theirs in images or texts a second."""
    inputs = inputs_of(contest, BATCH, [TOKENS] * BATCH)
    with torch.inference_mode():
        names = contest.outputs(sides.reference, inputs)
        last: Outputs = {"hidden": None}
        if contest.size:
            last = {"logits" if "logits" in names else "features": None}
        works: dict[str, Callable[[], object]] = {
            "pictrieve": lambda: served(sides.frozen, inputs, last),
            "torch eager": lambda: contest.outputs(sides.reference, inputs),
        }
        taken = medians(works, repeats)
    return BATCH / taken["pictrieve"], BATCH / taken["torch eager"]


def measure(contest: Contest, repeats: int) -> Figures:
    """Compare, then time."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sides = sides_of(contest, folder)
        inputs = inputs_of(contest, 2, [TOKENS, 37])
        theirs = contest.outputs(sides.reference, inputs)
        outputs = ours(sides.net, inputs, theirs)
        frozen = difference(served(sides.frozen, inputs, theirs), theirs)
        worst = difference(outputs, theirs)
        gradients = gradient_difference(sides, outputs, theirs, folder)
        count = sum(parameter.numel() for parameter in sides.net.parameters())
        sides.net.zero_grad()
        sides.reference.zero_grad()
        speeds = speeds_of(contest, sides, repeats) if repeats else None
    return Figures(contest, count, worst, gradients, frozen, speeds)


def row_of(figures: Figures) -> str:
    """Write one line of the table."""
    contest = figures.contest
    package = contest.package
    cells = [
        contest.shown or contest.name,
        f"{package.__name__} {package.__version__.partition('+')[0]} `{contest.reference}`",
        str(contest.size) if contest.size else "text",
        f"{figures.parameters / 1e6:.1f} M",
        *(f"{figure:.0e}" if figure else "0" for figure in (figures.outputs, figures.gradients, figures.frozen)),
    ]
    if figures.speeds is None:
        return "| " + " | ".join([*cells, "-", "-", "-"]) + " |"
    mine, theirs = figures.speeds
    cells += [f"{mine:.1f}", f"{theirs:.1f}", f"{mine / theirs:.2f}"]
    return "| " + " | ".join(cells) + " |"


def machine() -> str:
    """Say what the speeds were measured on."""
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        say_machine()
    return f"{said.getvalue().strip()}; torch {torch.__version__}, Python {platform.python_version()}"


def rows_of_page() -> dict[str, str]:
    """Give the rows that the page has, by network."""
    lines = TARGET.read_text(encoding="utf-8").splitlines() if TARGET.is_file() else []
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines if line.startswith("| ")}


def write_page(measured: dict[str, str], names: list[str]) -> None:
    """Write the page with the rows that are new and those it had, in the order of `names`."""
    rows = {**rows_of_page(), **measured}
    heads = ["network", "reference", "input", "parameters", "outputs", "gradients", "frozen", "ours", "torch", "ratio"]
    rule = [":---", ":---", *["---:"] * (len(heads) - 2)]
    lines = ["| " + " | ".join(cells) + " |" for cells in (heads, rule)]
    lines += [rows[name] for name in names if name in rows]
    page = HEAD + SPEED.format(threads=THREADS, machine=machine())
    TARGET.write_text(page + "\n" + "\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Measure the rows and write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", help="a network, as the table calls it")
    parser.add_argument("--no-speed", action="store_true", help="leave out the speeds")
    parser.add_argument("--repeats", type=int, default=5, help="rounds of each timing (default 5)")
    arguments = parser.parse_args()
    torch.set_num_threads(THREADS)
    pt.set_num_threads(THREADS)
    vits.transformers.utils.logging.disable_progress_bar()
    known = {contest.shown or contest.name: contest for contest in contests()}
    for name in arguments.only or known:
        figures = measure(known[name], 0 if arguments.no_speed else arguments.repeats)
        row = row_of(figures)
        print(row, flush=True)
        if max(figures.outputs, figures.gradients, figures.frozen) > 1e-4:
            raise SystemExit(f"{name}: expected differences of at most 1e-4")
        write_page({name: row}, list(known))
        del figures
        gc.collect()


if __name__ == "__main__":
    main()
