"""`python -m searchdemo`, `python app.py` and an installed `searchdemo`: what ends them, loading too, is told."""

import gc
import sys
from collections.abc import Sequence
from typing import NoReturn

from searchdemo.guard import DEBUG, guarded, leave

GARBAGE = 10_000  # objects


def main(words: Sequence[str]) -> int:
    def loaded() -> int:
        from searchdemo.cli import run

        return run(words)

    return guarded(loaded, DEBUG in words)


def command(*words: str) -> NoReturn:
    """The whole process. words: stand before those that it was started with."""
    # What a command imports stays, and Python's garbage collection, which by default starts after 700 new objects,
    # looked through it so often that a search took a tenth longer.
    gc.set_threshold(GARBAGE)
    leave(main([*words, *sys.argv[1:]]))


if __name__ == "__main__":
    command()
