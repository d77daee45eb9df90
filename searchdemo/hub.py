"""Files of the Hugging Face hub: found in its cache, or downloaded with progress and resume.

This file downloads by itself and hands whole files to huggingface_hub's cache. Since 2.0 that library deletes a partial
file, and without a network it tries again for most of a minute before it says so.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path
from typing import Any, TypeVar

from searchdemo.files import UNWRITABLE, expanded, sha256_of, unwritable
from searchdemo.types import Count

T = TypeVar("T")
log = logging.getLogger(__name__)

REACH_S = 2.0  # the hub answers within this, or counts as out of reach; HF_HUB_ETAG_TIMEOUT sets another
STALL_S = 10.0  # a connection that brings no byte for so long counts as lost; HF_HUB_DOWNLOAD_TIMEOUT sets another
CHUNK_BYTES = 1 << 20
SHA256_DIGITS = 64


def endpoint() -> str:
    """The hub's address, as the environment sets it now."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def reach_s() -> float:
    return _seconds("HF_HUB_ETAG_TIMEOUT", REACH_S)


def stall_s() -> float:
    return _seconds("HF_HUB_DOWNLOAD_TIMEOUT", STALL_S)


def _seconds(variable: str, default: float) -> float:
    """What the hub's own library is set to by the environment, which knows how slow the way there is."""
    try:
        return float(os.environ.get(variable) or default)
    except ValueError:
        return default


def home(variable: str, name: str) -> Path:
    """The folder of the Hugging Face libraries that this environment variable sets, else their default `name`."""
    if folder := os.environ.get(variable):
        return expanded(folder)
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return expanded(os.environ.get("HF_HOME", f"{cache}/huggingface")) / name


def repo_folder(repo: str, kind: str = "model") -> Path:
    """The folder of a repository in the hub's cache. kind: "model" | "dataset"."""
    return home("HF_HUB_CACHE", "hub") / f"{kind}s--{repo.replace('/', '--')}"


def cached(repo: str, filename: str, kind: str = "model", revision: str = "main") -> Path | None:
    """The file of a revision if this machine has it. It sends no request and imports nothing."""
    ref = repo_folder(repo, kind) / "refs" / revision
    commit = ref.read_text(errors="replace").strip() if ref.is_file() else revision
    path = repo_folder(repo, kind) / "snapshots" / commit / filename
    return path if path.is_file() else None


def fetch(repo: str, filename: str, progress: Count | None = None, kind: str = "model", revision: str = "main") -> Path:
    """The path of a file in the hub's cache. A file that is not there is downloaded first.

    After a broken connection the partial file stays, and the next call goes on from there.
    progress: called with (bytes here, bytes in all).
    Raises OSError with the reason in words: within 3 s when the hub is out of reach. Raises NotWritten without room.
    """
    if path := cached(repo, filename, kind, revision):
        return path

    from huggingface_hub import hf_hub_download, hf_hub_url
    from huggingface_hub.utils import WeakFileLock

    url = hf_hub_url(repo, filename, repo_type=kind, revision=revision, endpoint=endpoint())
    try:
        metadata = _metadata(url)
        blobs = repo_folder(repo, kind) / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        partial = blobs / f"{metadata.etag}.searchdemo.incomplete"
        with WeakFileLock(partial.with_suffix(".lock")):
            if path := cached(repo, filename, kind, revision):  # it was fetched while this call waited for the lock
                return path
            started = time.perf_counter()
            log.info("downloading %s, %.1f MB", url, metadata.size / 1e6)
            _fill(partial, url, metadata.size, progress or (lambda done, total: None))
            _check(partial, metadata.etag)
            partial.replace(blobs / metadata.etag)
            # The cache has the bytes now; the library adds the revision and the name.
            cache = home("HF_HUB_CACHE", "hub")
            path = Path(
                hf_hub_download(repo, filename, repo_type=kind, revision=revision, endpoint=endpoint(), cache_dir=cache)
            )
            log.info("downloaded %s, %.1f MB in %.1f s", url, metadata.size / 1e6, time.perf_counter() - started)
            return path
    except Exception as error:  # httpx's and the library's errors share no base, and change names with their versions
        log.info("the download of %s failed: %s", url, reason(error))
        if isinstance(error, OSError) and error.errno in UNWRITABLE:
            raise unwritable(repo_folder(repo, kind), error.strerror or reason(error), "HF_HUB_CACHE") from error
        raise OSError(f"tried {url}, {reason(error)}") from error


