"""Writes unicode_tables.cpp: what the reference tokenizer does with each code point.

The ids must equal those of the `tokenizers` package, whose parts follow several versions of Unicode at once.
So every code point is shown to the package, and its answers become the tables.
Run: python generate_unicode_tables.py
"""

from __future__ import annotations

import struct
import unicodedata
from collections.abc import Callable
from pathlib import Path

import tokenizers
from tokenizers import Regex
from tokenizers.normalizers import NFC, NFD, BertNormalizer, Lowercase, Precompiled, Replace
from tokenizers.pre_tokenizers import BertPreTokenizer

ALL = [chr(c) for c in range(0x110000) if not 0xD800 <= c <= 0xDFFF]
HANGUL = range(0xAC00, 0xD7A4)  # decomposed by arithmetic, Unicode 3.12
BELOW = "\u0334"  # the smallest combining class, 1
ABOVE = "\u0345"  # the largest, 240


def normalizer(**chosen: bool) -> Callable[[str], str]:
    """Make the reference normaliser with the chosen steps only."""
    off = {"clean_text": False, "handle_chinese_chars": False, "strip_accents": False, "lowercase": False}
    return BertNormalizer(**(off | chosen)).normalize_str


def combining_classes(nfd: Callable[[str], str]) -> dict[str, int]:
    """Find the combining class of every mark by whom it trades places with."""
    whole = [c for c in ALL if nfd(c) == c]
    marks = [c for c in whole if nfd(ABOVE + c) != ABOVE + c or nfd(c + BELOW) != c + BELOW]
    known = {unicodedata.combining(c): c for c in reversed(marks) if unicodedata.combining(c)}
    equal = {c: [v for v, m in known.items() if nfd(c + m) == c + m and nfd(m + c) == m + c] for c in marks}
    if not all(len(values) == 1 for values in equal.values()):
        raise SystemExit("a combining class is unknown to this Python's unicodedata")
    found = {c: values[0] for c, values in equal.items()}
    # A character made of marks sorts as its first mark (none mixes class 0 with another).
    composed = {c: found[nfd(c)[0]] for c in ALL if nfd(c) != c and all(part in found for part in nfd(c))}
    return dict(sorted((found | composed).items()))


def ranges(code_points: list[int], values: list[int] | None = None) -> list[tuple[int, int, int]]:
    """Join neighbours of equal value."""
    joined: list[tuple[int, int, int]] = []
    for code, value in zip(code_points, values or [0] * len(code_points), strict=True):
        if joined and joined[-1][1] == code - 1 and joined[-1][2] == value:
            joined[-1] = (joined[-1][0], code, value)
        else:
            joined.append((code, code, value))
    return joined


def array(name: str, kind: str, entries: list[tuple[int, ...]]) -> str:
    """Print one table, as many entries to the line as fit."""
    lines = [""]
    for entry in entries:
        text = "{" + ",".join(str(number) for number in entry) + "},"
        if len(lines[-1]) + len(text) > 118:
            lines.append("")
        lines[-1] += text
    body = "\n".join(lines)
    return f"const {kind} {name}[] = {{\n{body}\n}};\nconst size_t {name}Count = {len(entries)};\n"


def compositions() -> list[tuple[int, ...]]:
    """List the pairs that canonical composition joins, and what they become; sorted, without Hangul."""
    nfc, nfd = NFC().normalize_str, NFD().normalize_str
    joined = [c for c in ALL if ord(c) not in HANGUL and nfd(c) != c and nfc(c) == c]
    pairs = [(nfc(nfd(c)[:-1]), nfd(c)[-1], c) for c in joined]
    if any(len(first) != 1 or nfc(first + second) != c for first, second, c in pairs):
        raise SystemExit("a character is not composed of two")
    return sorted((ord(first), ord(second), ord(c)) for first, second, c in pairs)


def matched(pattern: str) -> list[tuple[int, int, int]]:
    """Ask the reference's regular expressions which characters belong to a class."""
    mark = Replace(Regex(pattern), "").normalize_str
    return ranges([ord(c) for c in ALL if mark(c) == ""])


