"""What encoding many texts gives."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class _Pair(NamedTuple):
    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


class TokenBatch(_Pair):
    """Ids of many texts; unpacks as `ids, mask = tokenizer.encode_batch(texts)`.

    Attributes:
        ids: With padding `(n, length) int64`, `length` being that of the longest text; without, `(total,) int64`, all
            texts one after another.
        mask: int64 of the same shape: 1 where a token stands, 0 where padding does.
        offsets: `(n + 1,) int64`, beginning with 0: text `i` has `offsets[i + 1] - offsets[i]` tokens.
        truncated_texts: How many texts were longer than `max_length`.
        lost_tokens: How many of their tokens were cut.
    """

    offsets: NDArray[np.int64]
    truncated_texts: int
    lost_tokens: int

    def __new__(
        cls,
        ids: NDArray[np.int64],
        mask: NDArray[np.int64],
        offsets: NDArray[np.int64],
        truncated_texts: int,
        lost_tokens: int,
    ) -> TokenBatch:
        """Keep the rest beside the pair, so that the result unpacks in two."""
        batch = super().__new__(cls, ids, mask)
        batch.offsets, batch.truncated_texts, batch.lost_tokens = offsets, truncated_texts, lost_tokens
        return batch
