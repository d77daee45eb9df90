"""Videos as pictures: a frame wherever the scene changes, by PyAV. Only key frames are decoded, one at a time."""

from __future__ import annotations

import importlib
import re
from io import BytesIO
from pathlib import Path, PurePath
from typing import IO, Any

import numpy as np
from PIL import Image

from searchdemo.errors import BadPicture
from searchdemo.extras import is_installed

PACKAGE = "av"
SUFFIXES = {".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".wmv", ".flv", ".3gp", ".mts", ".m2ts"}
LONGEST_S = 10.0  # a scene that goes on gets a frame so often
SHORTEST_S = 1.0  # between two frames
CHANGE = 24.0  # of 255: the mean difference of two frames of 16 x 16 pixels that is a change of scene
MOST_FRAMES = 2000  # of one video; those of a longer one are further apart
MAX_PIXELS = 50_000_000  # of a frame, which takes three times as many bytes
SIDE = 1280  # the longer side of a frame, pixels
QUALITY = 92
AT = re.compile(r"(.+)#t=(\d+\.\d+)")


def is_video(name: str) -> bool:
    """Whether a file of this name is taken as a video here: by its suffix, and with the package alone."""
    return PurePath(name).suffix.lower() in SUFFIXES and is_installed(PACKAGE)


def named(path: str, seconds: float) -> str:
    """ "clip.mp4#t=12.500": a frame, as media fragments of the W3C are written."""
    return f"{path}#t={seconds:.3f}"


def split(path: str) -> tuple[str, float | None]:
    """The video and the time in seconds of a frame; any other path as it is, and None."""
    found = AT.fullmatch(path)
    if found and PurePath(found[1]).suffix.lower() in SUFFIXES:
        return found[1], float(found[2])
    return path, None


def scenes(source: Path | IO[bytes]) -> list[float]:
    """Seconds of the frames that stand for a video, in ascending order. Raises BadPicture."""
    found: list[float] = []
    latest = np.empty(0, np.float32)
    with _opened(source) as (container, stream):
        seconds = float(container.duration or 0) / 1e6
        longest, shortest = max(LONGEST_S, seconds / MOST_FRAMES), max(SHORTEST_S, seconds / MOST_FRAMES)
        stream.codec_context.skip_frame = "NONKEY"
        for frame in container.decode(stream):
            if frame.time is None or (found and frame.time < found[-1] + shortest):
                continue
            small = frame.reformat(16, 16, "rgb24").to_ndarray().astype(np.float32)
            if not found or frame.time >= found[-1] + longest or np.abs(small - latest).mean() > CHANGE:
                found.append(round(max(frame.time, 0.0), 3))
                latest = small
    if not found:
        raise BadPicture("This video has no frame that can be read.")
    return found[:MOST_FRAMES]


def frame_at(source: Path | IO[bytes], seconds: float) -> bytes:
    """The frame at this time as a JPEG of at most SIDE x SIDE pixels. Raises BadPicture."""
    with _opened(source) as (container, stream):
        container.seek(int(seconds * 1e6), backward=True)
        stream.codec_context.skip_frame = "NONKEY"
        for frame in container.decode(stream):
            if frame.time is not None and frame.time >= seconds - 0.002:
                image: Image.Image = frame.to_image()
                image.thumbnail((SIDE, SIDE))
                buffer = BytesIO()
                image.save(buffer, "JPEG", quality=QUALITY)
                return buffer.getvalue()
    raise BadPicture(f"This video has no frame at {seconds:.1f} s any more.")


class _opened:  # noqa: N801 a context, as a function would be
    """(container, its first stream of pictures). Raises BadPicture for what is none, and for what breaks meanwhile."""

    def __init__(self, source: Path | IO[bytes]):
        self._source = source

    def __enter__(self) -> tuple[Any, Any]:
        av = importlib.import_module(PACKAGE)
        self._errors = av.error.FFmpegError, OSError, ValueError, IndexError
        try:
            self._container = av.open(str(self._source) if isinstance(self._source, Path) else self._source)
        except self._errors as error:
            raise BadPicture(f"This video cannot be read ({error}).") from error
        if not self._container.streams.video:
            self._container.close()
            raise BadPicture("This file holds sound alone.")
        stream = self._container.streams.video[0]
        if stream.width * stream.height > MAX_PIXELS:
            self._container.close()
            raise BadPicture(f"This video is too large: {stream.width} x {stream.height} pixels.")
        return self._container, stream

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        self._container.close()
        if isinstance(error, self._errors):
            raise BadPicture(f"This video is damaged ({error}).") from error
