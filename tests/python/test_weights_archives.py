"""TorchScript archives as data, and files that were tampered with."""

from __future__ import annotations

import contextlib
import io
import json
import random
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from pictrieve import FormatError, _core

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Parts(torch.nn.Module):
    """Parts within parts, buffers, and attributes that are no tensors."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)
        self.norm = torch.nn.BatchNorm2d(4)
        self.parts = torch.nn.ModuleList([torch.nn.Linear(2, 2), torch.nn.Linear(2, 3)])
        self.register_buffer("mask", torch.ones(2, 2).half())
        self.size = 224
        self.sizes = [1, 2]
        self.names = ["a"]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(self.conv(x)).mean((2, 3))


def archive(module: torch.nn.Module) -> bytes:
    stream = io.BytesIO()
    torch.jit.save(torch.jit.script(module.eval()), stream)
    return stream.getvalue()


def test_archives_give_the_state_dict_of_their_module(tmp_path: Path) -> None:
    module = Parts()
    path = tmp_path / "model.pt"
    path.write_bytes(archive(module))
    found = _core.read_weights(path)
    expected = module.state_dict()
    assert list(found) == sorted(expected)
    for name, tensor in expected.items():
        assert found[name].tobytes() == tensor.contiguous().numpy().tobytes()
        assert found[name].dtype == tensor.numpy().dtype


def with_pickle(content: bytes, pickled: bytes) -> bytes:
    """The same archive around another data.pkl."""
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(stream, "w") as new:
        for entry in old.infolist():
            data = pickled if entry.filename.endswith("/data.pkl") else old.read(entry)
            new.writestr(entry.filename, data, zipfile.ZIP_STORED)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("pickled", "reason"),
    [
        (b"\x80\x02cos\nsystem\n)\x81}b.", r"os\.system.*never executed"),
        (b"\x80\x02c__torch__\nM\n(U\x04ls -tR.", r"calls __torch__\.M"),
        (b"\x80\x02ccollections\nOrderedDict\n)\x81}b.", "makes an object of collections"),
        (b"\x80\x02c__torch__\nM\n)\x81]b.", "attributes are no dict"),
        (b"\x80\x02c__torch__\nM\n)\x81q\x00}(U\x01ah\x00U\x01bh\x00ub.", "without end"),
        (b"\x80\x02c__torch__\nM\n)\x81", "cut off|data.pkl|expected"),
    ],
)
def test_archives_with_more_than_tensors(tmp_path: Path, pickled: bytes, reason: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(with_pickle(archive(Parts()), pickled))
    with pytest.raises(FormatError, match=reason):
        _core.read_weights(path)


def test_classes_of_an_archive_are_refused_elsewhere(tmp_path: Path) -> None:
    stream = io.BytesIO()
    torch.save({}, stream)
    path = tmp_path / "model.pt"
    path.write_bytes(with_pickle(stream.getvalue(), b"\x80\x02c__torch__\nM\n)\x81}b."))
    with pytest.raises(FormatError, match="never executed"):
        _core.read_weights(path)


def test_mutated_archives_are_refused_or_read(tmp_path: Path) -> None:
    good = archive(Parts())
    path = tmp_path / "mutated.pt"
    rng = random.Random(11)
    begin = good.index(b"data.pkl")
    for round_ in range(1500):
        content = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            place = begin + rng.randrange(1500) if round_ % 2 else rng.randrange(len(content))
            content[place] = rng.randrange(256)
        path.write_bytes(content)
        with contextlib.suppress(FormatError):
            assert all(len(array.tobytes()) == array.nbytes for array in _core.read_weights(path).values())


def safetensors(header: dict[str, object] | bytes, data: bytes = bytes(16), length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def tensor(begin: int, end: int, shape: list[int] | None = None, dtype: str = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": [(end - begin) // 4] if shape is None else shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (safetensors({"a": tensor(0, 12), "b": tensor(8, 16)}), "'b': expected its bytes at 12"),
        (safetensors({"a": tensor(0, 16), "b": tensor(0, 16)}), "'b': expected its bytes at 16"),
        (safetensors({"a": tensor(0, 4), "b": tensor(8, 16)}), "'b': expected its bytes at 4"),
        (safetensors({"a": tensor(0, 20)}), "'a': its bytes 0 to 20 do not lie within the 16"),
        (safetensors({"a": tensor(12, 8, [1])}), "'a': its bytes 12 to 8"),
        (safetensors({"a": tensor(0, 16, [2**62, 2**62])}), "'a': expected too many bytes"),
        (safetensors({"a": tensor(0, 16, [5])}), "'a': expected 20 bytes by its shape, got 16"),
        (safetensors({"a": tensor(0, 16, dtype="F8")}), "expected one of the types"),
        (safetensors({"a": tensor(0, 12)}), "expected 12 bytes of tensors"),
        (safetensors({}, length=2**63), "cut off or not in safetensors"),
        (safetensors({}, length=10**9), "cut off or not in safetensors"),
        (safetensors(b"{" * 100_000), "is not JSON|does not belong"),
        (safetensors(b'{"a":' * 50_000), "does not belong"),
        (safetensors({"a" * 5000: tensor(0, 16)}), "name of more than"),
        (safetensors({"a": tensor(0, 16)})[:40], "cut off"),
    ],
)
def test_tampered_safetensors(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(FormatError, match=reason):
        _core.read_weights(path)


def test_weights_are_copied_as_they_are(tmp_path: Path) -> None:
    tensors = {"half": torch.ones(3).half(), "brain": torch.full((2, 2), 1.5).bfloat16(), "count": torch.tensor(7)}
    torch.save(tensors, tmp_path / "in.pth")
    _core.copy_weights(tmp_path / "in.pth", tmp_path / "out.safetensors", {"format": "pt"})
    from safetensors.torch import load_file

    copied = load_file(tmp_path / "out.safetensors")
    assert all(
        torch.equal(copied[name], value) and copied[name].dtype == value.dtype for name, value in tensors.items()
    )
    assert np.array_equal(_core.read_weights(tmp_path / "out.safetensors")["brain"], np.full((2, 2), 1.5, np.float32))
