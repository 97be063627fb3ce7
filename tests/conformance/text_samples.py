"""Texts of all kinds for tokenizers, and the count of those that two tokenizers read differently."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from pictrieve.text import Tokenizer

# Ranges from which random texts are drawn: scripts, marks, controls, private use, astral planes.
RANGES = [
    *[(0x00, 0x7F), (0x80, 0x24F), (0x300, 0x5FF), (0x900, 0xDFF), (0x1100, 0x11FF), (0xAC00, 0xD7A3)],
    *[(0x1B00, 0x1BFF), (0x1C00, 0x1DFF), (0xA950, 0xA9FF), (0x302A, 0x3030), (0x4E00, 0x9FFF), (0xF900, 0xFAFF)],
    *[(0xE000, 0xE010), (0x1D150, 0x1D172), (0x10A00, 0x11FFF), (0x1F300, 0x1F600), (0x10000, 0x1FFFF), (0, 0xD7FF)],
]
# Marks that survive stripping, marks that do not, and two that keep others apart.
MARKS = "\u302e\u302f\U0001d165\U0001d166\U0001d16d\U00016ff0\u1b44\ua953\u0300\u0345\u0340\u0f73"
MARKS += "\u034f\u1cf4\x01\u200d"
SAMPLES = [
    *[
        "",
        " ",
        "   ",
        "\t\r\n \u3000\xa0\u2028",
        "a  b",
        "  a b  ",
        "a \n\n b",
        "\n\n\n",
        "x\u0085y",
        "\ufeffbom",
        "\x00a\x00",
    ],
    *["I'm you're we've he'd she'll it's don't", "I'M YOU'RE it'ſ", "''s 's", "!'s '", "1234567 ½²Ⅷ٣", "3.14e-10"],
    *[
        "今天天气很好，我们去公园散步吧。",
        "東京は日本の首都です",
        "ｶﾞｷﾞｸﾞ ﬁﬂ①㌔",
        "مرحبا بالعالم، كيف الحال؟",
        "هٰذَا",
        "\u0600abc\u06dd5",
    ],
    *[
        "สวัสดีชาวโลก วันนี้อากาศดี",
        "नमस्ते दुनिया क्षत्रिय",
        "안녕하세요 세계",
        "\u1112\u1161\u11ab\u1100\u1161\u11a8",
        "Ünïcödé ÅÄÖ ǅ İstanbul ΟΔΥΣΣΕΥΣ",
    ],
    *[
        "😀👍🏽👩‍👩‍👧‍👦🇩🇪❤️",
        "©\u200d®\u0301",
        "e\u0301\u0323\u0308 a\u0328\u0301",
        "Z͑ͫ̓ͪ̂ͫ̽͏̴̙̤̞͉͚̯̞̠͍A",
        "\u200b\u200d\u2060",
        "\ue000\U000f0000",
    ],
    *[
        "<s>",
        "</s> x <mask> y",
        " <mask>  z",
        "<|endoftext|>",
        "a<|endoftext|>b",
        "<|STARTOFTEXT|>!<|startoftext|>!x",
        "[MASK] [SEP]",
    ],
    *[
        "supercalifragilisticexpialidocious " * 3,
        "a" * 300,
        "ab" * 200,
        "中" * 100,
        "=" * 70 + "\n" + "-" * 70,
        "\u2581a \u2581\u2581b",
    ],
]


def random_texts(count: int, special: Sequence[str] = ()) -> list[str]:
    """Mix characters of many scripts with marks and with special tokens."""
    chance = random.Random(20240607)
    texts = []
    for _ in range(count):
        parts = []
        for _ in range(chance.randrange(12)):
            kind = chance.random()
            if kind < 0.3:
                parts.append("".join(chance.choices(MARKS, k=chance.randrange(5))))
            elif kind < 0.4:
                parts.append(chance.choice([*special, "[", " ", "  ", "'s", "\n", "[UNK"]))
            else:
                first, last = chance.choice(RANGES)
                parts += [chr(chance.randint(first, last)) for _ in range(chance.randrange(5))]
        texts.append("".join(parts))
    return texts


def differing(ours: Tokenizer, expected: Sequence[Sequence[int]], texts: list[str]) -> list[str]:
    """List the texts whose ids differ from the expected ones."""
    batch = ours.encode_batch(texts, padding=False)
    ends, ids = batch.offsets.tolist(), batch.ids.tolist()
    rows = zip(texts, ends, ends[1:], expected, strict=False)
    return [text for text, begin, end, row in rows if ids[begin:end] != list(row)]


def differing_from(reference: Any, ours: Tokenizer, texts: list[str]) -> list[str]:
    """List the texts whose ids differ from those of a tokenizer of `tokenizers`."""
    return differing(ours, [encoding.ids for encoding in reference.encode_batch(texts)], texts)
