"""Files of a data set of the Hugging Face hub, downloaded into its cache with progress, one revision of all."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from searchdemo import hub
from searchdemo.errors import NoPictures
from searchdemo.types import Count


def download(
    repo: str,
    wanted: Callable[[str], bool],
    progress: Count | None = None,
    revision: str | None = None,
    otherwise: str = "give a copy on this machine",
) -> tuple[Path, str]:
    """Fetches those files of a revision, None for the newest. It goes on where a broken download stopped.

    wanted: told the name of each file. otherwise: what else a person can do.
    Returns the folder with the files, and the revision. Raises NoPictures, within 3 s when the hub is out of reach.
    """
    try:
        from huggingface_hub import HfApi

        api = HfApi(endpoint=hub.endpoint())
        ask = partial(api.dataset_info, repo, revision=revision, files_metadata=True, timeout=hub.REACH_S)
        info = hub.within(hub.REACH_S, ask)
        commit, files = str(info.sha), info.siblings or []
        chosen = {file.rfilename: file.size or 0 for file in files if wanted(file.rfilename)}
        before, total = 0, sum(chosen.values())
        for name, size in chosen.items():
            hub.fetch(repo, name, partial(_report, progress, before, total), kind="dataset", revision=commit)
            before += size
    except Exception as error:  # httpx's and the library's errors share no base, and change names with their versions
        raise NoPictures(
            f"The pictures of {repo} could not be fetched from {hub.endpoint()}/datasets/{repo}: "
            f"{hub.reason(error)}; go online and try again, or {otherwise}."
        ) from error
    return hub.repo_folder(repo, "dataset") / "snapshots" / commit, commit


def _report(progress: Count | None, before: int, total: int, done: int, _: int) -> None:
    """Tells the progress of one file as that of all files."""
    if progress is not None:
        progress(before + done, total)
