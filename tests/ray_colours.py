"""An encoder for the workers of a Ray cluster, who import this file: it notes what it was given, and can be killed."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np

from tests.conftest import MeanColour

PATIENCE_S = 120


class Noting(MeanColour):
    """`passes` in its folder has the pictures of each pass, and `workers` one file per process.

    A file `all` names how many workers have to be there before one goes on; one `kill` kills the process that finds it,
    at the end of a pass, before its rows are sent; `lost` then has the pictures of that pass.
    """

    def __init__(self, folder: Path, weights_sha256: str = "ab" * 32):
        super().__init__(weights_sha256)
        self.folder = folder

    def encode_pixels(self, pixels: np.ndarray) -> np.ndarray:
        with (self.folder / "passes").open("a") as file:  # one write at the end of a file is whole
            file.write(f"{len(pixels)}\n")
        (workers := self.folder / "workers").mkdir(exist_ok=True)
        (workers / str(os.getpid())).touch()
        if (every := self.folder / "all").exists():
            end = time.monotonic() + PATIENCE_S
            while len(list(workers.iterdir())) < int(every.read_text()) and time.monotonic() < end:
                time.sleep(0.01)
        try:
            (self.folder / "kill").unlink()
        except FileNotFoundError:
            return super().encode_pixels(pixels)
        (self.folder / "lost").write_text(str(len(pixels)))
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError("it lives")


def embedded(folder: Path) -> int:
    """Pictures that passed any encoder so far."""
    return sum(map(int, (folder / "passes").read_text().split()))


def workers(folder: Path) -> int:
    return len(list((folder / "workers").iterdir()))


def load(folder: Path, weights_sha256: str = "ab" * 32) -> Noting:
    return Noting(folder, weights_sha256)
