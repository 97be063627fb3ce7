"""Reads `tokenizer.json`, the file of Hugging Face's `tokenizers`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pictrieve._core import FormatError
from pictrieve.text.bpe import PATTERNS, BPETokenizer, CLIPTokenizer, tokens_by_id
from pictrieve.text.frame import AddedToken, Frame, flatten
from pictrieve.text.tokenizer import Tokenizer
from pictrieve.text.unigram import UnigramTokenizer
from pictrieve.text.wordpiece import WordPieceTokenizer

Json = Mapping[str, Any]
_ENDS = ("RobertaProcessing", "BertProcessing")


def read_tokenizer(content: Json, config: Json, facts: Frame, where: str) -> Tokenizer:
    """Make the tokenizer that `tokenizer.json` describes.

    Args:
        content: The file's content.
        config: That of `tokenizer_config.json`, whose options of BERT's normaliser come first.
        facts: Padding and limit, which are not in the file.
        where: The file's name, for messages.

    Raises:
        FormatError: Something is missing, damaged or not supported.
    """
    model = _need(content, "model", Mapping, where)
    kind = model.get("type") or _guess(model)
    frame = _frame_of(content, facts, where)
    readers = {"WordPiece": _read_wordpiece, "BPE": _read_bpe, "Unigram": _read_unigram}
    if kind not in readers:
        raise FormatError(f"{where}: model.type: expected WordPiece, BPE or Unigram, got {kind}")
    try:
        return readers[kind](content, config, frame, where)
    except FormatError as error:
        text = str(error)
        raise FormatError(text if where in text else f"{where}: {text}") from error


def _guess(model: Json) -> str:
    """Name the model of a file from before they were named."""
    if "merges" in model:
        return "BPE"
    return "Unigram" if isinstance(model.get("vocab"), list) else "WordPiece"


def _need(content: Json, name: str, kind: type, where: str) -> Any:
    found = content.get(name)
    if not isinstance(found, kind):
        expected = {"Mapping": "an object", "list": "a list"}[kind.__name__]
        raise FormatError(f"{where}: {name}: expected {expected}, got {type(found).__name__}")
    return found


def _frame_of(content: Json, facts: Frame, where: str) -> Frame:
    prefix, suffix = _around(content.get("post_processor"), where)
    added = []
    for i, token in enumerate(content.get("added_tokens") or ()):
        if not isinstance(token, Mapping) or not isinstance(token.get("content"), str):
            raise FormatError(f"{where}: added_tokens[{i}]: expected an object with a content, got {token!r}")
        if token.get("single_word"):
            raise FormatError(f"{where}: added_tokens[{i}]: single_word is not supported ({token['content']!r})")
        flags = {name: bool(token.get(name)) for name in ("special", "lstrip", "rstrip", "normalized")}
        added.append(AddedToken(token["content"], **flags))
    steps = [*facts.normalizer, *flatten(content.get("normalizer"), "normalizers")]
    padding = content.get("padding") or {}
    pad_token = facts.pad_token or padding.get("pad_token")
    return Frame(prefix, suffix, tuple(added), tuple(steps), pad_token, facts.pad_to, facts.max_length)


def _around(spec: Json | None, where: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Find the special tokens around a single text."""
    parts = [part for part in flatten(spec, "processors") if part.get("type") != "ByteLevel"]
    if not parts:
        return (), ()
    part, kind = parts[0], parts[0].get("type")
    if len(parts) > 1 or kind not in (*_ENDS, "TemplateProcessing"):
        raise FormatError(f"{where}: post_processor: expected one template, got {[p.get('type') for p in parts]}")
    try:
        if kind in _ENDS:
            return (part["cls"][0],), (part["sep"][0],)
        single = part["single"]
        place = next(i for i, piece in enumerate(single) if "Sequence" in piece)
        names = [piece["SpecialToken"]["id"] if i != place else "" for i, piece in enumerate(single)]
        tokens = [part["special_tokens"][name]["tokens"] if name else [] for name in names]
    except (KeyError, TypeError, IndexError, StopIteration) as error:
        raise FormatError(f"{where}: post_processor: {kind} lacks {error}") from error
    return tuple(t for group in tokens[:place] for t in group), tuple(t for group in tokens[place:] for t in group)


def _tokens_of(content: Json, where: str) -> list[str]:
    """List tokens by id: those of the model, and those added to it."""
    vocab = dict(_need(content["model"], "vocab", Mapping, f"{where}: model"))
    for token in content.get("added_tokens") or ():
        if vocab.setdefault(token["content"], token.get("id")) != token.get("id"):
            raise FormatError(
                f"{where}: added_tokens: {token['content']!r} has id {token.get('id')}, but "
                f"{vocab[token['content']]} in the vocabulary"
            )
    return tokens_by_id(vocab, f"{where}: model.vocab")


def _read_wordpiece(content: Json, config: Json, frame: Frame, where: str) -> Tokenizer:
    model, normalizer = content["model"], content.get("normalizer") or {}
    kind = normalizer.get("type", "BertNormalizer")
    if kind != "BertNormalizer" or not normalizer.get("clean_text", True):
        raise FormatError(f"{where}: normalizer: expected BertNormalizer that cleans text with WordPiece, got {kind}")
    if model.get("continuing_subword_prefix", "##") != "##":
        raise FormatError(f"{where}: model.continuing_subword_prefix: only ## is supported")
    options = {
        "lowercase": ("do_lower_case", "lowercase", True),
        "strip_accents": ("strip_accents", "strip_accents", None),
        "tokenize_chinese_chars": ("tokenize_chinese_chars", "handle_chinese_chars", True),
    }
    chosen = {ours: config.get(theirs, normalizer.get(own, d)) for ours, (theirs, own, d) in options.items()}
    plain = Frame(frame.prefix, frame.suffix, frame.added_tokens, (), frame.pad_token, frame.pad_to, frame.max_length)
    unk = model.get("unk_token", "[UNK]")
    longest = model.get("max_input_chars_per_word", 100)
    return WordPieceTokenizer(
        _tokens_of(content, where), **chosen, max_chars_per_word=longest, unk_token=unk, frame=plain
    )


