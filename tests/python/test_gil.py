"""Long calls leave the interpreter to others, answer Ctrl-C, and survive a fork."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

import pictrieve as pt


def progress_of_another_thread(work: Callable[[], object]) -> tuple[int, float]:
    """Count the steps that a second Python thread makes while `work` runs once; also give the seconds it took."""
    steps = 0
    running = threading.Event()
    stop = threading.Event()

    def count() -> None:
        nonlocal steps
        running.set()
        while not stop.is_set():
            steps += 1
            time.sleep(0.001)

    other = threading.Thread(target=count)
    other.start()
    running.wait()
    steps, start = 0, time.perf_counter()
    work()
    seconds, made = time.perf_counter() - start, steps
    stop.set()
    other.join()
    return made, seconds


def encode_pictures() -> object:
    encoder = pt.ImageEncoder("efficientnet_lite0", weights="random")
    picture = np.zeros((224, 224, 3), np.uint8)
    return lambda: encoder.encode([picture] * 64)


def encode_texts() -> object:
    encoder = pt.TextEncoder("minilm")
    texts = [f"a photo of {n} red apples on a wooden table" for n in range(400)]
    return lambda: encoder.encode(texts)


def search() -> object:
    index = pt.Index(128)
    rows = np.random.default_rng(0).standard_normal((50_000, 128)).astype(np.float32)
    index.add(rows)
    return lambda: index.search(rows[:3000], 10)


def draw_weights() -> object:
    network = pt.finetune.Network("image", "resnet50")
    return lambda: network._core.random_state(1)


def read_weights() -> object:
    found = pt.models.resolve("minilm")
    network = pt.finetune.Network("text", found.architecture, found.config)
    return lambda: [network._core.state_from_file(str(found.weights)) for _ in range(5)]


def rename_weights() -> object:
    network = pt.finetune.Network("image", "resnet50")
    state = dict(network.state_dict())
    return lambda: [network._core.from_layout(state, "") for _ in range(5)]


@pytest.mark.parametrize("make", [encode_pictures, encode_texts, search, draw_weights, read_weights, rename_weights])
def test_another_thread_advances(make: Callable[[], Callable[[], object]]) -> None:
    work = make()
    work()
    steps, seconds = progress_of_another_thread(work)
    assert seconds > 0.05, "the work is too short to tell"
    # A thread that sleeps 1 ms a step makes a few hundred steps a second; while the lock is held it makes none.
    assert steps > 50 * seconds


INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np, pictrieve as pt
{setup}
work()  # warm
def interrupt():
    time.sleep(0.3)
    global sent
    sent = time.perf_counter()
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=interrupt, daemon=True).start()
try:
    for _ in range(1000):
        work()
except KeyboardInterrupt:
    print("answered", time.perf_counter() - sent)
"""

SETUPS = {
    "images": "e = pt.ImageEncoder('efficientnet_lite0', weights='random')\n"
    "work = lambda: e.encode([np.zeros((2000, 3000, 3), np.uint8)] * 64)",
    "texts": "e = pt.TextEncoder('minilm')\nwork = lambda: e.encode(['a long line of words ' * 30] * 600)",
    "search": "i = pt.Index(128); x = np.random.default_rng(0).standard_normal((60000, 128)).astype('f4'); i.add(x)\n"
    "work = lambda: i.search(x[:20000], 10)",
}


@pytest.mark.parametrize("name", SETUPS)
def test_ctrl_c_is_answered_within_half_a_second(name: str) -> None:
    script = INTERRUPTED.format(setup=SETUPS[name])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.startswith("answered"), done.stderr
    assert float(done.stdout.split()[1]) < 0.5


def test_a_forked_child_can_encode() -> None:
    encoder = pt.ImageEncoder("efficientnet_lite0", weights="random")
    picture = np.zeros((64, 64, 3), np.uint8)
    expected = encoder.encode([picture] * 20)  # threads have run in the parent
    child = os.fork()
    if child == 0:
        os._exit(0 if np.array_equal(encoder.encode([picture] * 20), expected) else 1)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        finished, status = os.waitpid(child, os.WNOHANG)
        if finished:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.05)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the forked child hangs")
