"""Every example in the README, the docstrings and the notebooks runs."""

from __future__ import annotations

import doctest
import importlib
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pictrieve

ROOT = Path(__file__).resolve().parent.parent.parent


def blocks(language: str) -> list[str]:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with photos/, as the README's reader has it."""
    import skimage

    bundled = Path(skimage.data_dir)
    (tmp_path / "photos").mkdir()
    for name in ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "brick.png"):
        if (bundled / name).is_file():
            shutil.copy(bundled / name, tmp_path / "photos" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_python_of_the_readme_runs(photos: Path) -> None:
    assert blocks("python")
    script = "\n".join(blocks("python"))
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_shell_of_the_readme_runs(photos: Path) -> None:
    found = [block for block in blocks("sh") if "pictrieve " in block]
    assert found
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    for block in found:
        done = subprocess.run(["bash", "-euc", block], capture_output=True, text=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr


def test_the_examples_in_docstrings_run(photos: Path) -> None:
    attempted = 0
    for module in pkgutil.walk_packages(pictrieve.__path__, "pictrieve."):
        if module.name.rsplit(".", 1)[1].startswith(("_", "lib")):  # private, or a shared library
            continue
        result = doctest.testmod(importlib.import_module(module.name), optionflags=doctest.ELLIPSIS)
        assert result.failed == 0, module.name
        attempted += result.attempted
    assert attempted >= 15


@pytest.mark.parametrize("notebook", sorted((ROOT / "notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run(notebook: Path, tmp_path: Path) -> None:
    import nbformat
    from nbclient import NotebookClient

    content = nbformat.read(notebook, as_version=4)
    NotebookClient(content, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()


def test_contributing_stays_short() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    examples = re.findall(r"```\w+\n.*?```", text, re.DOTALL)
    assert all(len(example.splitlines()) <= 62 for example in examples)
    assert len(text.splitlines()) - sum(len(example.splitlines()) for example in examples) <= 80