def _read_bpe(content: Json, config: Json, frame: Frame, where: str) -> Tokenizer:
    model = content["model"]
    for name in ("continuing_subword_prefix", "dropout", "byte_fallback"):
        if model.get(name):
            raise FormatError(f"{where}: model.{name}: {model[name]!r} is not supported")
    pattern, add_prefix_space = _pattern_of(content.get("pre_tokenizer"), where)
    tokens, merges = _tokens_of(content, where), []
    for i, merge in enumerate(_need(model, "merges", list, f"{where}: model")):
        pair = merge if isinstance(merge, str) else " ".join(merge) if isinstance(merge, list) else None
        if pair is None:
            raise FormatError(f"{where}: model.merges[{i}]: expected two tokens, got {merge!r}")
        merges.append(pair)
    end_of_word, unk = model.get("end_of_word_suffix") or "", model.get("unk_token")
    if pattern.startswith("clip") and (end_of_word, unk) == ("</w>", "<|endoftext|>") and not add_prefix_space:
        return CLIPTokenizer(tokens, merges, pattern=pattern, frame=frame)
    return BPETokenizer(
        tokens,
        merges,
        pattern=pattern,
        add_prefix_space=add_prefix_space,
        end_of_word=end_of_word,
        whole_words=bool(model.get("ignore_merges")),
        unk_token=unk,
        frame=frame,
    )


def _pattern_of(spec: Json | None, where: str) -> tuple[str, bool]:
    """Recognise how words are cut, and whether a space comes first."""
    parts = flatten(spec, "pretokenizers")
    if not parts or parts[-1].get("type") != "ByteLevel" or len(parts) > 2:
        kinds = [part.get("type") for part in parts]
        raise FormatError(f"{where}: pre_tokenizer: expected ByteLevel, or Split and ByteLevel, got {kinds}")
    space, use_regex = bool(parts[-1].get("add_prefix_space")), parts[-1].get("use_regex", True)
    if len(parts) == 1:
        if not use_regex:
            raise FormatError(f"{where}: pre_tokenizer: ByteLevel without its expression is not supported")
        return "gpt2", space
    regex = (parts[0].get("pattern") or {}).get("Regex")
    name = next((name for name, known in PATTERNS.items() if known == regex), None)
    clip = (name or "").startswith("clip")
    manner = (str(parts[0].get("behavior")), bool(parts[0].get("invert")), use_regex)
    expected = [("Removed", True, True)] if clip else [("Isolated", False, False), ("Removed", True, False)]
    if name is None or space or manner not in expected:
        raise FormatError(
            f"{where}: pre_tokenizer: expected the expression of {', '.join(PATTERNS)}, got {regex!r} {manner}"
        )
    return name, space


def _read_unigram(content: Json, config: Json, frame: Frame, where: str) -> Tokenizer:
    model = content["model"]
    entries: list[tuple[str, float | None]] = []
    for i, entry in enumerate(_need(model, "vocab", list, f"{where}: model")):
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[0], str)):
            raise FormatError(f"{where}: model.vocab[{i}]: expected a token and a number, got {entry!r}")
        if not isinstance(entry[1], int | float):
            raise FormatError(f"{where}: model.vocab[{i}]: expected a number for {entry[0]!r}, got {entry[1]!r}")
        entries.append((entry[0], float(entry[1])))
    for token in sorted(content.get("added_tokens") or (), key=lambda token: int(token["id"])):
        if token["id"] == len(entries):
            entries.append((token["content"], None))
        elif not 0 <= token["id"] < len(entries) or entries[token["id"]][0] != token["content"]:
            raise FormatError(f"{where}: added_tokens: {token['content']!r} does not fit id {token['id']}")
    unknown = model.get("unk_id")
    if not isinstance(unknown, int) or not 0 <= unknown < len(entries):
        raise FormatError(f"{where}: model.unk_id: expected 0..{len(entries) - 1}, got {unknown!r}")
    cut, prefix = _cut_of(content.get("pre_tokenizer"), where)
    fallback = bool(model.get("byte_fallback"))
    unk = entries[unknown][0]
    return UnigramTokenizer(entries, unk_token=unk, cut=cut, prefix=prefix, byte_fallback=fallback, frame=frame)


def _cut_of(spec: Json | None, where: str) -> tuple[str, str]:
    parts = flatten(spec, "pretokenizers")
    kinds = [part.get("type") for part in parts]
    if kinds not in (["Metaspace"], ["WhitespaceSplit", "Metaspace"]) or parts[-1].get("replacement", "▁") != "▁":
        raise FormatError(f"{where}: pre_tokenizer: expected Metaspace, or WhitespaceSplit and Metaspace, got {kinds}")
    marks = parts[-1]
    prefix = marks.get("prepend_scheme") or ("always" if marks.get("add_prefix_space", True) else "never")
    if not marks.get("split", True):
        return "none", str(prefix)
    return ("marks" if len(parts) == 1 else "white"), str(prefix)
