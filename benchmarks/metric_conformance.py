"""Write the table of docs/evaluation.md: every metric against other libraries, on random rankings.

References that are not installed are left out and named; ranx and open-metric-learning are best installed without their
requirements, into a folder of their own: pip install --no-deps --target refs ranx numba llvmlite ir_datasets ...
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "conformance"))

import reference_metrics  # noqa: E402
import reference_torchvision  # noqa: E402, F401  torchmetrics imports torchvision

from pictrieve import evaluate  # noqa: E402

BEGIN, END = "<!-- table -->\n", "<!-- end of table -->\n"


def table(cases: int) -> str:
    """Compare, and give the table as Markdown."""
    lines = [
        "| metric | protocol | definition; its mean is reported | reference | compared | largest difference |",
        "|---|---|---|---|---|---|",
    ]
    absent = []
    for name, reference in reference_metrics.REFERENCES.items():
        try:
            found = reference_metrics.largest_differences(reference, cases)
        except ImportError as error:
            absent.append(f"{name} ({error})")
            continue
        for metric, (difference, count) in of_all_cuts(found).items():
            if not difference < reference.tolerance:
                raise SystemExit(f"{name} {metric}: {difference} apart, expected less than {reference.tolerance}")
            protocol, stem, note = parts(reference.protocol, metric)
            package = f"{reference.package} {reference.version}".strip()
            words = definition(protocol, stem) + note
            lines.append(f"| {stem}{note} | {protocol} | {words} | {package} | {count:,} | {difference:.1e} |")
            print(lines[-1], flush=True)
    if absent:
        print("left out:", "; ".join(absent))
    return "\n".join(lines) + "\n"


def of_all_cuts(found: dict[str, tuple[float, int]]) -> dict[str, tuple[float, int]]:
    """Put "map@5" and "map@10" together as "map@k"."""
    joined: dict[str, tuple[float, int]] = {}
    for metric, (difference, count) in found.items():
        name = re.sub(r"@\d+", "@k", metric)
        worst, total = joined.get(name, (0.0, 0))
        joined[name] = (max(worst, difference), total + count)
    return joined


def parts(protocol: str, metric: str) -> tuple[str, str, str]:
    """Split "revisited mp@k" and "ndcg@k, gain 2^g - 1" into protocol, metric and note."""
    stem, comma, note = metric.partition(",")
    own, _, short = stem.rpartition(" ")
    return own or protocol, short, comma + note


def definition(protocol: str, stem: str) -> str:
    """Say a metric in words, as reports do."""
    cut = 97
    report = evaluate.retrieval([[1]], [{1}], protocol, [cut])  # type: ignore[arg-type]
    words = report.definitions[stem.replace("@k", f"@{cut}")]
    return words.removeprefix("mean over queries of: ").rsplit(" (", 1)[0].replace(str(cut), "k")


def main() -> None:
    """Compare and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=20, help="random cases of 60 queries")
    parser.add_argument("--write", action="store_true", help="into docs/evaluation.md")
    arguments = parser.parse_args()
    made = table(arguments.cases)
    if arguments.write:
        page = ROOT / "docs" / "evaluation.md"
        text = page.read_text(encoding="utf-8")
        before, after = text.split(BEGIN)[0], text.split(END)[1]
        page.write_text(f"{before}{BEGIN}{made}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
