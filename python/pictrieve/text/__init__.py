"""Words into numbers: the tokenizers of the text networks."""

from __future__ import annotations

from pictrieve.text.batch import TokenBatch
from pictrieve.text.bpe import BPETokenizer, CLIPTokenizer
from pictrieve.text.folder import load_tokenizer
from pictrieve.text.frame import AddedToken, Frame
from pictrieve.text.tokenizer import Tokenizer
from pictrieve.text.unigram import UnigramTokenizer
from pictrieve.text.wordpiece import WordPieceTokenizer

__all__ = [
    "AddedToken",
    "BPETokenizer",
    "CLIPTokenizer",
    "Frame",
    "TokenBatch",
    "Tokenizer",
    "UnigramTokenizer",
    "WordPieceTokenizer",
    "load_tokenizer",
]
