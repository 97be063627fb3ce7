"""Adds to each ImageNet class its kind (first hypernym) and the first clause of its gloss, both from WordNet 3.0.

Run on a machine with Debian's wordnet-base: python scripts/describe_imagenet_classes.py
Rewrites python/pictrieve/data/imagenet1k.tsv, keeping its first two columns (WordNet id, class name).
"""

from pathlib import Path

NOUNS = Path("/usr/share/wordnet/data.noun")
TABLE = Path(__file__).resolve().parent.parent / "python" / "pictrieve" / "data" / "imagenet1k.tsv"


def main() -> None:
    """Rewrite the table."""
    lines = (line for line in NOUNS.read_text(encoding="utf-8").splitlines() if not line.startswith(" "))
    synsets = {line[:8]: line for line in lines}
    rows = []
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        wnid, name = line.split("\t")[:2]
        data, gloss = synsets[wnid[1:]].split(" | ", 1)
        hypernym = data.split(" @ ", 1)[1][:8] if " @ " in data else ""
        kind = synsets[hypernym].split()[4].replace("_", " ") if hypernym else ""
        rows.append("\t".join((wnid, name, kind, gloss.split(";")[0].strip())))
    TABLE.write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
