"""Files from the Hugging Face hub: from its cache, or fetched with progress and resume.

Fetched by ourselves and handed to huggingface_hub's cache when whole: since 2.0 that library throws a
partial file away, and without a network it retries for most of a minute before it says so.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from searchdemo.files import sha256_of

Progress = Callable[[int, int], None]  # (bytes here, bytes in all)
T = TypeVar("T")

REACH_S = 2.0  # the hub answers within this, or counts as out of reach
STALL_S = 10.0  # without a byte, and the connection counts as lost
CHUNK_BYTES = 1 << 20


def endpoint() -> str:
    """The hub's address, by the environment as it is now."""
    return os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")


def home(variable: str, name: str) -> Path:
    """Where the Hugging Face libraries keep things, by the environment as it is now and without importing them."""
    if folder := os.environ.get(variable):
        return Path(folder).expanduser()
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return Path(os.environ.get("HF_HOME", f"{cache}/huggingface")).expanduser() / name


def repo_folder(repo: str, kind: str = "model") -> Path:
    """Of a repository within the hub's cache. kind: "model" | "dataset"."""
    return home("HF_HUB_CACHE", "hub") / f"{kind}s--{repo.replace('/', '--')}"


def cached(repo: str, filename: str, kind: str = "model", revision: str = "main") -> Path | None:
    """The file of a revision, if this machine has it. No request, no import."""
    ref = repo_folder(repo, kind) / "refs" / revision
    commit = ref.read_text().strip() if ref.is_file() else revision
    path = repo_folder(repo, kind) / "snapshots" / commit / filename
    return path if path.is_file() else None


def fetch(
    repo: str, filename: str, progress: Progress | None = None, kind: str = "model", revision: str = "main"
) -> Path:
    """The path of a file in the hub's cache: without a request when it is there, else fetched.

    What came before a drop-out stays, and the next call goes on from there.
    Raises OSError with the reason in words: within 3 s when the hub is out of reach.
    """
    if path := cached(repo, filename, kind, revision):
        return path

    from huggingface_hub import get_hf_file_metadata, hf_hub_download, hf_hub_url
    from huggingface_hub.utils import WeakFileLock

    url = hf_hub_url(repo, filename, repo_type=kind, revision=revision, endpoint=endpoint())
    try:
        metadata = within(REACH_S, lambda: get_hf_file_metadata(url, timeout=REACH_S, endpoint=endpoint()))
        if not (metadata.etag and metadata.commit_hash and metadata.size is not None):
            raise OSError("it does not answer as a hub does")
        blobs = repo_folder(repo, kind) / "blobs"
        blobs.mkdir(parents=True, exist_ok=True)
        partial = blobs / f"{metadata.etag}.searchdemo.incomplete"
        with WeakFileLock(partial.with_suffix(".lock")):
            if path := cached(repo, filename, kind, revision):  # somebody else fetched it while we waited
                return path
            _fill(partial, url, metadata.size, progress or (lambda done, total: None))
            _check(partial, metadata.etag)
            partial.replace(blobs / metadata.etag)
            # The cache has the bytes now; the library adds the revision and the name.
            cache = home("HF_HUB_CACHE", "hub")
            return Path(
                hf_hub_download(repo, filename, repo_type=kind, revision=revision, endpoint=endpoint(), cache_dir=cache)
            )
    except Exception as error:  # httpx's and the library's errors share no base, and change names with their versions
        raise OSError(f"tried {url}, {reason(error)}") from error


def within(seconds: float, ask: Callable[[], T]) -> T:
    """ask(), or TimeoutError: no time-out of a socket covers the look-up of a host's name."""
    answer: dict = {}

    def run():
        try:
            answer["value"] = ask()
        except Exception as error:  # handed to the thread that waits
            answer["error"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not answer:
        raise TimeoutError(f"no answer within {seconds:.0f} s")
    if "error" in answer:
        raise answer["error"]
    return answer["value"]


def reason(error: Exception) -> str:
    """What went wrong with a request, in a few words."""
    status = getattr(getattr(error, "response", None), "status_code", None)
    said = f"the answer was {status}" if status else (str(error).strip() or type(error).__name__).splitlines()[0]
    return said.rstrip(".")


def _fill(partial: Path, url: str, total: int, progress: Progress) -> None:
    """Appends to the partial file until it has all bytes; after a drop-out goes on, as long as that gets anywhere."""
    partial.touch()
    while (before := partial.stat().st_size) < total:
        try:
            _append(partial, url, total, progress)
        except Exception:
            if partial.stat().st_size <= before:
                raise
    progress(total, total)


def _append(partial: Path, url: str, total: int, progress: Progress) -> None:
    from huggingface_hub.utils import build_hf_headers, get_session, hf_raise_for_status

    done = partial.stat().st_size
    headers = build_hf_headers() | {"Range": f"bytes={done}-", "Accept-Encoding": "identity"}
    with get_session().stream("GET", url, headers=headers, timeout=STALL_S) as response, partial.open("ab") as file:
        hf_raise_for_status(response)
        if response.status_code != 206:  # the whole file, though a part was asked for
            file.truncate(done := 0)
        for chunk in response.iter_bytes(CHUNK_BYTES):
            file.write(chunk)
            done += len(chunk)
            progress(done, total)


def _check(partial: Path, etag: str) -> None:
    """The hub names a large file by its SHA-256 (64 hexadecimal digits); a small one by its git hash."""
    if len(etag) == 64 and sha256_of(partial) != etag:
        partial.unlink()
        raise OSError("what arrived is not what the hub holds (its SHA-256 differs)")
