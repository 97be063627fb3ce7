"""MiniLM forward on token ids: pictrieve's packed tokens against transformers on length-sorted batches."""

from __future__ import annotations

import numpy as np
import torch
from pairing import medians, say_machine
from transformers import BertModel

import pictrieve as pt

LENGTHS = (6, 40)  # tokens of a gloss, special tokens included


def main() -> None:
    """Compare, then time."""
    say_machine()
    ours = pt.nn.load("minilm")
    theirs = BertModel.from_pretrained(pt.models.resolve("minilm").weights.parent, add_pooling_layer=False).eval()
    generator = np.random.default_rng(0)
    lengths = np.sort(generator.integers(*LENGTHS, 512))
    mask = (np.arange(LENGTHS[1]) < lengths[:, None]).astype(np.int64)
    ids = generator.integers(1000, 30000, mask.shape) * mask

    def batches() -> list[np.ndarray]:
        results = []
        for i in range(0, len(ids), 32):
            longest = lengths[i : i + 32].max()
            batch = torch.from_numpy(ids[i : i + 32, :longest]), torch.from_numpy(mask[i : i + 32, :longest])
            results.append(theirs(input_ids=batch[0], attention_mask=batch[1]).last_hidden_state.numpy())
        return results

    with torch.inference_mode():
        hidden = ours(ids, mask=mask)
        for i, reference in enumerate(batches()):
            part = slice(i * 32, i * 32 + len(reference))
            kept = mask[part, : reference.shape[1], None]
            worst = float(np.abs((reference - hidden[part, : reference.shape[1]]) * kept).max())
            if worst > 1e-4:
                raise SystemExit(f"text forward: hidden states differ by {worst:.2e}, nothing is timed")
        taken = medians({"pictrieve": lambda: ours(ids, mask=mask), "transformers": batches})
    for name, seconds in taken.items():
        print(f"  {name:28s} {len(ids) / seconds:8.1f} texts/s   {seconds / taken['pictrieve']:.2f}x")


if __name__ == "__main__":
    main()