def identity(repo: str, filename: str, kind: str = "model", revision: str = "main") -> tuple[str, str]:
    """(commit, SHA-256) of a large file of the hub. Raises OSError with the reason in words."""
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repo, filename, repo_type=kind, revision=revision, endpoint=endpoint())
    try:
        metadata = _metadata(url)
        if len(metadata.etag) != SHA256_DIGITS:
            raise OSError("it names no SHA-256 of it")
    except Exception as error:  # as in `fetch`
        raise OSError(f"tried {url}, {reason(error)}") from error
    return metadata.commit_hash, metadata.etag


def _metadata(url: str) -> Any:
    """What the hub says of a file: etag, commit_hash and size. Raises what its library does, and OSError."""
    from huggingface_hub import get_hf_file_metadata

    metadata = within(reach_s(), lambda: get_hf_file_metadata(url, timeout=reach_s(), endpoint=endpoint()))
    if not (metadata.etag and metadata.commit_hash and metadata.size is not None):
        raise OSError("it does not answer as a hub does")
    return metadata


def part_of(repo: str, filename: str, revision: str, start: int, end: int, kind: str = "dataset") -> bytes:
    """The bytes from start to end of a file of the hub. Raises OSError with the reason in words."""
    from huggingface_hub import hf_hub_url
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    url = hf_hub_url(repo, filename, repo_type=kind, revision=revision, endpoint=endpoint())
    headers = build_hf_headers() | {"Range": f"bytes={start}-{end - 1}", "Accept-Encoding": "identity"}
    try:
        with get_session().stream("GET", url, headers=headers, timeout=stall_s()) as response:
            hf_raise_for_status(response)
            if response.status_code != 206:
                raise OSError("it sends no parts of files")
            return b"".join(response.iter_bytes())
    except Exception as error:  # as in `fetch`
        raise OSError(f"tried {url}, {reason(error)}") from error


def within(seconds: float, ask: Callable[[], T]) -> T:
    """The result of ask(), or its error. Raises TimeoutError when ask() takes longer.

    A thread keeps the time, because no time-out of a socket covers the look-up of a host's name.
    """
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except Exception as error:  # handed to the thread that waits
            answer.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    if not wait([answer], seconds).done:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    return answer.result()


def status_of(error: BaseException) -> int | None:
    """Of the answer that an error is about, or of the error that it came from; None: there was no answer."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    return status_of(error.__cause__) if status is None and error.__cause__ else status


def reason(error: Exception) -> str:
    """Why a request failed, in a few words."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = f"the answer was {status}" if status else (str(error).strip() or type(error).__name__).splitlines()[0]
    return said.rstrip(".")


def _fill(partial: Path, url: str, total: int, progress: Count) -> None:
    """Appends to the partial file until it has all bytes. It goes on after a broken connection that brought some."""
    partial.touch()
    if partial.stat().st_size > total:
        log.warning("%s is longer than the file that it is a part of, and is begun again", partial)
        os.truncate(partial, 0)
    while (before := partial.stat().st_size) < total:
        try:
            _append(partial, url, total, progress)
        except Exception:
            if partial.stat().st_size <= before:
                raise
    progress(total, total)


def _append(partial: Path, url: str, total: int, progress: Count) -> None:
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    done = partial.stat().st_size
    headers = build_hf_headers() | {"Range": f"bytes={done}-", "Accept-Encoding": "identity"}
    with get_session().stream("GET", url, headers=headers, timeout=stall_s()) as response, partial.open("ab") as file:
        hf_raise_for_status(response)
        if response.status_code != 206:  # the server sends the whole file, though a part was asked for
            file.truncate(done := 0)
        for chunk in response.iter_bytes(CHUNK_BYTES):
            if done + len(chunk) > total:
                file.truncate(0)  # what came cannot be the file
                raise OSError(f"more bytes arrive than the {total:,} that the hub announced")
            file.write(chunk)
            done += len(chunk)
            progress(done, total)


def _check(partial: Path, etag: str) -> None:
    """The hub names a large file by its SHA-256; a small one by its git hash."""
    if len(etag) == SHA256_DIGITS and sha256_of(partial) != etag:
        partial.unlink()
        raise OSError("the file that arrived is not the one that the hub holds (its SHA-256 differs)")
