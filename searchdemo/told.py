"""What an error of the system or of a library says to a person: one sentence with the value, the reason, the fix."""

from __future__ import annotations

import errno
import sqlite3
import subprocess
from pathlib import Path

HOME = "set SEARCHDEMO_HOME to another folder"
NETWORK = (
    "look whether the network and a proxy (HTTPS_PROXY, NO_PROXY) are right, or stay offline with HF_HUB_OFFLINE=1"
)
DEBUG = "the option --debug shows where it happened"
LIBRARIES_OF_NETS = {"httpx", "httpcore", "requests", "urllib3", "huggingface_hub", "ssl", "socket", "http"}
MOST = 300  # characters of what a library said

FIXES = {
    errno.ENOSPC: f"make room, or {HOME} (temporary files follow TMPDIR)",
    errno.EFBIG: f"raise the limit on the size of files (ulimit -f), or {HOME}",
    errno.EROFS: HOME,
    errno.EACCES: f"give your account the right to it, or {HOME}",
    errno.EPERM: f"give your account the right to it, or {HOME}",
    errno.ENOENT: "name one that is there",
    errno.ENOTDIR: f"a file lies where a folder is needed: move it, or {HOME}",
    errno.EEXIST: f"a file lies where a folder is needed: move it, or {HOME}",
    errno.EISDIR: "a folder lies where a file is needed: name a file",
    errno.ENOTEMPTY: "another process wrote there meanwhile: try again",
    errno.ENAMETOOLONG: "choose a shorter name or path",
    errno.ELOOP: "its links lead in a circle: mend them",
    errno.EMFILE: "raise the limit on open files (ulimit -n)",
    errno.ENFILE: "the system has too many open files: close other programs",
    errno.ENOMEM: "there is not enough memory: close other programs, or ask for less with --limit",
    errno.EAGAIN: "the system has too many processes or too little memory: close other programs, and try again",
    errno.EIO: f"the disk reports a fault: look at it, or {HOME}",
    errno.EBUSY: "another program uses it: wait for it to finish",
    errno.ETXTBSY: "another program uses it: wait for it to finish",
    errno.EXDEV: f"it lies on another disk: {HOME}",
    errno.EADDRINUSE: "choose another port with --port N",
    errno.EADDRNOTAVAIL: "choose an address of this machine with --host",
    **dict.fromkeys(
        (
            *(errno.ECONNREFUSED, errno.ECONNRESET, errno.ECONNABORTED, errno.ETIMEDOUT),
            *(errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN),
        ),
        NETWORK,
    ),
}
if hasattr(errno, "EDQUOT"):
    FIXES[errno.EDQUOT] = FIXES[errno.ENOSPC]


# What no change of the code mends: no room, no right, no memory, a database that is in use
OF_THE_MACHINE = {errno.ENOSPC, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE, errno.ENFILE}
OF_THE_MACHINE |= {errno.ENOMEM, errno.EIO, getattr(errno, "EDQUOT", errno.ENOSPC)}


def of_the_machine(error: BaseException) -> str | None:
    """The sentence of an error that the machine causes and its owner can mend; None for any other."""
    if isinstance(error, (MemoryError, sqlite3.OperationalError)):
        return sentence(error)
    return sentence(error) if isinstance(error, OSError) and error.errno in OF_THE_MACHINE else None


def sentence(error: BaseException) -> str | None:
    """None for an error that only a mistake in the code can explain; its traceback says more."""
    if isinstance(error, MemoryError):
        return f"There is not enough memory: {FIXES[errno.ENOMEM].partition(': ')[2]}."
    if isinstance(error, sqlite3.Error):
        return (
            f"A database in the folder of searchdemo cannot be used ({_said(error)}): wait for other processes of it "
            f"to finish, make room, or {HOME}."
        )
    if isinstance(error, ImportError):
        return f"A library cannot be loaded ({_said(error)}): install what is missing, or install searchdemo again."
    if isinstance(error, FileNotFoundError) and "temporary directory" in (error.strerror or ""):
        return f"Temporary files have no place ({error.strerror}): set TMPDIR to a folder that can be written to."
    if isinstance(error, FileNotFoundError) and error.filename is None and not _has_current_folder():
        return f"The current folder was deleted ({error.strerror}): change to one that is there."
    if isinstance(error, OSError) and error.errno in FIXES:
        return f"{_place(error)} ({error.strerror}): {FIXES[error.errno]}."
    if _is_of_the_net(error):
        return f"The network does not answer as it should ({_said(error)}): {NETWORK}."
    if isinstance(error, OSError):
        return f"{_place(error)} ({error.strerror or _said(error)}): try again; {DEBUG}."
    if isinstance(error, (RuntimeError, subprocess.SubprocessError, UnicodeError)):
        return f"A library gave up ({_said(error)}): try again; {DEBUG}."
    return None


def _has_current_folder() -> bool:
    try:
        Path.cwd()
        return True
    except FileNotFoundError:
        return False


def _place(error: OSError) -> str:
    """ "'a/b' cannot be used", with both files where two were named."""
    names = [f"{name!r}" for name in (error.filename, error.filename2) if name is not None]
    return f"{' and '.join(names)} cannot be used" if names else "The system refused"


def _is_of_the_net(error: BaseException) -> bool:
    """By their module, because the libraries' errors share no base."""
    return any(kind.__module__.partition(".")[0] in LIBRARIES_OF_NETS for kind in type(error).__mro__) or isinstance(
        error, (ConnectionError, TimeoutError)
    )


def _said(error: BaseException) -> str:
    """The first line, without the place in a library's source that some put before it."""
    first = (str(error).strip() or type(error).__name__).splitlines()[0]
    if first.startswith("Error in ") and ": " in first:  # FAISS: "Error in void f(...) at file.cpp:1: Error: ..."
        first = first.rpartition(": ")[2]
    return first[:MOST].rstrip(". ") or type(error).__name__
