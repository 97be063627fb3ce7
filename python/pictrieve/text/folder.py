"""Finds out which tokenizer a model folder holds."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from pictrieve import _core
from pictrieve._core import FormatError
from pictrieve.text.bpe import BPETokenizer, CLIPTokenizer, clip_frame, read_merges, read_vocab
from pictrieve.text.frame import AddedToken, Frame, specials
from pictrieve.text.sentencepiece import UNIGRAM, read_model
from pictrieve.text.tokenizer import Tokenizer
from pictrieve.text.tokenizer_json import read_tokenizer
from pictrieve.text.unigram import UnigramTokenizer
from pictrieve.text.wordpiece import BERT_TOKENS, WordPieceTokenizer

_OPENAI = "bpe_simple_vocab_16e6.txt.gz"
_MODELS = ("sentencepiece.bpe.model", "spiece.model", "tokenizer.model")
_NO_LIMIT = 1_000_000  # transformers writes 1e30 where there is none
_SIGLIP_LENGTH = 64
_PUNCTUATION = "".join("\\" + c for c in "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")
_PYTHON_WHITE = "".join(map(chr, range(0x1C, 0x20)))
_BLANKS: tuple[dict[str, Any], ...] = (
    {"type": "Replace", "pattern": {"Regex": f"[{_PYTHON_WHITE}]"}, "content": " "},
    {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
    {"type": "Strip"},
)
# What SigLIP does before its SentencePiece model: lower case, no ASCII punctuation, single spaces (Zhai et al. 2023).
_NO_PUNCTUATION = {
    "type": "Replace",
    "pattern": {"Regex": f"[{_PUNCTUATION.replace(chr(92) + '_', '_')}]"},
    "content": "",
}
_SIGLIP_NORMALIZER: tuple[dict[str, Any], ...] = ({"type": "Lowercase"}, _NO_PUNCTUATION, *_BLANKS)
# What open_clip does before a tokenizer of transformers, by the name that its configuration gives it.
_CLEANINGS: dict[str, tuple[dict[str, Any], ...]] = {
    "whitespace": _BLANKS,
    "lower": (*_BLANKS, {"type": "Lowercase"}),
    "canonicalize": (
        {"type": "Replace", "pattern": {"String": "_"}, "content": " "},
        _NO_PUNCTUATION,
        {"type": "Lowercase"},
        *_BLANKS,
    ),
}


def load_tokenizer(folder: str | Path) -> Tokenizer:
    """Read the tokenizer of a model folder.

    `tokenizer.json` comes first; else `vocab.txt` (WordPiece), `vocab.json` with `merges.txt` (byte pairs),
    OpenAI's `bpe_simple_vocab_16e6.txt.gz` (CLIP) or a Unigram model of SentencePiece (`sentencepiece.bpe.model`,
    `spiece.model`, `tokenizer.model`). `tokenizer_config.json` and `config.json` say which family it is, its limit and
    its padding token.

    Args:
        folder: The folder.

    Returns:
        A `WordPieceTokenizer`, `BPETokenizer`, `CLIPTokenizer` or `UnigramTokenizer`.

    Raises:
        FileNotFoundError: The folder has none of these files.
        FormatError: A file is damaged, or asks for something that is not supported; the message names both.
    """
    folder = Path(folder)
    config = read_json(folder / "tokenizer_config.json")
    family = _family(config, read_json(folder / "config.json"))
    facts = _facts_of_open_clip(folder, _facts(config, folder, family))
    fast = folder / "tokenizer.json"
    if fast.is_file():
        content = read_json(fast)
        if content.get("model") and not content["model"].get("vocab") and (folder / "vocab.txt").is_file():
            vocab = _core.read_vocabulary(folder / "vocab.txt")
            content["model"]["vocab"] = {token: i for i, token in enumerate(vocab)}
        found = read_tokenizer(content, config, facts, f"tokenizer: '{fast}'")
    else:
        found = _read_plain(folder, config, family, facts)
    found._folder = folder
    return found


def read_json(path: Path) -> dict[str, Any]:
    """Read an object; a missing file gives an empty one."""
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(f"tokenizer: '{path}' is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise FormatError(f"tokenizer: expected an object in '{path}', got {type(content).__name__}")
    return content


def _family(config: dict[str, Any], model: dict[str, Any]) -> str:
    """Name the family in lower case: that of the tokenizer's class, else of the network."""
    name = str(config.get("tokenizer_class") or "").removesuffix("Fast").removesuffix("Tokenizer").lower()
    return str(model.get("model_type") or "").replace("-", "") if name in ("", "pretrained") else name


