"""kill -9 at random moments of `pictrieve index`: nothing acknowledged may be lost, and the gallery opens.

The command prints {"committed": n, "items": m} after each commit; a line that reached this process is the
promise that is checked. Run: python benchmarks/kill_index.py [--kills 50] [--photos FOLDER]
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pictrieve.gallery import Gallery
from pictrieve.gallery.sources import walk

PHOTOS = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "coco_captions" / "images"


def make_folder(photos: Path, folder: Path, count: int) -> None:
    """Copy real photos until there are `count`; bytes after the end make each file a picture of its own."""
    originals = list(walk(str(photos)))
    if not originals:
        raise SystemExit(f"{photos}: no pictures there; name a folder with --photos")
    folder.mkdir()
    for i in range(count):
        original = Path(originals[i % len(originals)])
        (folder / f"{i:05}{original.suffix}").write_bytes(original.read_bytes() + i.to_bytes(4, "big"))


def index_command(folder: Path, gallery: Path) -> list[str]:
    """Give the command under test."""
    command = [sys.executable, "-m", "pictrieve.cli", "index", str(folder), "-o", str(gallery)]
    return [*command, "--json", "--batch-size", "4"]


def index_and_kill(folder: Path, gallery: Path, seconds: float) -> tuple[int, bool]:
    """Run the command, kill it after a time, and give the items it acknowledged and whether it had ended."""
    with subprocess.Popen(index_command(folder, gallery), stdout=subprocess.PIPE, text=True) as process:
        time.sleep(seconds)
        ended = process.poll() is not None
        process.kill()
        output = process.communicate()[0]
    complete = [line for line in output.splitlines() if line.endswith("}")]
    return max((json.loads(line).get("items", 0) for line in complete), default=0), ended


def check(gallery: Path, acknowledged: int) -> int:
    """Open, count and search the gallery; give the number of its items."""
    if not gallery.exists():
        assert acknowledged == 0, f"{acknowledged} items were acknowledged, but there is no gallery"
        return 0
    with Gallery.open(gallery) as g:
        count = len(g)
        assert count >= acknowledged, f"{acknowledged} items were acknowledged, {count} are there"
        if count:
            item = next(iter(g))
            hits = g.search("a photo", k=count + 10)
            assert len(hits) == count, f"{count} items, but a search reaches {len(hits)}"
            assert g.search(image=item.path, k=1)[0].score > 0.999
    return count


def run(photos: Path, kills: int, seed: int = 0) -> None:
    """Kill `kills` times in the middle of the work, then let a last run finish; a finished gallery begins anew."""
    random_moment = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        folder, gallery = Path(temporary) / "photos", Path(temporary) / "gallery"
        total = 1000
        make_folder(photos, folder, total)
        acknowledged = killed = 0
        while killed < kills:
            lines, ended = index_and_kill(folder, gallery, random_moment.uniform(0.2, 3.5))
            acknowledged = max(acknowledged, lines)
            count = check(gallery, acknowledged)
            if ended:
                assert count == total
                shutil.rmtree(gallery)
                acknowledged = 0
                continue
            killed += 1
            print(f"kill {killed}: {acknowledged} acknowledged, {count} there", flush=True)
            acknowledged = count
        subprocess.run(index_command(folder, gallery), stdout=subprocess.DEVNULL, check=True)
        assert check(gallery, total) == total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--photos", type=Path, default=PHOTOS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    run(options.photos, options.kills, options.seed)
    print(f"kill_index: {options.kills}/{options.kills} kills without loss")
