"""What a machine may have that keeps the page or a command from starting: each is got round, or told in a sentence."""

from __future__ import annotations

import functools
import io
import os
import pwd
import socket
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import pytest

from searchdemo import cli, temporary
from searchdemo.bench.child import answers, free_port
from searchdemo.errors import BadQuery
from searchdemo.files import own_folder
from searchdemo.pictures import open_picture
from searchdemo.ui import surroundings
from searchdemo.ui.start import hub_within_reach
from searchdemo.ui.surroundings import address, check_port, prepare
from tests.cli_tools import ROOT
from tests.test_picture_kinds import icon
from tests.test_pictures import encoded, noise


def test_a_proxy_is_not_asked_for_this_machine():
    import httpx

    environ = {"HTTP_PROXY": "http://127.0.0.1:9", "NO_PROXY": "intranet"}
    prepare(environ)
    assert environ["NO_PROXY"] == "intranet,localhost,127.0.0.1,::1" and environ["HTTP_PROXY"]
    with pytest.MonkeyPatch.context() as patched:
        for name, value in environ.items():
            patched.setenv(name, value)
        client = httpx.Client()
        through = [
            type(client._transport_for_url(httpx.URL(url))).__name__ for url in ("http://a.org", "http://[::1]:1")
        ]
        direct = client._transport_for_url(httpx.URL("http://127.0.0.1:7860"))
        assert direct is client._transport and client._transport_for_url(httpx.URL("http://a.org")) is not direct
        assert len(through) == 2


