"""Other processes: a fresh Python, and the page from its start to its first answer."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from searchdemo.errors import SearchDemoError

ROOT = Path(__file__).parents[2]  # where `import searchdemo` finds it, in a checkout and where it is installed
APP = (sys.executable, "-m", "searchdemo", "app")
PATIENCE_S = 120.0
POLL_S = 0.02
# Nothing is downloaded while a clock runs.
OFFLINE = {"HF_HUB_OFFLINE": "1", "GRADIO_ANALYTICS_ENABLED": "False"}


def python_seconds(code: str) -> float:
    """The time from starting an interpreter to its end. Raises SearchDemoError when the code fails."""
    started = time.perf_counter()
    run_python(code)
    return time.perf_counter() - started


def run_python(code: str, *arguments: str | Path, what: str = "") -> str:
    """The output of the code in a new interpreter. what: the code's name in the SearchDemoError when it fails."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        env=os.environ | OFFLINE,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        what = what or f"`python -c '{code.strip().splitlines()[0]}'`"
        raise SearchDemoError(f"{what} failed: {last_line(done.stderr)}")
    return done.stdout


def app_seconds(data_dir: Path | None = None, out_dir: Path | None = None, app: Sequence[str] = APP) -> float:
    """The time from starting `python -m searchdemo app` until its page answers. Raises as `running_app` does."""
    started = time.perf_counter()
    with running_app(data_dir, out_dir, app):
        return time.perf_counter() - started


def resident_bytes_in(statm: Path) -> int | None:
    """The resident memory of a process by its file below /proc; None where the system has no such file."""
    try:
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None


@dataclass(frozen=True)
class RunningApp:
    """The page in a process of its own."""

    port: int
    process: subprocess.Popen
    said: int  # descriptor of the file that it writes errors to

    def resident_bytes(self) -> int | None:
        """On Linux, else None."""
        return resident_bytes_in(Path(f"/proc/{self.process.pid}/statm"))

    def cpu_seconds(self) -> float:
        """That it computed so far, on all cores; NaN where the system has no /proc."""
        try:
            ticks = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]  # proc(5)
            return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        except OSError:
            return float("nan")

    def ended(self) -> bool:
        return self.process.poll() is not None

    def traces(self) -> int:
        """Stack traces in its log."""
        return os.pread(self.said, os.fstat(self.said).st_size, 0).count(b"Traceback (most recent call last)")


@contextlib.contextmanager
def running_app(data_dir: Path | None = None, out_dir: Path | None = None, app: Sequence[str] = APP) -> Iterator[int]:
    """As `watched_app`, its port alone."""
    with watched_app(data_dir, out_dir, app) as running:
        yield running.port


@contextlib.contextmanager
def watched_app(
    data_dir: Path | None = None, out_dir: Path | None = None, app: Sequence[str] = APP
) -> Iterator[RunningApp]:
    """Starts `python -m searchdemo app`, waits until its page answers, and stops it at the end.

    Raises SearchDemoError when it ends before that, or does not answer within PATIENCE_S.
    """
    port = free_port()
    command = [*app, "--port", str(port)]
    for option, folder in (("--data", data_dir), ("--out-dir", out_dir)):
        if folder is not None:
            command += [option, str(Path(folder).absolute())]  # the process runs in another folder than this one
    with tempfile.TemporaryFile("w+") as said:
        started = time.perf_counter()
        page = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | OFFLINE,
            stdout=subprocess.DEVNULL,
            stderr=said,
            start_new_session=True,  # so that its own children are stopped with it
        )
        try:
            while not answers(port):
                if page.poll() is not None:
                    said.seek(0)
                    raise SearchDemoError(f"The page ended before it answered: {last_line(said.read())}")
                if time.perf_counter() - started > PATIENCE_S:
                    raise SearchDemoError(f"The page did not answer within {PATIENCE_S:g} s of its start.")
                time.sleep(POLL_S)
            yield RunningApp(port, page, said.fileno())
        finally:
            stop(page)


def stop(process: subprocess.Popen) -> None:
    """Kills the process, and where there are process groups its children too."""
    with contextlib.suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, signal.SIGKILL)
        else:  # Windows
            process.kill()
    process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(port: int) -> bool:
    """Whether the page at this port answers with 200, whatever proxy the environment names."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://127.0.0.1:{port}/", timeout=5) as answer:
            return answer.status == 200
    except OSError:  # URLError and HTTPError are among them
        return False


def last_line(text: str) -> str:
    return (text.strip().splitlines() or ["it said nothing"])[-1]
