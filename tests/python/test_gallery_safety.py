"""When things break: kills, a second writer, damaged caches, full and read-only disks, broken pictures."""

from __future__ import annotations

import io
import json
import logging
import os
import signal
import sqlite3
import struct
import subprocess
import sys
import textwrap
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from gallery_encoders import PALETTE, ColourEncoder, ColourWords, picture
from PIL import Image

from pictrieve import FormatError
from pictrieve.gallery import Gallery, GalleryError, GalleryLockedError

TESTS = Path(__file__).parent


def fill(folder: Path, count: int) -> Path:
    """Write small pictures."""
    folder.mkdir()
    names = list(PALETTE)
    for i in range(count):
        Image.fromarray(picture(names[i % len(names)], seed=i)).save(folder / f"{i:04}.png")
    return folder


def run(code: str, *arguments: object, **more: object) -> subprocess.Popen[str]:
    """Start a Python process that knows the tests' encoders."""
    head = f"import sys; sys.path.insert(0, {str(TESTS)!r})\nfrom gallery_encoders import *\n"
    head += "from pictrieve.gallery import Gallery\n"
    command = [sys.executable, "-c", head + textwrap.dedent(code), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **more)


ADD = """
import os, time
with Gallery.open(sys.argv[1], ColourWords()) as g:
    say = lambda n: (print(n, flush=True), time.sleep(float(sys.argv[3])))
    g.add(sys.argv[2], batch_size=8, on_commit=say)
"""


def test_kill_at_any_moment_loses_nothing_acknowledged(tmp_path: Path) -> None:
    folder = fill(tmp_path / "p", 200)
    Gallery.create(tmp_path / "g", ColourWords()).close()
    acknowledged = 0
    for wait in (3, 1, 4):
        process = run(ADD, tmp_path / "g", folder, 0.01)
        lines = [process.stdout.readline() for _ in range(wait)]
        process.send_signal(signal.SIGKILL)
        lines += process.communicate()[0].split()
        acknowledged += max((int(line) for line in lines if line.strip()), default=0)
        with Gallery.open(tmp_path / "g", ColourWords()) as g:
            assert acknowledged <= len(g) <= acknowledged + 16
            assert len(g.search("red", k=500)) == len(g)
            acknowledged = len(g)
    with Gallery.open(tmp_path / "g", ColourWords()) as g:
        g.add(folder)
        assert len(g) == 200


def test_one_writer_many_readers(tmp_path: Path) -> None:
    folder = fill(tmp_path / "p", 64)
    Gallery.create(tmp_path / "g", ColourWords()).close()
    process = run(ADD, tmp_path / "g", folder, 0.4)
    try:
        process.stdout.readline()
        with Gallery.open(tmp_path / "g", ColourWords()) as g:
            first = len(g.search("red", k=100))
            assert first >= 8
            with pytest.raises(GalleryLockedError, match=f"process {process.pid} is writing") as caught:
                g.delete(1)
            assert caught.value.pid == process.pid
            process.stdout.readline()
            assert len(g.search("red", k=100)) > first  # a reader sees what is committed meanwhile
            process.kill()
            process.communicate()
            assert g.delete(1) == 1  # the lock died with its holder
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_keeps_what_is_committed(tmp_path: Path) -> None:
    folder = fill(tmp_path / "p", 200)
    Gallery.create(tmp_path / "g", ColourWords()).close()
    process = run(ADD, tmp_path / "g", folder, 0.05)
    process.stdout.readline()
    started = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert time.monotonic() - started < 3
    assert "KeyboardInterrupt" in errors
    with Gallery.open(tmp_path / "g") as g:
        assert 8 <= len(g) < 200


def damage_nothing(path: Path) -> None:
    pass


def flip_a_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:100])


@pytest.mark.parametrize("damage", [damage_nothing, flip_a_byte, cut_short, Path.unlink, lambda p: p.write_bytes(b"")])
def test_a_damaged_cache_is_rebuilt(tmp_path: Path, damage: object, caplog: pytest.LogCaptureFixture) -> None:
    rows = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    with Gallery.create(tmp_path / "g", dim=16) as g:
        g.add(vectors=rows)
        expected = g.search(vector=rows[3], k=20)
    cache = tmp_path / "g" / "index" / "features.ptidx"
    damage(cache)
    with caplog.at_level(logging.WARNING, "pictrieve.gallery"), Gallery.open(tmp_path / "g") as g:
        assert g.search(vector=rows[3], k=20).ids == expected.ids
    warned = "rebuilding" in caplog.text
    assert warned == (damage not in (damage_nothing, Path.unlink))


