"""What may be found in the place of a file that was whole: each of these, in tests."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

KINDS = ("empty", "null", "list", "object", "half", "noise", "folder")


def damaged(path: Path, kind: str) -> None:
    """Puts it in the place of the file."""
    whole = path.read_bytes()
    if kind == "folder":
        path.unlink()
        path.mkdir()
        return
    texts = {"empty": b"", "null": b"null", "list": b"[]", "object": b"{}", "half": whole[: len(whole) // 2]}
    path.write_bytes(texts[kind] if kind in texts else random.Random(path.name).randbytes(max(len(whole), 40)))


def pairs(files: list[Path]) -> Iterator[tuple[Path, str]]:
    """Each file with a third of the damages, so that each damage meets a third of the files; all of them with
    SEARCHDEMO_TEST_EVERY=1."""
    every = int(os.environ.get("SEARCHDEMO_TEST_EVERY") or 3)
    for (number, path), (other, kind) in itertools.product(enumerate(files), enumerate(KINDS)):
        if (number + other) % every == 0:
            yield path, kind


def files(root: Path) -> list[Path]:
    """All but locks, which hold nothing, relative to the root."""
    return sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")


@contextlib.contextmanager
def restored(root: Path) -> Iterator[None]:
    """Whatever happens to the folder, it is afterwards as it was."""
    kept = root.with_name(f"{root.name}-kept")
    if not kept.exists():
        shutil.copytree(root, kept, symlinks=True)
    try:
        yield
    finally:
        shutil.rmtree(root)
        shutil.copytree(kept, root, symlinks=True, copy_function=_linked)


def _linked(source: str, target: str) -> None:
    """A copy of its own, because a damage writes into the file."""
    shutil.copyfile(source, target)
    os.utime(target)
