"""Folders that change or close, galleries shared by threads, locks, caches, and disks that fill up."""

from __future__ import annotations

import gc
import logging
import os
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from gallery_encoders import ColourWords, picture
from PIL import Image

from pictrieve.gallery import Gallery, GalleryError, GalleryLockedError

TESTS = Path(__file__).parent


def as_nobody(code: str, *arguments: object) -> str:
    """Run Python without root's right to read everything, and give what it prints."""
    head = f"""
    import os, sys
    sys.path.insert(0, {str(TESTS)!r})
    from gallery_encoders import *
    from pictrieve.gallery import Gallery
    from pictrieve.gallery.sources import walk
    ColourWords().image_encoder.encode([])
    sys.argv[1:] = sys.argv[2:]
    """
    drop = "if os.geteuid() == 0:\n    os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
    whole = textwrap.dedent(head) + drop + textwrap.dedent(code)
    command = [sys.executable, "-c", whole, "-", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give two subfolders with a picture each, in a place that everybody reaches."""
    root = tmp_path / "pictures"
    for name in ("open", "closed"):
        (root / name).mkdir(parents=True)
        Image.fromarray(picture("red")).save(root / name / f"{name}.png")
    for path in (tmp_path, *list(tmp_path.parents)[:2]):
        path.chmod(0o777)
    for path in (root, *root.rglob("*")):
        path.chmod(0o777)
    return root


SYNC = """
with Gallery.open(sys.argv[1], ColourWords()) as g:
    g.add(sys.argv[2])
    os.rename(sys.argv[2] + "/open/open.png", sys.argv[2] + "/open/renamed.png")
    report = g.sync(sys.argv[2]) if len(sys.argv) == 3 else g.add(sys.argv[2])
    print(len(g), report.removed, report.failed, [row.status for row in report.rows])
"""


def test_sync_leaves_alone_what_it_cannot_see(tmp_path: Path, folder: Path) -> None:
    with Gallery.create(tmp_path / "g", ColourWords()) as g:
        g.add(folder)
    for path in ((tmp_path / "g"), *(tmp_path / "g").rglob("*")):
        path.chmod(0o777)
    for path in (folder / "closed", folder / "closed" / "closed.png"):
        if os.geteuid() == 0:
            os.chown(path, 0, 0)
    (folder / "closed").chmod(0)
    try:
        assert as_nobody(SYNC, tmp_path / "g", folder) == "2 0 1 ['unreadable']\n"
        folder.chmod(0)
        code = "try:\n    list(walk(sys.argv[1]))\nexcept PermissionError as error:\n    print(error.filename)"
        assert as_nobody(code, folder) == f"{folder}\n"
    finally:
        folder.chmod(0o777)
        (folder / "closed").chmod(0o777)


def test_a_rename_is_told_by_content(tmp_path: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    for name in ("a", "b"):
        Image.fromarray(picture("red")).save(folder / f"{name}.bmp")
        os.utime(folder / f"{name}.bmp", ns=(10**9, 10**9))
    with Gallery.create(tmp_path / "g", ColourWords()) as g:
        g.add(folder / "a.bmp", metadata={"n": 1})
        (folder / "a.bmp").unlink()
        (folder / "b.bmp").unlink()
        Image.fromarray(picture("blue")).save(folder / "c.bmp")  # same size, same time, another picture
        os.utime(folder / "c.bmp", ns=(10**9, 10**9))
        report = g.sync(folder)
        assert (report.added, report.updated, report.removed) == (1, 0, 1)
        assert [item.metadata for item in g] == [{}]
        odd = os.fsdecode(os.fsencode(folder) + b"/odd\xff.bmp")
        os.rename(folder / "c.bmp", odd)
        report = g.sync(folder)
        assert (report.added, report.updated, report.removed) == (0, 1, 0)
        assert [item.path for item in g] == [odd]


def test_a_lock_ends_with_its_gallery(tmp_path: Path) -> None:
    g = Gallery.create(tmp_path / "g", dim=4)
    g.add(vectors=np.eye(4, dtype=np.float32))
    with Gallery.open(tmp_path / "g") as other:
        with pytest.raises(GalleryLockedError, match="an unclosed Gallery in this process"):
            other.delete(1)
        del g
        gc.collect()
        assert other.delete(1) == 1


def test_a_closed_gallery_says_so_and_locks_nothing(tmp_path: Path) -> None:
    g = Gallery.create(tmp_path / "g", dim=4)
    g.close()
    for use in (lambda: g.delete(1), lambda: len(g), lambda: g.add(vectors=np.eye(4, dtype=np.float32))):
        with pytest.raises(GalleryError, match="was closed"):
            use()
    with Gallery.open(tmp_path / "g") as other:
        assert other.delete(1) == 0


def test_threads_share_a_gallery(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((400, 16)).astype(np.float32)
    with Gallery.create(tmp_path / "g", dim=16) as g, ThreadPoolExecutor(8) as pool:
        added = [pool.submit(g.add, vectors=rows[i : i + 10]) for i in range(0, 400, 10)]
        found = [pool.submit(g.search, vector=rows[i], k=3) for i in range(60)]
        assert sum(one.result().added for one in added) == 400
        assert all(len(one.result()) == 3 for one in found)
        assert len(g) == len(g.search(vector=rows[0], k=1000)) == 400


def test_an_export_that_does_not_fit_is_a_clear_error(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((500, 64)).astype(np.float32)
    out = tmp_path / "out"
    out.mkdir()
    with Gallery.create(tmp_path / "g", dim=64) as g:
        g.add(vectors=rows)
        (out / "features.npy").symlink_to("/dev/full")
        with pytest.raises(GalleryError, match=r"export to .*features.npy: the disk is full"):
            g.export(out)
        assert not os.path.lexists(out / "features.npy")
        g.export(out)
        np.testing.assert_allclose(np.load(out / "features.npy"), rows / np.linalg.norm(rows, axis=1, keepdims=True))
        g.delete(range(1, 501))
        g.export(out)
        assert np.load(out / "features.npy").shape == (0, 64)


def test_one_picture_more_does_not_rewrite_a_large_cache(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((2000, 16)).astype(np.float32)
    cache = tmp_path / "g/index/features.ptidx"
    with Gallery.create(tmp_path / "g", dim=16) as g:
        g.add(vectors=rows[:1900])
        before = cache.stat().st_mtime_ns
        g.add(vectors=rows[1900:1910])
        assert cache.stat().st_mtime_ns == before
    with Gallery.open(tmp_path / "g") as g:
        assert g.search(vector=rows[1905], k=1).ids == [1906]
        g.add(vectors=rows[1910:])
        assert cache.stat().st_mtime_ns != before


def test_a_damaged_small_cache_is_mentioned_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Gallery.create(tmp_path / "g", dim=4) as g:
        g.add(vectors=np.eye(4, dtype=np.float32))
    (tmp_path / "g/index/features.ptidx").write_bytes(b"no index")
    with caplog.at_level(logging.WARNING, "pictrieve.gallery"):
        for _ in range(3):
            with Gallery.open(tmp_path / "g") as g:
                assert g.search(vector=[1, 0, 0, 0], k=1).ids == [1]
    assert caplog.text.count("rebuilding") == 1