def test_a_reader_saves_what_it_had_to_rebuild(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((1200, 16)).astype(np.float32)
    cache = tmp_path / "g" / "index" / "features.ptidx"
    with Gallery.create(tmp_path / "g", dim=16) as g:
        g.add(vectors=rows)
        cache.unlink()
        with Gallery.open(tmp_path / "g") as reader:
            reader.search(vector=rows[0])
            assert not cache.exists()  # g may be writing
    with Gallery.open(tmp_path / "g") as reader:
        reader.search(vector=rows[0])
        assert cache.exists()
        with Gallery.open(tmp_path / "g") as writer:
            assert writer.delete(1) == 1  # the reader did not keep the lock


def test_damage_in_a_mapped_cache_is_found_by_health(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pictrieve.gallery.channels.MAP_FROM", 1000)
    rows = np.random.default_rng(0).standard_normal((300, 16)).astype(np.float32)
    with Gallery.create(tmp_path / "g", dim=16) as g:
        g.add(vectors=rows)
        expected = g.search(vector=rows[3], k=300).ids
    flip_a_byte(tmp_path / "g" / "index" / "features.ptidx")
    with Gallery.open(tmp_path / "g") as g:
        g.search(vector=rows[3])
        assert g.health()["features"].recall == 1.0
        assert g.search(vector=rows[3], k=300).ids == expected


def test_the_cache_of_another_gallery_is_not_believed(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32)
    with Gallery.create(tmp_path / "a", dim=16) as a, Gallery.create(tmp_path / "b", dim=16) as b:
        a.add(vectors=rows)
        b.add(vectors=rows[::-1])
    os.replace(tmp_path / "a/index/features.ptidx", tmp_path / "b/index/features.ptidx")
    with Gallery.open(tmp_path / "b") as b:
        assert b.search(vector=rows[0], k=1).ids == [50]


def test_an_old_cache_catches_up(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((60, 16)).astype(np.float32)
    cache = tmp_path / "g/index/features.ptidx"
    with Gallery.create(tmp_path / "g", dim=16) as g:
        g.add([f"{i}.png" for i in range(50)], vectors=rows[:50])
        old = cache.read_bytes()
        g.add(vectors=rows[50:])
        g.delete([1, 2])
        g.add(["9.png"], vectors=-rows[:1])  # item 10 gets another vector
    cache.write_bytes(old)
    with Gallery.open(tmp_path / "g") as g:
        assert len(g.search(vector=rows[0], k=100)) == 58
        assert g.search(vector=-rows[0], k=1).ids == [10]
        g.purge()
    cache.write_bytes(old)
    with Gallery.open(tmp_path / "g") as g:
        assert len(g.search(vector=rows[0], k=100)) == 58


def test_directories_that_are_no_galleries(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="create it with"):
        Gallery.open(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(GalleryError, match="not a pictrieve gallery"):
        Gallery.open(tmp_path / "empty")
    Gallery.create(tmp_path / "g", dim=4).close()
    with pytest.raises(FileExistsError, match="a gallery is already there"):
        Gallery.create(tmp_path / "g", dim=4)
    connection = sqlite3.connect(tmp_path / "g/gallery.sqlite")
    connection.execute("PRAGMA user_version = 7")
    connection.close()
    with pytest.raises(FormatError, match="format 7 is newer"):
        Gallery.open(tmp_path / "g")
    (tmp_path / "empty/gallery.sqlite").write_bytes(b"no database " * 1000)
    with pytest.raises(FormatError, match="damaged"):
        Gallery.open(tmp_path / "empty")
    (tmp_path / "empty/gallery.sqlite").unlink()
    sqlite3.connect(tmp_path / "empty/gallery.sqlite").execute("CREATE TABLE t (x)").connection.close()
    with pytest.raises(GalleryError, match="SQLite file, but not"):
        Gallery.open(tmp_path / "empty")


def test_a_killed_create_leaves_nothing_that_looks_like_a_gallery(tmp_path: Path) -> None:
    leftover = tmp_path / ".g.creating-999999999-00ff"
    leftover.mkdir()
    (leftover / "gallery.sqlite").write_bytes(b"half")
    Gallery.create(tmp_path / "g", dim=4).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g"]


def test_a_full_disk_keeps_what_was_committed(tmp_path: Path) -> None:
    """SQLite's own page limit raises the error of a full disk at an exact point."""
    rows = np.random.default_rng(0).standard_normal((6000, 64)).astype(np.float32)
    with Gallery.create(tmp_path / "g", dim=64) as g:
        g.add(vectors=rows[:1000])
        pages = g._store.value("PRAGMA page_count")
        g._store.value(f"PRAGMA max_page_count = {pages + 400}")
        with pytest.raises(GalleryError, match="disk is full"):
            g.add(vectors=rows)
        kept = len(g)
        assert kept >= 1000
        assert len(g.search(vector=rows[0], k=10_000)) == kept
        g._store.value("PRAGMA max_page_count = 1000000")
        g.add(vectors=rows[:10])
    with Gallery.open(tmp_path / "g") as g:
        assert len(g) == kept + 10


def test_a_file_size_limit_is_a_clear_error(tmp_path: Path) -> None:
    code = """
    import resource, numpy as np
    rows = np.random.default_rng(0).standard_normal((4000, 64)).astype(np.float32)
    with Gallery.create(sys.argv[1], dim=64) as g:
        g.add(vectors=rows[:500])
        resource.setrlimit(resource.RLIMIT_FSIZE, (700_000, resource.RLIM_INFINITY))
        try:
            g.add(vectors=rows)
        except Exception as error:
            print(type(error).__name__, error)
        print(len(g))
    """
    output = run(code, tmp_path / "g").communicate(timeout=60)
    assert "GalleryError" in output[0], output
    assert "everything committed before is kept" in output[0]
    with Gallery.open(tmp_path / "g") as g:
        assert len(g) == int(output[0].split()[-1]) >= 500


def test_a_read_only_gallery_is_searched(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((50, 16)).astype(np.float32)
    with Gallery.create(tmp_path / "g", dim=16) as g:
        g.add(vectors=rows)
    mounted = subprocess.run(["mount", "--bind", "-o", "ro", tmp_path / "g", tmp_path / "g"], capture_output=True)
    for path in [*(tmp_path / "g").rglob("*"), tmp_path / "g"]:
        if mounted.returncode:
            path.chmod(0o555 if path.is_dir() else 0o444)
    if mounted.returncode and os.geteuid() == 0:
        pytest.skip("root without the right to mount: nothing is read-only to it")
    try:
        with Gallery.open(tmp_path / "g") as g:
            assert g.search(vector=rows[0], k=1).ids == [1]
            with pytest.raises(GalleryError, match="read-only"):
                g.delete(1)
    finally:
        subprocess.run(["umount", tmp_path / "g"], capture_output=True)
        (tmp_path / "g").chmod(0o755)


def bomb() -> bytes:
    """Give a PNG that claims 60,000 x 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def write_broken(folder: Path) -> tuple[set[str], set[str]]:
    """Write 20 pictures that cannot be read, and some odd ones that can; give the names of both."""
    folder.mkdir()
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))
    jpeg, png, gif = saved(photo, "JPEG"), saved(photo, "PNG"), saved(photo, "GIF")
    webp, tiff, bmp = saved(photo, "WEBP"), saved(photo, "TIFF"), saved(photo, "BMP")
    bad = {
        **{
            "empty.jpg": b"",
            "empty.png": b"",
            "one.gif": b"G",
            "html.jpg": b"<html>404 not found</html>" * 20,
        },
        **{"text.png": b"not a picture\n" * 40, "pdf.jpg": b"%PDF-1.4\n" + b"0" * 500, "tail.jpg": jpeg[:40]},
        **{"half.jpg": jpeg[: len(jpeg) // 2], "half.png": png[: len(png) // 2], "head.png": png[:20]},
        **{"half.webp": webp[: len(webp) // 2], "half.tif": tiff[: len(tiff) // 2]},
        **{"half.bmp": bmp[: len(bmp) // 2], "half.gif": gif[: len(gif) // 2]},
        **{"bomb.png": bomb(), "zeros.jpg": bytes(1000)},
        "photo.heic": b"\x00\x00\x00\x18ftypheic" + bytes(300),
        "flipped.png": png[:60] + bytes(b ^ 0x55 for b in png[60:200]) + png[200:],
    }
    good = {
        "cmyk.jpg": saved(photo.convert("CMYK"), "JPEG"),
        "grey16.png": saved(Image.fromarray(np.full((8, 8), 40_000, np.uint16)), "PNG"),
        "moving.gif": saved(photo, "GIF", save_all=True, append_images=[photo.rotate(90)]),
        "badexif.jpg": saved(photo, "JPEG", exif=b"Exif\x00\x00" + b"\xff" * 40),
        "wrong-suffix.png": jpeg,
    }
    for name, content in {**bad, **good}.items():
        (folder / name).write_bytes(content)
    os.mkfifo(folder / "pipe.jpg")
    (folder / "dangling.jpg").symlink_to("nowhere.jpg")
    return {*bad, "pipe.jpg", "dangling.jpg"}, set(good)


def test_twenty_broken_files_are_twenty_ledger_rows(tmp_path: Path) -> None:
    bad, good = write_broken(tmp_path / "p")
    assert len(bad) == 20
    encoder = ColourEncoder()
    with Gallery.create(tmp_path / "g", encoder) as g:
        report = g.add(tmp_path / "p")
        assert {Path(item.path or "").name for item in g} == good
        assert {Path(row.path).name for row in g.failures()} == bad
        assert report.failed == 20
        statuses = {Path(row.path).name: row.status for row in g.failures()}
        assert statuses["empty.jpg"] == statuses["half.jpg"] == statuses["half.png"] == "corrupt"
        assert statuses["bomb.png"] == "too_large"
        assert statuses["html.jpg"] == statuses["photo.heic"] == "unsupported"
        assert statuses["pipe.jpg"] == statuses["dangling.jpg"] == "unreadable"
        again = g.add(tmp_path / "p")
        assert (again.added, again.failed) == (0, 0)
        assert all(row.attempts == 1 for row in g.failures())
        assert g.add(tmp_path / "p", retry=True).failed == 20
        (tmp_path / "p/half.jpg").write_bytes((tmp_path / "p/cmyk.jpg").read_bytes())
        assert g.add(tmp_path / "p").added == 1
        assert len(g.failures()) == 19
        assert json.dumps([row._asdict() for row in g.failures()])
