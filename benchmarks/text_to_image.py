"""How well sentences find pictures without any training: recall@1 and @10, beside plain ConSE on the same pictures."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np

import pictrieve as pt

STAMPS = Path("/usr/share/tuxpaint/stamps")


def stamps() -> tuple[list[Path], list[str], np.ndarray]:
    """All captioned PNG stamps but the symbols: pictures, captions, and the picture of each caption."""
    pictures = sorted(p for p in STAMPS.rglob("*.png") if p.with_suffix(".txt").is_file() and "symbols" not in p.parts)
    captions = [p.with_suffix(".txt").read_text(encoding="utf-8").splitlines()[0].strip() for p in pictures]
    return pictures, captions, np.arange(len(pictures))


def captioned(folder: Path, wanted: set[str] | None) -> tuple[list[Path], list[str], np.ndarray]:
    """Photos with several captions each, of the wanted splits."""
    with (folder / "images.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if wanted is None or row["split"] in wanted]
    place = {row["image"]: i for i, row in enumerate(rows)}
    with (folder / "captions.csv").open(encoding="utf-8", newline="") as file:
        found = [(row["caption"], place[row["image"]]) for row in csv.DictReader(file) if row["image"] in place]
    return (
        [folder / row["image"] for row in rows],
        [text for text, _ in found],
        np.array([i for _, i in found]),
    )


def conse(pictures: list[Path], texts: list[str], dual: pt.DualEncoder) -> tuple[np.ndarray, np.ndarray]:
    """Plain ConSE: the 20 most probable classes' embeddings of "a photo of a ...", weighted by probability."""
    shares = dual.image_encoder.classify(pictures)
    labels = dual.text_encoder.encode([f"a photo of a {name}" for name in dual.image_encoder.labels])
    top = np.sort(shares, axis=1)[:, -20][:, None]
    vectors = np.where(shares >= top, shares, 0) @ labels
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dual.text_encoder.encode(texts)


def recalls(pictures: np.ndarray, texts: np.ndarray, truth: np.ndarray, names: list[str]) -> tuple[float, float, float]:
    """Recall@1 and @10, a hit being any picture of the same caption; and strict recall@1."""
    order = (-(texts @ pictures.T)).argsort(axis=1, kind="stable")[:, :10]
    names_array = np.array(names)
    same = names_array[order] == names_array[truth][:, None]
    return float(same[:, 0].mean()), float(same.any(axis=1).mean()), float((order[:, 0] == truth).mean())


def main() -> None:
    """Print one line per set and method."""
    dual = pt.DualEncoder()
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parents[2] / "shared" / "data"
    sets = {"stamps": stamps()}
    if data.is_dir():
        sets["flickr8k val+test"] = captioned(data / "flickr8k", {"val", "test"})
        sets["coco"] = captioned(data / "coco_captions", None)
    print(f"{'set':20s} {'pictures':>8s} {'texts':>6s}  {'method':12s} recall@1 recall@10 strict@1")
    for name, (pictures, texts, truth) in sets.items():
        picture_names = [texts[i] for i in truth] if name == "stamps" else [str(i) for i in range(len(pictures))]
        ours = dual.encode_images(pictures), dual.encode_texts(texts)
        for method, (image_rows, text_rows) in {
            "pictrieve": ours,
            "plain ConSE": conse(pictures, texts, dual),
        }.items():
            at1, at10, strict = recalls(image_rows, text_rows, truth, picture_names)
            print(f"{name:20s} {len(pictures):8d} {len(texts):6d}  {method:12s} {at1:8.3f} {at10:9.3f} {strict:8.3f}")


if __name__ == "__main__":
    main()