def clusters_of() -> Callable[[str], int]:
    """Make a counter of grapheme clusters, where those of more than one character have less than 6 bytes.

    The reference maps such clusters as a whole, and characters of longer ones singly: a map that begins with any byte
    and gives one letter counts them.
    """
    root, ends = 256 << 10, 0x100 | 768 << 10
    units = [root, *[0] * 255, *(byte | ends for byte in range(256)), *[0] * 512]
    count = Precompiled(struct.pack("<I", 4 * len(units)) + struct.pack(f"<{len(units)}I", *units) + b"x\0")
    return lambda text: len(count.normalize_str(text))


def clusters() -> list[tuple[int, ...]]:
    """Find what the reference knows of grapheme clusters (Annex 29); only short ones matter, so Hangul does not.

    The values are those of `GraphemeClass`.
    """
    count = clusters_of()
    found: dict[str, int] = {}
    for c in ALL[1:]:
        if count("a" + c) == 1:
            found[c] = 2 if count(f"\xa9{c}\u200d\xa9\u0301") == 5 else 3
        elif count(c + "a") == 1:
            found[c] = 4
        elif len(c.encode()) < 4 and count(c + "\u0301") == 2:
            found[c] = 1
        elif count("\xa9\u200d" + c) == 3:
            found[c] = 5
    return ranges([ord(c) for c in found], list(found.values()))


def collect() -> dict[str, list[tuple[int, ...]]]:
    """Ask the reference about every code point."""
    clean, chinese = normalizer(clean_text=True), normalizer(handle_chinese_chars=True)
    strip, lower = normalizer(strip_accents=True), Lowercase().normalize_str
    split = BertPreTokenizer().pre_tokenize_str
    cleaned = {c: clean(c) for c in ALL}
    combining = combining_classes(NFD().normalize_str)
    stripped = {c: strip(c) for c in ALL if ord(c) not in HANGUL}
    decomposed = {c: NFD().normalize_str(c) for c in stripped}
    if any("".join(part for part in decomposed[c] if stripped[part]) != stripped[c] for c in stripped):
        raise SystemExit("stripping is not decomposing and dropping marks")
    lowered = {c: lower(c) for c in ALL}
    pick = lambda condition: ranges([ord(c) for c in ALL if condition(c)])  # noqa: E731
    return {
        "kDropped": pick(lambda c: cleaned[c] == ""),
        "kSpaces": pick(lambda c: cleaned[c] == " "),
        "kChinese": pick(lambda c: len(chinese(c)) > 1),
        "kStripped": pick(lambda c: stripped.get(c) == ""),
        "kPunctuation": pick(lambda c: len(split(f"a{c}b")) == 3),
        "kCombining": ranges([ord(c) for c in combining], list(combining.values())),
        "kLetters": matched(r"\p{L}"),
        "kNumbers": matched(r"\p{N}"),
        "kWhite": matched(r"\s"),
        "kClusters": clusters(),
        "kDecompositions": mapping(decomposed, 4),
        "kCompositions": compositions(),
        "kLowerCase": mapping(lowered, 2),
    }


def mapping(mapped: dict[str, str], longest: int) -> list[tuple[int, ...]]:
    """List code points that become others, with their zero-filled replacement."""
    changed = [(c, text) for c, text in mapped.items() if text not in (c, "")]
    if max(len(text) for _, text in changed) > longest:
        raise SystemExit("a mapping is longer than its table allows")
    return [(ord(c), *(ord(part) for part in text), *[0] * (longest - len(text))) for c, text in changed]


def main() -> None:
    """Write the tables beside this script."""
    kinds = {"kDecompositions": "Decomposition", "kCompositions": "Composition", "kLowerCase": "CaseMapping"}
    tables = [array(name, kinds.get(name, "CodeRange"), entries) for name, entries in collect().items()]
    head = (
        f"// Generated by generate_unicode_tables.py from tokenizers {tokenizers.__version__}. Do not edit.\n"
        '#include "pictrieve/text/unicode_tables.h"\n\n'
        "// clang-format off\nnamespace pictrieve::unicode_tables {\n"
    )
    text = head + "\n".join(tables) + "}  // namespace pictrieve::unicode_tables\n"
    Path(__file__).with_name("unicode_tables.cpp").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
