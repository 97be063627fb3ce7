"""The rules of CONTRIBUTING.md that a machine can check: who may include whom, and how long things may get."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

import pictrieve

ROOT = Path(__file__).resolve().parent.parent.parent
CORE = ROOT / "cpp" / "pictrieve"

# folder -> (layers it may include, third-party headers it may include)
LAYERS: dict[str, tuple[set[str], tuple[str, ...]]] = {
    "base": (set(), ("hwy/", "omp.h", "sched.h")),
    "image": ({"base"}, ("hwy/", "opencv2/", "gif_lib.h")),
    "text": ({"base"}, ()),
    "nn": ({"base"}, ("torch/", "c10/", "nlohmann/")),
    "runtime": ({"base", "nn"}, ("hwy/", "oneapi/", "torch/")),
    "encode": ({"base", "image", "text", "runtime", "nn"}, ()),
    "detect": ({"base", "runtime"}, ()),
    "index": ({"base"}, ("hwy/", "faiss/")),
    "rank": ({"base", "index"}, ()),
    "evaluate": ({"base", "index"}, ()),
}
PRIVATE_HEADERS = ("hwy/", "opencv2/", "oneapi/", "faiss/", "gif_lib.h", "pybind11/", "nlohmann/")

# module -> modules of ours it may import ("_core" and errors are free)
PYTHON_LAYERS = {"evaluate": {"augment", "progress", "sizes"}, "datasets": set()}


def sources(*patterns: str) -> list[Path]:
    listed = subprocess.run(["git", "ls-files", *patterns], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


def includes(path: Path) -> list[str]:
    return re.findall(r'^#include ["<]([^">]+)[">]', path.read_text(encoding="utf-8"), re.MULTILINE)


def is_third_party(header: str) -> bool:
    return "/" in header and not header.startswith(("pictrieve/", "sys/", "bits/"))


def test_layers_include_only_what_the_table_allows() -> None:
    wrong = []
    for path in sources("cpp/pictrieve/*/*"):
        layer = path.relative_to(CORE).parts[0]
        layers, libraries = LAYERS[layer]
        for header in includes(path) if path.suffix in {".h", ".cpp"} else []:
            if header.startswith("pictrieve/"):
                target = header.split("/")[1]
                allowed = target == layer or target in layers
            else:
                allowed = not is_third_party(header) or header.startswith(libraries)
            if not allowed:
                wrong.append(f"{path.relative_to(ROOT)} includes {header}")
    assert not wrong, "\n".join(wrong)


def test_nobody_includes_the_bindings() -> None:
    wrong = [p for p in sources("cpp/pictrieve/*") if "bindings/" in p.read_text(encoding="utf-8")]
    assert not wrong


def test_headers_that_others_include_show_no_third_party_type() -> None:
    shown = {
        header
        for path in sources("cpp/bindings/*", "cpp/pictrieve/*")
        if path.suffix in {".h", ".cpp"}
        for header in includes(path)
        if header.startswith("pictrieve/") and header.split("/")[1] not in path.parts
    }
    wrong = [
        f"{header} includes {library}"
        for header in sorted(shown)
        if (ROOT / "cpp" / header).exists()
        for library in includes(ROOT / "cpp" / header)
        if library.startswith(PRIVATE_HEADERS)
    ]
    assert not wrong, "\n".join(wrong)


LIMITS = {"header": 150, "source": 300, "test": 400}
GENERATED = {"unicode_tables.cpp"}


def test_no_file_is_too_long_to_read_in_one_sitting() -> None:
    wrong = []
    for path in sources("*.h", "*.cpp", "*.py"):
        if path.name in GENERATED:
            continue
        kind = "test" if "tests" in path.parts else "header" if path.suffix == ".h" else "source"
        lines = len(path.read_text(encoding="utf-8").splitlines())
        if lines > LIMITS[kind]:
            wrong.append(f"{path.relative_to(ROOT)}: {lines} lines, at most {LIMITS[kind]}")
    assert not wrong, "\n".join(wrong)


def python_function_lengths(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) and len(node.body) > 1 else node.body
            last = body[-1].end_lineno or body[-1].lineno
            found.append((node.name, last - body[0].lineno + 1))
    return found


def cpp_function_lengths(path: Path) -> list[tuple[str, int]]:
    """Lengths of blocks that open at the end of a line which is not a namespace, class, struct or enum."""
    found, start, name, depth_at = [], 0, "", -1
    depth = 0
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        code = re.sub(r'"(\\.|[^"\\])*"|\'(\\.|[^\'\\])\'|//.*', "", line)
        opens_block = code.rstrip().endswith("{") and not re.search(
            r"\b(namespace|class|struct|enum|union|extern)\b", code
        )
        if depth_at < 0 and opens_block and not re.search(r"=\s*\{$", code.rstrip()):
            depth_at, start, name = depth, number, code.strip()
        depth += code.count("{") - code.count("}")
        if depth_at >= 0 and depth <= depth_at:
            found.append((name, number - start + 1))
            depth_at = -1
    return found


@pytest.mark.parametrize(("pattern", "measure"), [("*.py", python_function_lengths), ("*.cpp", cpp_function_lengths)])
def test_no_function_is_longer_than_forty_lines(pattern: str, measure) -> None:  # type: ignore[no-untyped-def]
    wrong = []
    for path in sources(pattern):
        if path.name in GENERATED or "tests" in path.parts or "benchmarks" in path.parts:
            continue
        limit = 100 if path.name.startswith("bind_") else 42  # signature and closing brace beside forty lines of body
        wrong += [f"{path.relative_to(ROOT)}: {name} has {n} lines" for name, n in measure(path) if n > limit]
    assert not wrong, "\n".join(wrong)


def test_python_modules_keep_to_their_layer() -> None:
    wrong = []
    for path in sources("python/pictrieve/*.py", "python/pictrieve/*/*.py"):
        text = path.read_text(encoding="utf-8")
        area = path.relative_to(ROOT / "python" / "pictrieve").parts[0].removesuffix(".py")
        if area != "finetune" and re.search(r"^(import torch|from torch)", text, re.MULTILINE):
            wrong.append(f"{path.relative_to(ROOT)} imports torch at module level")
        allowed = PYTHON_LAYERS.get(area)
        imported = set(re.findall(r"^from pictrieve\.(\w+)", text, re.MULTILINE)) - {"_core", area}
        if allowed is not None and imported - allowed:
            wrong.append(f"{path.relative_to(ROOT)} imports {sorted(imported - allowed)}")
    assert not wrong, "\n".join(wrong)


def test_the_version_is_stated_once() -> None:
    stated = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(encoding="utf-8"), re.MULTILINE)
    assert stated is not None
    assert pictrieve.__version__ == stated.group(1)
    assert f"## {stated.group(1)}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
