"""Videos as pictures of a folder: frames where the scene changes, known by their content, each at its time."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from colours import Colours
from PIL import Image, ImageColor

from searchdemo import video
from searchdemo.collection.library import Library
from searchdemo.collection.query import Query
from searchdemo.collection.store import Key, Store
from searchdemo.errors import BadPicture
from searchdemo.formats import kind_of
from searchdemo.galleries.base import Frame
from searchdemo.galleries.table import open_gallery
from searchdemo.galleries.uploaded import open_uploaded
from searchdemo.pictures import open_picture
from tests.test_pictures import near

SCENES = {"red": 4, "lime": 3, "blue": 25}  # colour -> seconds


def made(path: Path, scenes: dict[str, int] = SCENES, rate: int = 4, codec: str = "mpeg4", format: str = "") -> Path:
    """A video of plain colours, with a key frame each second. format: of the container, else by the suffix."""
    av = pytest.importorskip("av")
    with av.open(str(path), "w", format=format or None) as container:
        stream = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.gop_size = rate
        for colour, seconds in scenes.items():
            frame = av.VideoFrame.from_image(Image.new("RGB", (64, 48), colour))
            for _ in range(seconds * rate):
                container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    return made(tmp_path_factory.mktemp("video") / "clip.mp4")


def colour_of(picture: bytes) -> str:
    pixel = open_picture(picture).getpixel((20, 20))
    return next(name for name in SCENES if near(pixel, ImageColor.getrgb(name), 24))


def test_a_frame_stands_for_each_scene_and_a_long_one_gets_more(clip):
    assert video.scenes(clip) == [0, 4, 7, 17, 27]
    assert [colour_of(video.frame_at(clip, at)) for at in (0, 4, 7, 27)] == ["red", "lime", "blue", "blue"]
    assert video.frame_at(io.BytesIO(clip.read_bytes()), 4.0) == video.frame_at(clip, 4.0)


def test_a_long_video_has_a_bounded_number_of_frames(clip, monkeypatch):
    monkeypatch.setattr(video, "MOST_FRAMES", 2)
    found = video.scenes(clip)
    assert len(found) == 2 and found[1] >= 16


CONTAINERS = {  # format -> codec, and the MIME type by the first bytes
    "mp4": ("mpeg4", "video/mp4"),
    "3gp": ("mpeg4", "video/mp4"),
    "mov": ("mpeg4", "video/quicktime"),
    "matroska": ("mpeg4", "video/x-matroska"),
    "webm": ("libvpx", "video/webm"),
    "avi": ("mpeg4", "video/x-msvideo"),
    "mpegts": ("mpeg2video", "video/mp2t"),
    "vob": ("mpeg2video", "video/mpeg"),
    "mpeg2video": ("mpeg2video", "video/mpeg"),
    "flv": ("flv", "video/x-flv"),
    "asf": ("mpeg4", "video/x-ms-asf"),
}


@pytest.mark.parametrize("format", CONTAINERS)
def test_a_video_is_known_by_its_content_under_any_name(tmp_path, format):
    codec, kind = CONTAINERS[format]
    rate = 25 if codec == "mpeg2video" else 4  # of the few that it knows
    data = made(tmp_path / "clip", {"red": 1}, rate, codec, format).read_bytes()
    assert video.media_type(data[:512]) == kind
    for name in ("clip", "clip.dat", "clip.jpg"):
        assert kind_of(io.BytesIO(data), name) == "video"
    gallery = open_uploaded("upload:x", [tmp_path / "clip"])
    assert gallery.file(0).startswith("clip#t=") and colour_of(gallery.pictures.encoded(0)) == "red"


@pytest.mark.parametrize(
    "start",
    [
        b"\0\0\0\x1cftypavif" + bytes(16),
        b"\0\0\0\x18ftypcrx " + bytes(16),
        b"\0\0\0\x1cftypM4A " + bytes(16),
        b"OggS\0\x02" + bytes(22) + b"\x01vorbis",
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"The wide road, which is free to skip",
        b"GIF89a" + b"G" * 400,
        b"",
    ],
)
def test_what_only_looks_like_a_video_is_none(start):
    assert kind_of(io.BytesIO(start), "file") != "video"


def test_a_picture_that_is_named_like_a_video_is_a_picture_and_the_reverse(clip, tmp_path):
    Image.new("RGB", (64, 48), "lime").save(tmp_path / "photo.mp4", "PNG")
    shutil.copy(clip, tmp_path / "film.jpg")
    shutil.copy(clip, tmp_path / "film")
    (tmp_path / "film#t=4.000").write_bytes((tmp_path / "photo.mp4").read_bytes())  # named as a frame of it
    pictures = open_gallery(f"folder:{tmp_path}").pictures
    frames = {pictures.file(row): pictures.frame(row) for row in range(len(pictures))}
    assert sum(name.startswith("film.jpg#t=") for name in frames) == 5 and len(frames) == 11
    assert frames["photo.mp4"] is None and frames["film#t=4.000"] is None
    assert frames["film#t=7.000"] == Frame("film", 7.0, tmp_path / "film")


def test_a_moved_folder_of_one_long_video_is_found(clip, tmp_path):
    (tmp_path / "old").mkdir()
    shutil.copy(clip, tmp_path / "old" / "clip")
    library = OneEncoder(Store(own=tmp_path / "own", shipped=tmp_path / "nothing"))
    library.build(Key(f"folder:{tmp_path / 'old'}", "bundled"))
    (tmp_path / "old").rename(tmp_path / "new")
    assert open_gallery(f"folder:{tmp_path / 'new'}").former == f"folder:{tmp_path / 'old'}"


def test_what_is_no_video_is_told(tmp_path, clip):
    whole = clip.read_bytes()
    for content in (b"", b"\0\0\0\x18ftypmp42" + bytes(8), whole[:300], b"no video"):
        with pytest.raises(BadPicture):
            video.scenes(io.BytesIO(content))
    with pytest.raises(BadPicture, match="too large: 64 x 48"), pytest.MonkeyPatch.context() as patched:
        patched.setattr(video, "MAX_PIXELS", 1000)
        video.scenes(clip)
    with pytest.raises(BadPicture, match="no frame at 99"):
        video.frame_at(clip, 99)


class OneEncoder(Library):
    def encoder(self, name, progress=None):
        return Colours()


def test_frames_are_pictures_of_their_folder_and_looked_for_once(clip, tmp_path, monkeypatch):
    folder = tmp_path / "mine"
    folder.mkdir()
    shutil.copy(clip, folder / "clip.mp4")
    Image.new("RGB", (64, 48), "lime").save(folder / "green.png")
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(8))
    library = OneEncoder(Store(own=tmp_path / "own", shipped=tmp_path / "nothing"))
    key = Key(f"folder:{folder}", "bundled")
    artifact = library.build(key)
    collection = library.open(key.gallery, "bundled")
    # Some are the same picture: one is embedded, too, where it is opened before the vector of another is there.
    contents = {collection.gallery.pictures.key(row) for row in collection.gallery_rows(np.arange(6)).tolist()}
    assert artifact.manifest.vectors == 6 and len(contents) <= artifact.manifest.built["embedded"] <= 6
    assert list(collection.gallery.report.unreadable) == ["broken.mp4"]
    found = collection.search(Query(text="green"), "flat", 2).hits
    assert {hit.file for hit in found} <= {"clip.mp4#t=4.000", "green.png"}
    late = collection.search(Query(text="blue"), "flat", 9, where="video = 'clip.mp4' and seconds > 10").hits
    assert sorted(hit.file for hit in late) == ["clip.mp4#t=17.000", "clip.mp4#t=27.000"]
    blue = collection.search(Query(text="blue"), "flat", 1).hits[0]
    assert blue.file.startswith("clip.mp4#t=") and colour_of(blue.picture) == "blue"
    # Another time, also under another name, no video is looked through and nothing is embedded
    monkeypatch.setattr("searchdemo.galleries.frames.scenes", lambda path: pytest.fail("it was looked through again"))
    (folder / "clip.mp4").rename(folder / "renamed.mp4")
    again = library.catch_up(key)
    assert (again.manifest.built["embedded"], again.manifest.vectors) == (0, 6)
    renamed = library.open(key.gallery, "bundled").search(Query(text="blue"), "flat", 1).hits[0]
    assert renamed.file.replace("renamed", "clip") == blue.file and renamed.row == blue.row


def test_frames_of_a_video_that_was_brought(clip):
    gallery = open_uploaded("upload:x", [clip])
    files = [gallery.file(row) for row in range(len(gallery.pictures))]
    assert gallery.pictures.frame(1) == Frame("clip.mp4", 4.0)
    assert files == [f"clip.mp4#t={at}.000" for at in (0, 4, 7, 17, 27)]
    assert np.asarray(open_picture(gallery.pictures.encoded(0))).shape == (48, 64, 3)


def test_without_the_package_videos_are_counted_with_the_command_that_takes_them(tmp_path, monkeypatch):
    (tmp_path / "clip.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(8))
    Image.new("RGB", (8, 8)).save(tmp_path / "d.png")
    for module in ("galleries.looked", "galleries.report", "formats"):
        monkeypatch.setattr(f"searchdemo.{module}.is_installed", lambda package: False)
    report = open_gallery(f"folder:{tmp_path}").report
    assert report.skipped == {"video": ("clip.mp4",)}
    assert "To take video files, run `pip install av`." in " ".join(report.lines())
