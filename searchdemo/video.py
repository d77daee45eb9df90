"""Videos as pictures: a frame wherever the scene changes, by PyAV. Only key frames are decoded, one at a time."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import IO, Any

import numpy as np

from searchdemo.errors import BadPicture
from searchdemo.jpeg import smaller_jpeg

PACKAGE = "av"
STARTS = {  # first bytes -> the MIME type of the container
    b"\x1aE\xdf\xa3": "video/x-matroska",
    b"\0\0\x01\xba": "video/mpeg",  # MPEG's program stream, as on a DVD
    b"\0\0\x01\xb3": "video/mpeg",
    b"0&\xb2u\x8ef\xcf\x11": "video/x-ms-asf",  # WMV
    b"FLV\x01": "video/x-flv",
    b".RMF": "application/vnd.rn-realmedia",
}
BOXES = (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")  # that a QuickTime file may begin with
# Brands of the same container whose files are no videos: pictures, camera RAW and sound
STILL_BRANDS = (b"avif", b"avis", b"crx ", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
SOUND_BRANDS = (b"M4A ", b"M4B ", b"M4P ", b"F4A ", b"F4B ")
PACKETS = ((0, 188), (4, 192))  # where packets of MPEG's transport stream begin, and how far apart: broadcasts, cameras
LONGEST_S = 10.0  # a scene that goes on gets a frame so often
SHORTEST_S = 1.0  # between two frames
CHANGE = 24.0  # of 255: the mean difference of two frames of 16 x 16 pixels that is a change of scene
MOST_FRAMES = 2000  # of one video; those of a longer one are further apart
MAX_PIXELS = 50_000_000  # of a frame, which takes three times as many bytes
SIDE = 1280  # the longer side of a frame, pixels
QUALITY = 92


def media_type(start: bytes) -> str:
    """The MIME type of a video by its first 512 bytes; "" of any other file, whatever its name is.

    Containers that hold sound alone cannot be told apart so; `scenes` refuses them.
    """
    box, brand = start[4:8], start[8:12]
    if box == b"ftyp":
        still = brand in STILL_BRANDS or brand in SOUND_BRANDS
        return "" if still else "video/quicktime" if brand == b"qt  " else "video/mp4"
    if box in BOXES and start[0] < 9:  # their length comes first, and no text begins with such a character
        return "video/quicktime"
    if start.startswith(b"\x1aE\xdf\xa3") and b"webm" in start[:64]:
        return "video/webm"
    if start.startswith(b"RIFF"):
        return "video/x-msvideo" if brand == b"AVI " else ""
    if start.startswith(b"OggS"):
        return "video/ogg" if b"\x80theora" in start or b"\x01video" in start else ""
    for first, apart in PACKETS:
        places = range(first, min(len(start), 512), apart)
        if len(places) > 2 and all(start[place] == ord("G") for place in places):
            return "video/mp2t"
    return next((kind for wanted, kind in STARTS.items() if start.startswith(wanted)), "")


def named(path: str, seconds: float) -> str:
    """ "clip.mp4#t=12.500": a frame, as media fragments of the W3C are written."""
    return f"{path}#t={seconds:.3f}"


def is_named_as_frame(path: str) -> bool:
    return re.search(r"#t=\d+\.\d{3}$", path) is not None


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
    for start in (seconds, 0.0):  # a transport stream may be entered too late: then it is read from its beginning
        with _opened(source) as (container, stream):
            if start:
                container.seek(int(start * 1e6), backward=True)
            stream.codec_context.skip_frame = "NONKEY"
            for frame in container.decode(stream):
                if frame.time is None or max(frame.time, 0.0) < seconds - 0.002:
                    continue
                if frame.time < seconds + 0.002:
                    return smaller_jpeg(frame.to_image(), SIDE, QUALITY)
                break
    raise BadPicture(f"This video has no frame at {seconds:.1f} s any more.")


class _opened:  # noqa: N801 a context, as a function would be
    """(container, its first stream of pictures). Raises BadPicture for what is none, and for what breaks meanwhile."""

    def __init__(self, source: Path | IO[bytes]):
        self._source = source

    def __enter__(self) -> tuple[Any, Any]:
        av = importlib.import_module(PACKAGE)
        self._errors = av.error.FFmpegError, OSError, ValueError, IndexError
        if not isinstance(self._source, Path):
            self._source.seek(0)
        try:
            self._container = av.open(str(self._source) if isinstance(self._source, Path) else self._source)
        except self._errors as error:
            raise BadPicture(f"This video cannot be read ({_reason(error)}).") from error
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
            raise BadPicture(f"This video is damaged ({_reason(error)}).") from error


def _reason(error: object) -> str:
    """Without the path and the number that errors of FFmpeg carry: videos are counted by their reason."""
    return getattr(error, "strerror", None) or str(error)
