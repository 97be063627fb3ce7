"""The command line as scripts and people use it: real processes, exit statuses, JSON, interruption."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pictrieve.cli import main
from pictrieve.cli.collection import Captions, read_texts
from pictrieve.gallery import Gallery

COMMAND = [sys.executable, "-m", "pictrieve.cli"]


def pictrieve(*arguments: object, **more: object) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run([*COMMAND, *map(str, arguments)], capture_output=True, text=True, timeout=120, **more)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Path:
    """Give a folder with ten real photos."""
    folder = tmp_path_factory.mktemp("cli") / "photos"
    folder.mkdir()
    for path in sorted((data / "coco_captions" / "images").glob("*.jpg"))[:10]:
        (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture(scope="module")
def gallery(photos: Path) -> Path:
    """Give a gallery of them, made by the command."""
    done = pictrieve("index", photos, "-o", photos.parent / "g", "--json")
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-2]["committed"] == lines[-1]["added"] == lines[-1]["items"] == 10
    return photos.parent / "g"


def test_index_again_adds_nothing(gallery: Path, photos: Path) -> None:
    done = pictrieve("index", photos, "-o", gallery)
    assert done.returncode == 0
    assert "10 items; 0 added, 10 skipped, 0 failed" in done.stdout


def test_search_by_words_and_by_picture(gallery: Path, photos: Path, tmp_path: Path) -> None:
    done = pictrieve("search", gallery, "food on a table", "-k", 3, "--json")
    assert done.returncode == 0, done.stderr
    hits = json.loads(done.stdout)
    assert [hit["rank"] for hit in hits] == [1, 2, 3]
    assert set(hits[0]) == {"rank", "id", "path", "score", "metadata"}
    first = sorted(photos.iterdir())[0]
    page = tmp_path / "found.html"
    done = pictrieve("search", gallery, "--image", first, "-k", 4, "--where", "width > 10", "--html", page)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[2].split()[1] == "1.000"
    assert page.read_text(encoding="utf-8").count("data:image/jpeg") == 5


def test_searching_words_leaves_the_picture_network_alone(gallery: Path) -> None:
    code = "from pictrieve.cli import main; import sys; status = main(sys.argv[1:]);"
    code += "print(any('efficientnet' in line for line in open('/proc/self/maps')), 'torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, "search", str(gallery), "a dog"], capture_output=True, text=True)
    assert done.returncode == 0
    assert done.stdout.splitlines()[-1] == "False False"


def test_info_and_export(gallery: Path, tmp_path: Path) -> None:
    info = json.loads(pictrieve("info", gallery, "--json").stdout)
    assert info["items"] == 10
    assert "items: 10" in pictrieve("info", gallery).stdout
    assert pictrieve("export", gallery, tmp_path / "out").returncode == 0
    assert np.load(tmp_path / "out" / "features.npy").shape == (10, info["channels"]["features"]["dim"])


def test_sync_and_partial_success(tmp_path: Path, photos: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    picture = sorted(photos.iterdir())[0].read_bytes()
    (folder / "a.jpg").write_bytes(picture)
    (folder / "b.jpg").write_bytes(picture[:500])
    done = pictrieve("index", folder, "-o", tmp_path / "g")
    assert done.returncode == 3
    assert "b.jpg" in done.stderr
    (folder / "a.jpg").unlink()
    (folder / "b.jpg").write_bytes(picture)
    done = pictrieve("sync", folder, tmp_path / "g", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    assert (report["added"], report["removed"], report["items"]) == (1, 1, 1)


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["search", "nowhere", "dog"], 1, "no such gallery"),
        (["search", "{g}", "--where", "cost < 3", "dog"], 1, "no column 'cost'"),
        (["search", "{g}", "gone.jpg"], 1, "gone.jpg"),
        (["search", "{g}"], 2, "expected a QUERY"),
        (["search", "{g}", "dog", "-k", "0"], 2, "at least 1"),
        (["index", "nowhere", "-o", "{t}/g"], 1, "nowhere: no such file or folder"),
        (["index", "{t}", "-o", "{t}/g", "--encoder", "unknown"], 1, "unknown"),
        (["sync", "{t}/gone", "{g}"], 1, "existing folder"),
        (["nonsense"], 2, "invalid choice"),
        ([], 2, ""),
    ],
)
def test_errors_are_one_line(
    gallery: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    status: int,
    message: str,
) -> None:
    filled = [argument.format(g=gallery, t=tmp_path) for argument in arguments]
    try:
        found = main(filled)
    except SystemExit as error:  # argparse's own way to end
        found = int(error.code or 0)
    errors = capsys.readouterr().err
    assert found == status
    assert message in errors
    assert "Traceback" not in errors
    assert status != 1 or len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "g").exists()


def test_interruption_keeps_what_was_committed(tmp_path: Path, photos: Path) -> None:
    folder = tmp_path / "p"
    folder.mkdir()
    picture = sorted(photos.iterdir())[0]
    for i in range(400):
        (folder / f"{i}.jpg").write_bytes(picture.read_bytes() + bytes([i % 256, i // 256]))
    command = [*COMMAND, "index", str(folder), "-o", str(tmp_path / "g"), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        acknowledged = json.loads(process.stdout.readline())["committed"]
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        errors = process.communicate(timeout=30)[1]
    assert time.monotonic() - started < 3
    assert process.returncode == 130
    assert "committed is kept" in errors
    assert "Traceback" not in errors
    with Gallery.open(tmp_path / "g") as g:
        assert acknowledged <= len(g) < 400


def test_a_closed_pipe_is_no_traceback(gallery: Path) -> None:
    line = f"{sys.executable} -m pictrieve.cli info {gallery} | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


def test_doctor_finds_one_openmp_runtime() -> None:
    done = pictrieve("doctor", "--json")
    facts = json.loads(done.stdout)
    assert len(facts["openmp_runtimes"]) == 1
    assert facts["problems"] == []
    assert done.returncode == 0
    assert "no problems found" in pictrieve("doctor").stdout


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--help"], ["search", "--help"], ["--version"]):
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 0
    assert "pictrieve 0." in capsys.readouterr().out


def test_demo_writes_a_page_of_any_folder(photos: Path, tmp_path: Path) -> None:
    done = pictrieve("demo", photos, "-o", tmp_path / "demo", "--json")
    assert done.returncode == 0, done.stderr
    page = Path(json.loads(done.stdout)["page"]).read_text(encoding="utf-8")
    assert page.count("<section") == 8
    assert page.count("data:image/jpeg") == 3 + 8 * 6
    assert "10 added" in done.stderr
    (tmp_path / "empty").mkdir()
    assert "found no pictures in" in pictrieve("demo", tmp_path / "empty", "-o", tmp_path / "d2").stderr


def test_captions_come_from_any_usual_table(tmp_path: Path) -> None:
    table = tmp_path / "captions.csv"
    table.write_bytes('﻿image,caption_id,caption\na.jpg,1,"A dog, brown."\na.jpg,2,Ein Hund\nb.jpg,3,\n'.encode())
    assert read_texts(table) == {"a.jpg": "A dog, brown. / Ein Hund"}
    table.write_text("x,y\n1,2\n")
    with pytest.raises(ValueError, match="expected a header"):
        read_texts(table)


def test_odd_file_names_reach_the_terminal(tmp_path: Path) -> None:
    name = os.fsdecode(b"odd\xff\n.png")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(os.path.join(os.fsencode(tmp_path), os.fsencode(name)))
    done = pictrieve("index", tmp_path, "-o", tmp_path / "g", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    done = pictrieve("search", tmp_path / "g", "black", env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr
    assert json.loads(pictrieve("search", tmp_path / "g", "black", "--json").stdout)[0]["path"].endswith(".png")


def test_captions_are_found_from_the_table_the_folder_and_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder in ("set/images", "set/more", "else"):
        (tmp_path / folder).mkdir(parents=True)
    rows = {"images/a.jpg": "of the table", "b.jpg": "of the folder", "else/c.jpg": "from here", "no.jpg": "nobody"}
    table = tmp_path / "set" / "captions.csv"
    table.write_text("path,text\n" + "".join(f"{name},{text}\n" for name, text in rows.items()))
    monkeypatch.chdir(tmp_path)
    captions = Captions(table, [str(tmp_path / "set/images"), "else"])
    assert captions(str(tmp_path / "set/images/a.jpg")) == "of the table"
    assert captions(str(tmp_path / "set/images/b.jpg")) == "of the folder"
    assert captions(str(tmp_path / "else/c.jpg")) == "from here"
    assert captions(str(tmp_path / "set/more/a.jpg")) is None
    assert captions.unmatched == {"no.jpg"}
    assert "1 of 4 captions match no picture, such as 'no.jpg'" in captions.complaint()


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        ("path,text\na.jpg,caf\xe9\n".encode("latin-1"), "iconv -f LATIN1"),
        ("path,text\na.jpg,caf\xe9\n".encode("utf-16"), "iconv -f UTF-16"),
        (b"path,text\na.jpg," + b"x" * 200_000 + b"\n", "not readable as a CSV table"),
    ],
)
def test_unreadable_tables_are_named_with_the_remedy(tmp_path: Path, content: bytes, remedy: str) -> None:
    table = tmp_path / "captions.csv"
    table.write_bytes(content)
    with pytest.raises(ValueError, match=f"captions.csv: .*{remedy}"):
        read_texts(table)
