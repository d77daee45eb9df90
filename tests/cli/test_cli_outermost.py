"""Whatever ends a command is told in one sentence: errors of the system, the network and libraries, and signals."""

from __future__ import annotations

import errno
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from searchdemo import cli
from searchdemo.guard import BAD_INPUT, INTERRUPTED, TERMINATED, guarded
from searchdemo.told import FIXES, sentence
from tests.cli_tools import ROOT


def network_errors() -> list[Exception]:
    import httpx
    from huggingface_hub.errors import LocalEntryNotFoundError

    return [
        httpx.ConnectError("All connection attempts failed"),
        httpx.ReadTimeout("timed out"),
        httpx.InvalidURL("Invalid port: 'x'"),
        LocalEntryNotFoundError("nothing in the cache"),
        socket.gaierror(-2, "Name or service not known"),
        ssl.SSLCertVerificationError("certificate has expired"),
        ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"),
        TimeoutError("no answer within 2 s"),
    ]


ERRORS = [
    (
        OSError(errno.ENOSPC, "No space left on device", "a.npy"),
        "'a.npy' cannot be used (No space left on device): ",
    ),
    (
        OSError(errno.ENOSPC, "No space left on device"),
        "The system refused (No space left on device): make room, or",
    ),
    (
        PermissionError(errno.EACCES, "Permission denied", "a"),
        "'a' cannot be used (Permission denied): give your",
    ),
    (OSError(errno.EROFS, "Read-only file system", "a"), "set SEARCHDEMO_HOME to another folder"),
    (FileExistsError(errno.EEXIST, "File exists", "/home/x"), "a file lies where a folder is needed"),
    (NotADirectoryError(errno.ENOTDIR, "Not a directory", "/x/y"), "a file lies where a folder is needed"),
    (FileNotFoundError(errno.ENOENT, "No such file or directory", "x"), "name one that is there"),
    (FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']"), "set TMPDIR to a folder"),
    (OSError(errno.EMFILE, "Too many open files"), "ulimit -n"),
    (OSError(errno.EADDRINUSE, "Address already in use"), "--port N"),
    (OSError("Cannot find empty port in range: 7860-7959."), "Cannot find empty port in range: 7860-7959"),
    (OSError(), "OSError"),
    (MemoryError(), "There is not enough memory: close other programs, or ask for less with --limit."),
    (sqlite3.OperationalError("database is locked"), "(database is locked): wait for other processes"),
    (sqlite3.DatabaseError("file is not a database"), "(file is not a database)"),
    (
        ImportError("libgomp.so.1: cannot open shared object file"),
        "A library cannot be loaded (libgomp.so.1: cannot",
    ),
    (RuntimeError("Error in void faiss::f(int) at x.cpp:9: Error: 'a > 0' failed\nmore"), "gave up ('a > 0' failed)"),
    (RuntimeError(), "(RuntimeError)"),
    (UnicodeEncodeError("ascii", "ü", 0, 1, "ordinal not in range"), "'ascii' codec can't encode"),
    (subprocess.CalledProcessError(-9, ["python"]), "died with"),
]


@pytest.mark.parametrize(("error", "said"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS])
def test_errors_of_the_system_and_of_libraries_get_one_sentence(error, said, monkeypatch, complaint):
    def fails():
        raise error

    monkeypatch.setattr("searchdemo.cli.list.encoders", fails)
    told = complaint("list")
    assert said in told and told.endswith(".") and "\n" not in told
    with pytest.raises(type(error)):
        cli.main(["list", "--debug"])


@pytest.mark.parametrize("number", range(len(network_errors())))
def test_errors_of_the_network_name_the_proxy_and_the_way_to_stay_offline(number):
    told = sentence(network_errors()[number])
    assert "HTTPS_PROXY" in told and "HF_HUB_OFFLINE=1" in told


def test_each_fix_belongs_to_an_error_that_the_system_has():
    assert all(os.strerror(number) and fix for number, fix in FIXES.items())
    assert sentence(KeyError("x")) is None and sentence(TypeError("x")) is None


@pytest.mark.parametrize(("raised", "code"), [(KeyboardInterrupt, INTERRUPTED), (signal.SIGTERM, TERMINATED)])
def test_signals_close_what_a_command_has_open(raised, code, capsys):
    closed = []

    def command() -> int:
        try:
            if raised is KeyboardInterrupt:
                raise KeyboardInterrupt
            os.kill(os.getpid(), raised)
            signal.pause()
        finally:
            closed.append("all")
        return 0

    before = signal.getsignal(signal.SIGTERM)
    assert guarded(command) == code and closed == ["all"]
    assert capsys.readouterr().err == "searchdemo: stopped\n" and signal.getsignal(signal.SIGTERM) == before


def ended(shell: str, **environment: str) -> tuple[int, str]:
    """Exit code and stderr of a command line in which $S is the program."""
    given = os.environ | {"S": f"{sys.executable} -m searchdemo"} | environment
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {shell}"], cwd=ROOT, env=given, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs /dev/full and bash")
def test_output_that_cannot_be_written():
    code, said = ended("$S list > /dev/full")
    assert code == BAD_INPUT and said.count("\n") == 1 and "No space left on device" in said
    code, said = ended("$S --help | true")
    assert (code, said) in [(0, ""), (141, "")]
    assert ended("$S --version >&-")[0] == 0
    code, said = ended("$S list >&-")
    assert code == BAD_INPUT and said.startswith("searchdemo: The answer has no place: the standard output is closed.")


