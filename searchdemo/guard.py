"""The outermost layer: runs a command, and turns what ends it into a sentence on stderr and an exit code."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

from searchdemo.errors import SearchDemoError
from searchdemo.told import sentence

BAD_INPUT = 2  # exit codes; this one of whatever is told in a sentence
INTERRUPTED, BROKEN_PIPE, TERMINATED = 130, 141, 143  # 128 + the number of the signal
DEBUG = "--debug"


class Terminated(KeyboardInterrupt):
    """SIGTERM, which closes what Ctrl-C closes: uploads and temporary folders go, what a build has finished stays."""


def guarded(command: Callable[[], int], debug: bool = False) -> int:
    """The exit code of command(). debug: its error keeps the traceback, as one always does that nobody foresaw."""
    try:
        with _terminable():
            try:
                return command()
            finally:
                if sys.stdout is not None:
                    sys.stdout.flush()  # here, where its error can still be told
    except Terminated:
        return _tell("stopped", TERMINATED)
    except KeyboardInterrupt:
        return _tell("stopped", INTERRUPTED)
    except BrokenPipeError:  # `... | head` has read enough
        _drop_output()
        return BROKEN_PIPE
    except Exception as error:
        said = str(error) if isinstance(error, SearchDemoError) else sentence(error)
        if debug or said is None:
            raise
        _drop_output()
        return _tell(said, BAD_INPUT)


def leave(code: int) -> NoReturn:
    """Ends the process as sys.exit does, but does not take Python apart while daemon threads still run.

    One that comes back from FAISS then, such as a build that a visitor of the page began, ends the process by
    "terminate called without an active exception", with an exit code that no command has.
    """
    if not any(thread.daemon for thread in threading.enumerate()):
        sys.exit(code)
    with contextlib.suppress(KeyboardInterrupt):  # whoever presses Ctrl-C again waits no longer
        threading._shutdown()  # type: ignore[attr-defined]  # waits for all others, as Python does at its end
    atexit._run_exitfuncs()
    _drop_output()
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.flush()
    os._exit(code)


def _tell(said: str, code: int) -> int:
    with contextlib.suppress(OSError, ValueError):  # stderr may be closed as well
        if sys.stderr is not None:
            print("searchdemo:", " ".join(said.split()), file=sys.stderr, flush=True)
    return code


def _drop_output() -> None:
    """What could not be written is not tried again: else Python complains when it flushes at exit."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError, AttributeError):
        with contextlib.suppress(OSError, ValueError, AttributeError):  # a stream of a test has no number
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM is raised as Terminated in the main thread; a second one ends the process as ever."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def terminate(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        raise Terminated

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
