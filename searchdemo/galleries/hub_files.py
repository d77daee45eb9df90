"""Files of a data set of the Hugging Face hub, downloaded into its cache with progress, one revision of all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from searchdemo import hub
from searchdemo.errors import NoPictures
from searchdemo.types import Count

OTHERWISE = "give a copy on this machine"


def listing(repo: str, revision: str | None = None, otherwise: str = OTHERWISE) -> tuple[str, dict[str, int]]:
    """The commit of a revision, None for the newest, and the bytes of each of its files.

    otherwise: what else a person can do. Raises NoPictures, within 3 s when the hub is out of reach.
    """
    try:
        from huggingface_hub import HfApi

        api = HfApi(endpoint=hub.endpoint())
        ask = partial(api.dataset_info, repo, revision=revision, files_metadata=True, timeout=hub.reach_s())
        info = hub.within(hub.reach_s(), ask)
        return str(info.sha), {file.rfilename: file.size or 0 for file in info.siblings or []}
    except Exception as error:  # httpx's and the library's errors share no base, and change names with their versions
        raise unfetched(repo, error, otherwise) from error


def download(
    repo: str,
    wanted: Callable[[str], bool],
    progress: Count | None = None,
    otherwise: str = OTHERWISE,
    revision: str | None = None,
) -> tuple[Path, str]:
    """Fetches those files of a revision, None for the newest. It goes on where a broken download stopped.

    wanted: told the name of each file; otherwise: see `listing`.
    Returns the folder with the files, and the revision. Raises NoPictures, within 3 s when the hub is out of reach.
    """
    commit, files = listing(repo, revision, otherwise)
    chosen = {name: size for name, size in files.items() if wanted(name)}
    before, total = 0, sum(chosen.values())
    for name, size in chosen.items():
        try:
            hub.fetch(repo, name, partial(_report, progress, before, total), kind="dataset", revision=commit)
        except OSError as error:
            raise unfetched(repo, error, otherwise) from error
        before += size
    return hub.repo_folder(repo, "dataset") / "snapshots" / commit, commit


def unfetched(repo: str, error: Exception, otherwise: str = OTHERWISE) -> NoPictures:
    fix = "go online and try again"
    if hub.status_of(error) in (401, 403, 404):
        fix = "see that the name is right, and where it is private set HF_TOKEN to a token that may read it"
    return NoPictures(
        f"The pictures of {repo} could not be fetched from {hub.endpoint()}/datasets/{repo}: "
        f"{hub.reason(error)}; {fix}, or {otherwise}."
    )


def _report(progress: Count | None, before: int, total: int, done: int, _: int) -> None:
    """Tells the progress of one file as that of all files."""
    if progress is not None:
        progress(before + done, total)