def test_a_current_folder_that_was_deleted_is_told(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError) as raised:
        Path.cwd()
    assert sentence(raised.value).startswith("The current folder was deleted (No such file or directory): change to")


def test_a_home_that_is_a_file(tmp_path):
    (tmp_path / "home").write_text("")
    built = "$S build --gallery scenes --limit 20 --json >/dev/null"
    code, said = ended(built, SEARCHDEMO_HOME=str(tmp_path / "home"))
    assert code == BAD_INPUT and said.splitlines()[-1].startswith("searchdemo: ") and "Traceback" not in said
    assert "set SEARCHDEMO_HOME to a" in said


def test_ctrl_c_while_it_is_loading(tmp_path):
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nclass Slow:\n def find_spec(self, name, *rest):\n  if name == 'searchdemo.cli':\n"
        "   raise KeyboardInterrupt\nsys.meta_path.insert(0, Slow())\n"
    )
    assert ended("$S list", PYTHONPATH=str(tmp_path)) == (INTERRUPTED, "searchdemo: stopped\n")


def test_commands_start_where_python_strips_docstrings():
    command = [sys.executable, "-OO", "-m", "searchdemo", "search", "--help"]
    assert b"--min-probability" in subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout


def test_garbage_is_collected_seldom_while_a_command_loads():
    code = (
        "import atexit, gc\nfrom searchdemo.__main__ import command\n"
        "atexit.register(lambda: print(gc.get_stats()[0]['collections']))\ncommand()"
    )
    command = [sys.executable, "-c", code, "search", "--gallery", "scenes", "--row", "3"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert int(said.splitlines()[-1]) < 60  # by Python's own setting 140


ENDS = """
import atexit, sys, threading, time
from searchdemo.guard import leave
class Last:
    def __del__(self): print("taken apart")
last = Last()
atexit.register(print, "atexit")
threading.Thread(target=lambda: (time.sleep(0.2), print("waited for"))).start()
if sys.argv[1:]: threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
leave(7)
"""


@pytest.mark.parametrize(
    ("given", "said"), [([], ["waited for", "atexit", "taken apart"]), (["daemon"], ["waited for", "atexit"])]
)
def test_python_is_not_taken_apart_while_daemon_threads_run(given, said):
    done = subprocess.run([sys.executable, "-c", ENDS, *given], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.splitlines(), done.stderr) == (7, said, "")