def test_uploads_go_to_a_folder_of_this_process(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(temporary, "folder", functools.cache(temporary.folder.__wrapped__))
    (tmp_path / "gradio").mkdir(mode=0)  # of another user
    environ: dict[str, str] = {}
    prepare(environ)
    own = Path(environ["GRADIO_TEMP_DIR"]).parent
    assert own == temporary.folder() and own.parent == tmp_path and own.is_dir()
    assert tempfile.gettempdir() == str(own)
    chosen = {"GRADIO_TEMP_DIR": "/chosen"}
    prepare(chosen)
    assert chosen["GRADIO_TEMP_DIR"] == "/chosen"


def test_folders_of_processes_that_were_killed_are_removed_and_those_of_living_ones_stay(tmp_path):
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    code = "from searchdemo import temporary; print(temporary.folder(), flush=True); input()"

    def started() -> tuple[subprocess.Popen, Path]:
        command = [sys.executable, "-c", code]
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        return process, Path(process.stdout.readline().strip())

    killed, left = started()
    (left / "upload.png").write_bytes(b"x")
    killed.kill()
    killed.communicate()
    (tmp_path / "searchdemo-somebody's").mkdir()
    living, held = started()
    assert not left.exists() and held.is_dir()
    temporary.sweep(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {held.name, "searchdemo-somebody's"}
    living.communicate("\n")
    assert not held.exists()


@pytest.mark.parametrize(
    ("host", "given"), [(None, None), ("0.0.0.0", "0.0.0.0"), ("::1", "[::1]"), ("[::1]", "[::1]"), ("", None)]
)
def test_addresses_as_gradio_takes_them(host, given, monkeypatch):
    monkeypatch.delenv("GRADIO_SERVER_NAME", raising=False)
    assert address(host) == given
    monkeypatch.setenv("GRADIO_SERVER_NAME", "::")
    assert address(host) == (given or "[::]")


def test_a_port_that_is_taken_is_told_before_anything_is_loaded(complaint, monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        said = complaint("app", "--port", str(port))
        assert (
            f"The page cannot be served at port {port} of this machine (Address already in use): choose another" in said
        )
        assert "--port N" in said
        monkeypatch.setenv("GRADIO_SERVER_PORT", str(port))
        with pytest.raises(BadQuery, match="--port N"):
            check_port(None, None)
    check_port(None, port)
    check_port(None, None)
    monkeypatch.delenv("GRADIO_SERVER_PORT")
    with pytest.raises(BadQuery, match=r"served at no.such.host.invalid \(.*--host"):
        check_port("no.such.host.invalid", None)


def test_addresses_and_ports_that_are_none():
    with pytest.raises(BadQuery, match="99,999 is no port"):
        check_port(None, 99_999)
    with pytest.raises(BadQuery, match=r"port 7860 of no.such.host.invalid .*--host"):
        check_port("no.such.host.invalid", 7860)
    with pytest.raises(BadQuery, match=r"port 7860 of 192\.0\.2\.1 .*--host"):
        check_port("192.0.2.1", 7860)  # reserved for documents: no machine has it


def test_a_page_that_is_slow_to_answer_itself_is_served_all_the_same(monkeypatch):
    """On a busy machine gradio waited 3 s for its own page, and ended it in a stack trace."""
    import gradio as gr
    from starlette.responses import Response
    from starlette.routing import Route

    from searchdemo.ui.demo import Demo

    monkeypatch.setattr(gr.networking, "url_ok", lambda url: False)
    with Demo(analytics_enabled=False) as demo:
        gr.HTML("here")
    demo.videos = Route("/none", Response())
    demo.launch(server_port=free_port(), prevent_thread_lock=True, quiet=True)
    try:
        assert answers(demo.server_port)
    finally:
        demo.close()


def test_variables_that_gradio_reads_as_numbers_are_numbers(complaint, monkeypatch):
    environ = {"GRADIO_SERVER_PORT": "", "GRADIO_NUM_PORTS": " 3 ", "GRADIO_TEMP_DIR": "/chosen"}
    prepare(environ)
    assert "GRADIO_SERVER_PORT" not in environ and environ["GRADIO_NUM_PORTS"] == " 3 "
    monkeypatch.setenv("GRADIO_SERVER_PORT", "abc")
    assert "The variable GRADIO_SERVER_PORT is 'abc', which is no number: set it" in complaint("app")


@pytest.mark.parametrize("proxy", ["http://[::1", "http://proxy:99999"])
def test_an_address_that_is_none_counts_as_out_of_reach(proxy, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv("http_proxy", proxy)
    assert not hub_within_reach()
    monkeypatch.delenv("http_proxy")
    monkeypatch.setenv("HF_ENDPOINT", proxy)
    assert not hub_within_reach()


def test_a_page_that_may_address_too_little_memory_is_refused(monkeypatch):
    """Libraries crashed while they were loaded."""
    monkeypatch.setattr(surroundings, "memory_limit", lambda: 900_000_000)
    with pytest.raises(BadQuery, match=r"900,000,000 bytes of memory \(ulimit -v\), and the page needs 2,000,000,000"):
        surroundings.check_memory()
    monkeypatch.setattr(surroundings, "memory_limit", lambda: None)
    surroundings.check_memory()


def test_names_that_the_terminal_cannot_show_are_escaped(monkeypatch):
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    cli.settle()
    print("gr\u00f6\u00dfe/\udcff.png", flush=True)
    assert written.getvalue() == b"gr\\xf6\\xdfe/\\udcff.png\n"


def test_raw_warnings_about_pictures_are_not_shown(recwarn):
    odd = icon(encoded(noise(32, 32), "PNG"))  # said to be of 64 x 64 pixels
    cli.settle()
    assert open_picture(odd).size == (32, 32) and not recwarn.list
    warnings.warn("of another", stacklevel=1)
    assert len(recwarn.list) == 1


def test_without_a_home_and_a_name(monkeypatch, tmp_path):
    for name in ("HOME", "USER", "LOGNAME", "LNAME", "USERNAME", "XDG_CACHE_HOME", "SEARCHDEMO_HOME"):
        monkeypatch.delenv(name, raising=False)

    def unknown(uid):
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    with pytest.raises(RuntimeError):
        own_folder()
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path))
    assert own_folder() == tmp_path
    cli.settle()
    assert Path.home() == tmp_path and os.environ["USER"] == "nobody"
