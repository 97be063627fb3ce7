"""Pickles as data: containers, texts, numbers and NumPy arrays, and nothing that a pickle could run."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pictrieve.datasets.reading import StrPath

_NUMPY = tuple(f"numpy.{core}.{module}" for core in ("core", "_core") for module in ("multiarray", "numeric"))
_PLAIN_DTYPE = re.compile(r"[biufSU][0-9]{1,6}")
_BY_CODE = {operation.code: operation for operation in pickletools.opcodes}
_MAX_DEPTH = 1000
_Nest = tuple[int, int]  # of a value how deep tuples are inside of each other, and how many values are in them


def read_pickle(path: StrPath) -> Any:
    """Read a pickle of dicts, lists, tuples, sets, texts, numbers and plain NumPy arrays, of Python 2 or 3.

    Nothing in the file is run: the names of NumPy's constructors stand for readers of our own that take only numbers,
    and any other name is refused.

    Raises:
        ValueError: The file names anything else, or is no whole pickle.
    """
    data = Path(path).read_bytes()
    try:
        _check(data)
        return _plain(_Reader(io.BytesIO(data), encoding="latin1").load(), {})
    except _RefusedError as error:
        raise ValueError(
            f"{path}: expected a pickle of plain data (dict, list, str, numbers, NumPy arrays), got {error}; it is not "
            f"read, since such a pickle may run any program"
        ) from None
    except (pickle.UnpicklingError, EOFError, LookupError, TypeError, ValueError, AttributeError, OverflowError,
            MemoryError, RecursionError) as error:  # fmt: skip
        raise ValueError(f"{path}: expected a whole pickle, got a damaged file or none: {error}") from None


class _RefusedError(Exception):
    """What stands in the pickle and is no data."""


def _check(data: bytes) -> None:
    """Refuse what would make pickle reserve memory, or hash tuples as keys of a dict, without end.

    Follows pickle's stack, of each value only what its hash visits: all that is inside of a tuple.
    """
    stack: list[_Nest] = []
    marks: list[int] = []
    memo: dict[int, _Nest] = {}
    for operation, argument, position in _operations(data):
        name = operation.name
        if name.startswith("EXT"):
            raise _RefusedError("an extension code")
        if name.endswith("PUT") and not 0 <= int(argument or 0) <= len(data):
            raise _RefusedError(f"a memo number of {argument} at byte {position}")
        if name == "MARK":
            marks.append(len(stack))
        elif name.endswith("PUT") or name == "MEMOIZE":
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name.endswith("GET"):
            stack.append(memo[argument])
        else:
            _follow(operation, stack, marks, 100 * len(data))


def _follow(operation: pickletools.OpcodeInfo, stack: list[_Nest], marks: list[int], most: int) -> None:
    name, before = operation.name, operation.stack_before
    marked = pickletools.markobject in before or (name == "POP" and marks[-1:] == [len(stack)])
    first = marks.pop() if marked else len(stack) - len(before)
    taken = stack[first:]
    del stack[first:]
    if name == "DUP":
        stack += taken * 2
    elif "TUPLE" in name or name == "FROZENSET":
        depth, size = 1 + max((deep for deep, _ in taken), default=0), 1 + sum(many for _, many in taken)
        if depth > _MAX_DEPTH or size > most:
            raise _RefusedError("tuples within tuples without end")
        stack.append((depth, size))
    elif name not in ("APPENDS", "SETITEMS", "ADDITEMS"):  # these leave their container below the mark
        stack += [(1, 1)] * len(operation.stack_after)


def _operations(data: bytes) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int]]:
    """Do as `pickletools.genops`, which stumbles over the texts of Python 2 that are not ASCII."""
    stream = io.BytesIO(data)
    stopped = False
    while not stopped:
        position, code = stream.tell(), stream.read(1).decode("latin1")
        if code not in _BY_CODE:
            raise ValueError(f"no operation at byte {position}")
        operation = _BY_CODE[code]
        if operation.name == "STRING":
            yield operation, stream.readline(), position
        else:
            yield operation, None if operation.arg is None else operation.arg.reader(stream), position
        stopped = operation.name == "STOP"


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Give our own reader for each name that NumPy's arrays need."""
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return _Dtype if name == "dtype" else _Array
        if module in _NUMPY and name in _NUMPY_READERS:
            return _NUMPY_READERS[name]
        if (module, name) in (("_codecs", "encode"), ("__builtin__", "bytes")):
            return _Bytes
        raise _RefusedError(f"{module}.{name}")