def _facts(config: dict[str, Any], folder: Path, family: str) -> Frame:
    """Read padding token and limit."""
    limit = config.get("model_max_length")
    limit = int(limit) if isinstance(limit, int | float) and limit < _NO_LIMIT else None
    pad = _text(config.get("pad_token") or read_json(folder / "special_tokens_map.json").get("pad_token"))
    if family.startswith("siglip"):
        return Frame(pad_token=pad or "</s>", pad_to=limit or _SIGLIP_LENGTH, max_length=limit or _SIGLIP_LENGTH)
    return Frame(pad_token=pad, max_length=limit)


def _facts_of_open_clip(folder: Path, facts: Frame) -> Frame:
    """Add what open_clip does around a tokenizer of transformers: it cleans texts, and pads them to one length."""
    path = folder / "open_clip_config.json"
    words = (read_json(path).get("model_cfg") or {}).get("text_cfg") or {}
    if not words.get("hf_tokenizer_name"):
        return facts
    options = words.get("tokenizer_kwargs") or {}
    clean = options.get("clean", "whitespace")
    if clean not in _CLEANINGS or set(options) - {"clean"}:
        raise FormatError(f"tokenizer: '{path}': tokenizer_kwargs: expected clean as one of {', '.join(_CLEANINGS)}, "
                          f"got {options}; others are not supported")  # fmt: skip
    length = int(words.get("context_length", 77))
    return replace(facts, normalizer=_CLEANINGS[clean], pad_to=length, max_length=length)


def _text(token: Any) -> str | None:
    return token.get("content") if isinstance(token, dict) else token


