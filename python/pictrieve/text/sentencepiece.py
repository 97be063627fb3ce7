"""Reads SentencePiece's `.model` files, which are protocol buffers."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pictrieve._core import FormatError

UNIGRAM = 1


@dataclass
class SentencePieceModel:
    """What a `.model` file says, as far as Unigram models need it.

    Attributes:
        pieces: `(token, log probability)` in the order of SentencePiece's ids.
        unk_id: The place of the unknown token.
        model_type: 1 for Unigram, 2 for BPE.
        byte_fallback: Unknown characters are written as bytes.
        charsmap: The compiled table of characters that the normaliser replaces.
    """

    pieces: list[tuple[str, float]] = field(default_factory=list)
    unk_id: int = 0
    model_type: int = UNIGRAM
    byte_fallback: bool = False
    charsmap: bytes = b""


def read_model(path: Path) -> SentencePieceModel:
    """Read a file.

    Raises:
        FormatError: The file is cut or is none of SentencePiece's.
    """
    where = f"tokenizer: '{path}'"
    model = SentencePieceModel()
    try:
        for number, value in _fields(path.read_bytes()):
            if number == 1:
                model.pieces.append(_piece(_bytes(value)))
            elif number == 2:
                trainer = dict(_fields(_bytes(value)))
                model.model_type = int(trainer.get(3, UNIGRAM))
                model.unk_id = int(trainer.get(40, 0))
                model.byte_fallback = bool(trainer.get(35, False))
            elif number == 3:
                model.charsmap = _bytes(dict(_fields(_bytes(value))).get(2, b""))
    except (ValueError, IndexError, struct.error) as error:
        raise FormatError(f"{where} is not a model of SentencePiece, or is cut: {error}") from error
    if not model.pieces:
        raise FormatError(f"{where} has no pieces; expected a model of SentencePiece")
    if not 0 <= model.unk_id < len(model.pieces):
        raise FormatError(f"{where}: expected an unknown token 0..{len(model.pieces) - 1}, got {model.unk_id}")
    return model


def _piece(data: bytes) -> tuple[str, float]:
    values = dict(_fields(data))
    (score,) = struct.unpack("<f", _bytes(values.get(2, b"\0\0\0\0")))
    return _bytes(values.get(1, b"")).decode("utf-8"), score


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError(f"expected bytes, got the number {value}")
    return value


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Walk the fields of a message: numbers for varints, bytes for everything else."""
    position = 0
    while position < len(data):
        key, position = _varint(data, position)
        kind = key & 7
        if kind == 0:
            number, position = _varint(data, position)
            yield key >> 3, number
            continue
        if kind not in (1, 2, 5):
            raise ValueError(f"unknown kind of field {kind} at byte {position}")
        size = {1: 8, 5: 4}.get(kind, 0)
        if kind == 2:
            size, position = _varint(data, position)
        if position + size > len(data):
            raise ValueError(f"{size} bytes at {position} go beyond the end at {len(data)}")
        yield key >> 3, data[position : position + size]
        position += size


def _varint(data: bytes, position: int) -> tuple[int, int]:
    number = 0
    for i in range(10):
        byte = data[position + i]
        number |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            return number, position + i + 1
    raise ValueError(f"a number at byte {position} does not end")