class _Stand:
    """Stands for something of NumPy's. A pickle may not give it state, least of all to the class itself."""

    def __setstate__(self, state: Any) -> None:
        raise _RefusedError(f"state for {type(self).__name__}")


class _Dtype(_Stand):
    """Reads `numpy.dtype("i8", False, True)` and its state, whose second part is the byte order."""

    value: np.dtype[Any]

    def __init__(self, name: Any, *_: Any) -> None:
        text = name.decode("latin1") if isinstance(name, bytes) else name
        if not isinstance(text, str) or not _PLAIN_DTYPE.fullmatch(text):
            raise _RefusedError(f"an array of {name!r}")
        self.value = np.dtype(text)

    def __setstate__(self, state: Any) -> None:
        order: Any = state[1].decode("latin1") if isinstance(state[1], bytes) else state[1]
        if order not in ("<", ">", "|", "="):
            raise _RefusedError(f"an array of byte order {order!r}")
        self.value = self.value.newbyteorder(order)


class _Array(_Stand):
    """Reads `_reconstruct(ndarray, (0,), b"b")` and its state: version, shape, dtype, column order, bytes."""

    def __init__(self, *_: Any) -> None:
        self.value: Any = np.empty(0)

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, by_columns, data = state
        self.value = _values(data, dtype).reshape(shape, order="F" if by_columns else "C").copy()


class _Buffer(_Stand):
    """Reads `_frombuffer(bytes, dtype, shape, order)`, which the fifth protocol has instead."""

    def __init__(self, data: Any, dtype: Any, shape: Any, order: Any, *_: Any) -> None:
        if order not in ("C", "F"):
            raise _RefusedError(f"an array in the order {order!r}")
        self.value = _values(data, dtype).reshape(shape, order=order).copy(order)


class _Scalar(_Stand):
    """Reads `scalar(dtype, bytes)`: one number of NumPy's."""

    def __init__(self, dtype: Any, data: Any = b"") -> None:
        self.value = _values(data, dtype)[0].item()


class _Bytes(_Stand):
    """Reads `encode(text, "latin1")` and `bytes()`, as Python 3 writes bytes in pickles that Python 2 can read."""

    def __init__(self, text: Any = "", encoding: Any = "latin1") -> None:
        if encoding != "latin1" or not isinstance(text, str):
            raise _RefusedError(f"a call of encode with {encoding!r}")
        self.value = text.encode("latin1")


_NUMPY_READERS = {"_reconstruct": _Array, "_frombuffer": _Buffer, "scalar": _Scalar}


def _values(data: Any, dtype: Any) -> NDArray[Any]:
    content = data.value if isinstance(data, _Bytes) else data.encode("latin1") if isinstance(data, str) else data
    if not isinstance(dtype, _Dtype) or not isinstance(content, bytes | bytearray):
        raise _RefusedError("an array of objects")
    return np.frombuffer(content, dtype.value)


def _plain(value: Any, done: dict[int, Any]) -> Any:
    """Replace our readers by what they have read; what is shared stays shared, so that it cannot swell."""
    if isinstance(value, _Array | _Buffer | _Scalar | _Bytes):
        return value.value
    if isinstance(value, _Dtype | type):
        raise _RefusedError("a type in place of data")
    if not isinstance(value, dict | list | tuple | set | frozenset):
        return value
    if id(value) in done:
        if done[id(value)] is None:
            raise _RefusedError("a container that holds itself")
        return done[id(value)]
    done[id(value)] = None
    if isinstance(value, dict):
        done[id(value)] = {_plain(key, done): _plain(one, done) for key, one in value.items()}
    else:
        done[id(value)] = type(value)(_plain(one, done) for one in value)
    return done[id(value)]