def _read_plain(folder: Path, config: dict[str, Any], family: str, facts: Frame) -> Tokenizer:
    """Read the files that were there before `tokenizer.json`."""
    if (folder / "vocab.txt").is_file():
        return _wordpiece(folder, config, facts)
    if (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file():
        return _byte_pairs(folder, config, family, facts)
    if (folder / _OPENAI).is_file():
        return CLIPTokenizer(folder / _OPENAI)
    for name in _MODELS:
        if (folder / name).is_file():
            return _unigram(folder / name, config, family, facts)
    raise FileNotFoundError(
        f"tokenizer: found neither vocab.txt nor tokenizer.json in '{folder}', "
        f"nor vocab.json with merges.txt, {_OPENAI} or {', '.join(_MODELS)}"
    )


def _added(config: dict[str, Any], tokens: tuple[AddedToken, ...]) -> tuple[AddedToken, ...]:
    """Take the flags of added tokens from tokenizer_config.json, where it has them."""
    listed = config.get("added_tokens_decoder") or {}
    flags = ("special", "lstrip", "rstrip", "normalized")
    found = {t["content"]: AddedToken(t["content"], *(bool(t.get(flag)) for flag in flags)) for t in listed.values()}
    return tuple({token.text: token for token in (*tokens, *found.values())}.values())


def _wordpiece(folder: Path, config: dict[str, Any], facts: Frame) -> Tokenizer:
    tokens = _core.read_vocabulary(folder / "vocab.txt")
    names = dict(zip(("pad", "unk", "cls", "sep", "mask"), BERT_TOKENS, strict=True))
    named = {name: _text(config.get(f"{name}_token")) or default for name, default in names.items()}
    frame = replace(
        facts,
        prefix=(named["cls"],),
        suffix=(named["sep"],),
        added_tokens=_added(config, specials(named.values(), tokens)),
        pad_token=named["pad"],
    )
    return WordPieceTokenizer(
        tokens,
        lowercase=config.get("do_lower_case", True),
        strip_accents=config.get("strip_accents"),
        tokenize_chinese_chars=config.get("tokenize_chinese_chars", True),
        unk_token=named["unk"],
        frame=frame,
    )


def _byte_pairs(folder: Path, config: dict[str, Any], family: str, facts: Frame) -> Tokenizer:
    """Read vocab.json and merges.txt, in the frame of the family or, where it is not named, of the tokens there are."""
    tokens, merges = read_vocab(folder / "vocab.json"), read_merges(folder / "merges.txt")
    if family.startswith("clip") or (not family and "<|startoftext|>" in tokens):
        pad = facts.pad_token or "<|endoftext|>"
        frame = replace(clip_frame(), pad_token=pad, max_length=facts.max_length or 77)
        return CLIPTokenizer(tokens, merges, frame=replace(frame, added_tokens=_added(config, frame.added_tokens)))
    if "<s>" in tokens and "</s>" in tokens:
        own = specials(("<s>", "</s>", "<unk>", "<pad>", "<mask>"), tokens)
        frame = replace(facts, prefix=("<s>",), suffix=("</s>",), pad_token=facts.pad_token or "<pad>")
    elif "<|endoftext|>" in tokens:
        own, frame = specials(("<|endoftext|>",)), facts
    else:
        raise FormatError(
            f"tokenizer: '{folder / 'vocab.json'}' has neither <s> and </s> nor <|endoftext|>: this kind of byte pair "
            f"encoding (tokenizer_class {family or 'not named'}) is not supported without a tokenizer.json"
        )
    frame = replace(frame, added_tokens=_added(config, own))
    return BPETokenizer(tokens, merges, add_prefix_space=bool(config.get("add_prefix_space")), frame=frame)


def _unigram(path: Path, config: dict[str, Any], family: str, facts: Frame) -> Tokenizer:
    """Read a model of SentencePiece in the frame of its family."""
    model = read_model(path)
    if model.model_type != UNIGRAM:
        raise FormatError(f"tokenizer: '{path}': expected a Unigram model, got SentencePiece's type {model.model_type}")
    vocab: list[tuple[str, float | None]] = list(model.pieces)
    steps: list[dict[str, Any]] = [
        {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(model.charsmap).decode()}
    ]
    options: dict[str, Any] = {"byte_fallback": model.byte_fallback, "unk_token": model.pieces[model.unk_id][0]}
    pad = facts.pad_token or "<pad>"
    if family.startswith("siglip"):  # transformers calls SentencePiece itself here
        steps = [*_SIGLIP_NORMALIZER, {**steps[0], "cut": "longest"}]
        frame = replace(facts, suffix=("</s>",), normalizer=tuple(steps[: None if model.charsmap else -1]))
        lost = [AddedToken(token, True, True, True) for token in ("</s>", "<unk>")]
        return UnigramTokenizer(vocab, cut="blanks", **options, frame=replace(frame, added_tokens=tuple(lost)))
    normalizer = (*facts.normalizer, *(steps if model.charsmap else ()))
    if family.startswith(("xlmroberta", "camembert", "mbart")) or path.name == _MODELS[0]:
        if family.startswith(("camembert", "mbart")):
            raise FormatError(f"tokenizer: '{path}': {family} is not supported without a tokenizer.json")
        # fairseq's alignment: four tokens of its own in front, SentencePiece's three first ones left out.
        head = ("<s>", "<pad>", "</s>", "<unk>")
        vocab = [*((token, 0.0) for token in head), *model.pieces[3:], ("<mask>", 0.0)]
        own = specials((*head, "<mask>"))
        frame = replace(facts, prefix=("<s>",), suffix=("</s>",), normalizer=normalizer, pad_token=pad)
        options |= {"unk_token": "<unk>", "byte_fallback": False}
    elif family.startswith(("t5", "mt5", "umt5")) or path.name == _MODELS[1]:
        extra = [f"<extra_id_{i}>" for i in reversed(range(int(config.get("extra_ids", 100))))]
        vocab += [(token, 0.0) for token in extra]
        own = specials(("<pad>", "</s>", "<unk>", *extra), [token for token, _ in vocab])
        frame = replace(facts, suffix=("</s>",), normalizer=normalizer, pad_token=pad)
        options["byte_fallback"] = False
    else:
        raise FormatError(
            f"tokenizer: '{path}': a SentencePiece model of the family {family or '(not named)'} is not supported "
            "without a tokenizer.json"
        )
    return UnigramTokenizer(vocab, **options, frame=replace(frame, added_tokens=_added(config, own)))
