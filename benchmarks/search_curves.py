"""P8: recall against speed of graph searches, this library and its peers with equal options, drawn as PNG.

Every side answers the same queries in turns; each point is the median of its rounds. The ratio is that of queries per
second at recall@10 of 0.95 and 0.99, interpolated over the sweep, against the best peer.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

import faiss
import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
from _pairing import say_machine
from _search_peers import PEERS, Search
from _search_sets import SETS, SearchSet, load, recall

import pictrieve as pt

SWEEP = (12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
OURS = ("pictrieve", "pictrieve float")
Curve = list[tuple[float, float]]  # (recall, queries per second), one for each effort


def build_all(chosen: SearchSet, names: list[str], threads: int) -> dict[str, Search]:
    """Build each side and print what it took."""
    sides = {}
    for name in names:
        start = time.perf_counter()
        sides[name], used = PEERS[name](chosen.base, chosen.metric, threads)
        spent = time.perf_counter() - start
        print(
            f"{chosen.name}: build {name:15s} {spent:7.1f} s, {used / len(chosen.base):7.0f} bytes a vector", flush=True
        )
    return sides


def curves(chosen: SearchSet, sides: dict[str, Search], rounds: int, single: bool) -> dict[str, Curve]:
    """Sweep the effort, sides in turns; `single` asks one query a call, of 200 queries."""
    found: dict[str, Curve] = {name: [] for name in sides}
    queries = chosen.queries[:200] if single else chosen.queries
    pieces = [queries[i : i + 1] for i in range(len(queries))] if single else [queries]
    for effort in SWEEP:
        spent: dict[str, list[float]] = {name: [] for name in sides}
        for _ in range(rounds):
            for name, search in sides.items():
                start = time.perf_counter()
                for piece in pieces:
                    search(piece, effort)
                spent[name].append(time.perf_counter() - start)
        for name, search in sides.items():
            ids = search(queries, effort)
            point = (recall(ids, chosen.true_ids[: len(queries)]), len(queries) / median(spent[name]))
            found[name].append(point)
            how = "single" if single else "batch"
            print(f"  {chosen.name} {how} {name} effort {effort}: {point[0]:.4f} {point[1]:.0f}/s")
    return found


def speed_at(target: float, curve: Curve) -> float:
    """Queries per second where the curve crosses a recall; 0 where it does not reach it."""
    recalls, speeds = zip(*curve, strict=True)
    if max(recalls) < target:
        return 0.0
    if recalls[0] >= target:
        return speeds[0]
    rising = np.maximum.accumulate(recalls)
    return float(np.exp(np.interp(target, rising, np.log(speeds))))


def ratios(curves_of: dict[str, Curve], label: str) -> dict[str, float]:
    """Print and give, for each of our sides, the smaller ratio against the best peer at 0.95 and 0.99."""
    smallest: dict[str, float] = {}
    for target in (0.95, 0.99):
        speeds = {name: speed_at(target, curve) for name, curve in curves_of.items()}
        best = max((speed for name, speed in speeds.items() if name not in OURS), default=0)
        print(f"{label} at recall {target}: " + ", ".join(f"{name} {speed:.0f}/s" for name, speed in speeds.items()))
        for name in OURS:
            if best and name in speeds:
                smallest[name] = min(smallest.get(name, np.inf), speeds[name] / best)
    print(f"{label}: " + ", ".join(f"{name} {ratio:.2f} x best peer" for name, ratio in smallest.items()), flush=True)
    return smallest


def draw(chosen: SearchSet, batch: dict[str, Curve], single: dict[str, Curve], folder: Path) -> None:
    """Draw both sweeps beside each other."""
    figure, panels = plt.subplots(1, 2, figsize=(11, 4.5), layout="constrained")
    for panel, found, title in ((panels[0], batch, "batch"), (panels[1], single, "single queries")):
        for name, curve in found.items():
            style = "-" if name in OURS else "--"
            panel.plot(*zip(*curve, strict=True), style, marker="o", markersize=3, label=name)
        panel.set(yscale="log", xlabel="recall@10", ylabel="queries/s", xlim=(0.8, 1.002))
        panel.set_title(f"{chosen.name}, {len(chosen.base):,} x {chosen.base.shape[1]}, {title}")
        panel.grid(alpha=0.3)
    panels[1].legend()  # annoy has no batches
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"search_{chosen.name}.png", dpi=110)
    plt.close(figure)


def main() -> None:
    """Build, check recall and time, one set after another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=["gloss"], choices=SETS)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sides", default=",".join(PEERS), help="comma-separated")
    parser.add_argument("--output", type=Path, default=Path(__file__).parent / "results")
    arguments = parser.parse_args()
    mpl.use("Agg")
    say_machine()
    pt.set_num_threads(arguments.threads)
    faiss.omp_set_num_threads(arguments.threads)
    worst = np.inf
    for name in arguments.sets:
        chosen = load(name)
        sides = build_all(chosen, arguments.sides.split(","), arguments.threads)
        batched = {side: search for side, search in sides.items() if side != "annoy"}
        batch = curves(chosen, batched, arguments.rounds, single=False)
        single = curves(chosen, sides, arguments.rounds, single=True)
        worst = min(worst, ratios(batch, f"{name} batch")["pictrieve"])
        ratios(single, f"{name} single")
        draw(chosen, batch, single, arguments.output)
    print(f"P8 graph search: {worst:.2f}")


if __name__ == "__main__":
    main()
