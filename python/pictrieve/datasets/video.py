"""Frames of a video as pictures of a data set, decoded when asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from pictrieve.datasets.columns import optional
from pictrieve.datasets.dataset import Dataset
from pictrieve.datasets.reading import StrPath

# Decoders may leave out the first frames after a jump, those that refer to frames before it: then from further back.
_SEEK_BACK = (0, 2, 10, None)


class Frames(Sequence[NDArray[np.uint8]]):
    """Frames of a video by their time stamps, as RGB pixels. Read forward, each packet is decoded once.

    Not safe to share between threads: encoders read in one.
    """

    def __init__(self, path: Path, stamps: Sequence[int]) -> None:
        """Hold the file and the time stamps, in the stream's own unit."""
        self._path, self._stamps = path, list(stamps)
        self._decoded: Iterator[Any] = iter(())
        self._container: Any = None
        self._last = math.inf  # stamp of the frame given last; infinite where nothing is open

    def __len__(self) -> int:
        """Count the frames."""
        return len(self._stamps)

    def __getitem__(self, row: Any) -> Any:
        """Decode one frame: uint8 `(H, W, 3)`.

        Raises:
            ValueError: The video is damaged.
        """
        stamp = self._stamps[row]
        try:
            found = self._forward(stamp) if stamp > self._last else None
            for seconds in _SEEK_BACK:
                if found is None:
                    self._open(stamp, seconds)
                    found = self._forward(stamp)
        except (OSError, ValueError) as error:  # PyAV's errors are of these
            raise ValueError(f"{self._path}: expected a frame at time stamp {stamp}, got {error}") from error
        if found is None:
            raise ValueError(f"{self._path}: expected a frame at time stamp {stamp}, got none; the video is damaged")
        return found

    def _forward(self, stamp: int) -> NDArray[np.uint8] | None:
        """Decode up to a frame; None where it does not come."""
        for frame in self._decoded:
            if frame.pts is not None and frame.pts >= stamp:
                self._last = frame.pts
                return np.asarray(frame.to_ndarray(format="rgb24")) if frame.pts == stamp else None
        return None

    def _open(self, stamp: int, seconds: int | None) -> None:
        """Go to a whole picture (key frame) at least so many seconds before a time stamp; None begins at the start."""
        self.close()
        self._container = optional("av", "datasets", "VideoFrames").open(str(self._path))
        stream = self._container.streams.video[0]
        if seconds is not None:
            self._container.seek(stamp - int(seconds / stream.time_base), stream=stream)
        self._decoded, self._last = self._container.decode(stream), -math.inf

    def close(self) -> None:
        """Close the file; the next frame opens it again."""
        if self._container is not None:
            self._container.close()
        self._container, self._decoded, self._last = None, iter(()), math.inf

    def pick(self, rows: Sequence[int]) -> Frames:
        """Keep some frames."""
        return Frames(self._path, [self._stamps[row] for row in rows])

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open file behind."""
        return {"path": self._path, "stamps": self._stamps}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start closed."""
        Frames.__init__(self, state["path"], state["stamps"])


def VideoFrames(
    path: StrPath, every: float = 1.0, unit: Literal["seconds", "frames"] = "seconds", *, name: str | None = None
) -> Dataset:
    """Sample a video: the first frame, and then one frame every so many seconds or frames.

    Only packet heads are read here; a frame is decoded when `ds.images()` is asked for it. Where frames come at
    unequal times, "seconds" goes by their time stamps: the first frame at or after each multiple.

    Args:
        path: A video in any format that FFmpeg reads.
        every: Distance of two samples, above 0; whole where the unit is frames.
        unit: "seconds" or "frames".
        name: What reports call the data set.

    Returns:
        Pictures named "video.mp4/000000120.png" by the number of the frame; metadata `frame` and `seconds`.

    Raises:
        FileNotFoundError: No such file.
        ImportError: PyAV is absent: the extra "datasets".
        ValueError: No video in the file, or `every` is out of range.
    """
    if unit not in ("seconds", "frames"):
        raise ValueError(f"unit: expected seconds or frames, got {unit!r}")
    if not every > 0 or math.isinf(every) or (unit == "frames" and every != int(every)):
        raise ValueError(f"every: expected a number above 0, whole for frames, got {every}")
    file = Path(path)
    if not file.is_file():
        raise FileNotFoundError(2, "VideoFrames: no such video", str(path))
    stamps, base = _stamps(file)
    seconds = [float((stamp - stamps[0]) * base) for stamp in stamps]
    chosen = list(range(0, len(stamps), int(every))) if unit == "frames" else _every_seconds(seconds, every)
    return Dataset(
        [file / f"{number:09d}.png" for number in chosen],
        name=name or file.name,
        metadata={"frame": chosen, "seconds": [seconds[number] for number in chosen]},
        contents=Frames(file, [stamps[number] for number in chosen]),
    )


def _stamps(path: Path) -> tuple[list[int], Fraction]:
    """Give the time stamps of all frames in the order in which they are shown, and their unit in seconds."""
    av = optional("av", "datasets", "VideoFrames")
    try:
        with av.open(str(path)) as container:
            stream = next(iter(container.streams.video), None)
            packets = [] if stream is None else list(container.demux(stream))
            base = Fraction(1) if stream is None else stream.time_base
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: expected a video, got {error}") from error
    stamps = sorted({packet.pts for packet in packets if packet.pts is not None and packet.size})
    if not stamps:
        raise ValueError(f"{path}: expected a video with frames, got none")
    return stamps, base


def _every_seconds(seconds: list[float], every: float) -> list[int]:
    wanted = np.arange(0, int(seconds[-1] / every + 1e-9) + 1) * every
    found = np.searchsorted(np.array(seconds), wanted - 1e-6)  # time stamps are rounded to the stream's unit
    return [int(row) for row in np.unique(found)]
