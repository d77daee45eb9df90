"""The real download path against a hub on loopback: progress, cache, resume, and each way to fail."""

from __future__ import annotations

import hashlib
import itertools
import os
import re
import socket
import threading

import numpy as np
import pytest
from huggingface_hub import close_session
from PIL import Image

from searchdemo import hub as hub_module
from searchdemo.encoders import table
from searchdemo.errors import NoWeights
from searchdemo.ui.start import hub_within_reach
from tests.loopback_hub import nobody, serve
from tests.small_clip import small_clip
from tests.stand_in import stand_in

SIZE = 3_500_000  # bytes: more than three chunks
REPO, FILE = "timm/resnet18.tv_in1k", "model.safetensors"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")


REACH_S = hub_module.REACH_S  # which `serve` replaces


@pytest.fixture
def payload(tmp_path):
    path = tmp_path / "payload"
    path.write_bytes(os.urandom(SIZE))
    return path


@pytest.fixture
def hub(payload, monkeypatch):
    with serve({REPO: {FILE: payload}}, monkeypatch) as hub:
        yield hub


def fetch(progress=None):
    return table.fetch_weights(table.ENCODERS["resnet18"], progress)


@pytest.mark.parametrize("name", ["resnet18", "mobileclip2-s0"])
def test_an_encoder_of_each_library_comes_from_the_hub_once(name, monkeypatch, tmp_path):
    held = stand_in(name) if name == "resnet18" else small_clip(name, tmp_path, monkeypatch)
    spec = table.ENCODERS[name]
    seen = []
    with serve({spec.weights: {spec.hub_file: held}}, monkeypatch) as hub:
        assert table.weights_path(name) is None
        fetched = table.load(name, device="cpu", progress=lambda done, total: seen.append((done, total)))
        asked = len(hub.requests)
        cached = table.load(name, device="cpu", progress=lambda done, total: pytest.fail("fetched twice"))
        assert len(hub.requests) == asked  # the second load asked the hub for nothing
    size = held.stat().st_size
    assert seen == sorted(seen) and seen[-1] == (size, size) and len(seen) > 10
    assert table.weights_path(name).read_bytes() == held.read_bytes()
    assert fetched.weights_sha256 == cached.weights_sha256 == hashlib.sha256(held.read_bytes()).hexdigest()
    assert fetched.stand_in and cached.stand_in
    picture = [Image.linear_gradient("L").convert("RGB")]
    np.testing.assert_array_equal(fetched.encode_images(picture), cached.encode_images(picture))


def test_a_download_is_logged_when_it_starts_and_ends(hub, caplog):
    caplog.set_level("INFO", "searchdemo.hub")
    fetch(), fetch()
    start, end = (record.getMessage() for record in caplog.records)
    assert start == f"downloading {hub.endpoint}/{REPO}/resolve/main/{FILE}, 3.5 MB"
    assert re.fullmatch(rf"downloaded .*/{FILE}, 3\.5 MB in \d+\.\d s", end)


def test_a_failed_download_is_logged(hub, caplog):
    caplog.set_level("INFO", "searchdemo.hub")
    hub.refuse = 503
    with pytest.raises(NoWeights):
        fetch()
    assert re.fullmatch(rf"the download of .*/{FILE} failed: the answer was 503", caplog.messages[-1])


def test_the_library_itself_finds_what_was_fetched(hub, payload):
    from huggingface_hub import try_to_load_from_cache

    path = fetch()
    assert str(path) == try_to_load_from_cache(REPO, FILE, cache_dir=hub_module.home("HF_HUB_CACHE", "hub"))
    assert path.read_bytes() == payload.read_bytes()


def test_the_cache_lies_where_the_library_keeps_it(monkeypatch):
    from huggingface_hub import constants

    monkeypatch.delenv("HF_HUB_CACHE")
    if not os.environ.keys() & {"HF_HOME", "XDG_CACHE_HOME"}:
        assert str(hub_module.home("HF_HUB_CACHE", "hub")).endswith(".cache/huggingface/hub")
    monkeypatch.setenv("HF_HUB_CACHE", constants.HF_HUB_CACHE)
    assert str(hub_module.home("HF_HUB_CACHE", "hub")) == constants.HF_HUB_CACHE


def test_after_a_drop_out_the_download_goes_on_by_itself(hub, payload):
    hub.drop_after = 2_000_000
    assert fetch().read_bytes() == payload.read_bytes()
    assert hub.starts[0] == 0 and len(hub.starts) > 1
    assert all(before < after for before, after in itertools.pairwise(hub.starts))  # nothing was fetched in vain


def test_a_later_call_goes_on_where_the_line_went_dead(hub, payload):
    hub.drop_after = 1_500_000

    def line_goes_dead(done, total):
        hub.refuse = 503

    with pytest.raises(NoWeights, match=r"resnet18.*503.*--weights"):
        fetch(line_goes_dead)
    hub.refuse = hub.drop_after = None
    hub.requests.clear()
    seen = []
    assert fetch(lambda done, total: seen.append(done)).read_bytes() == payload.read_bytes()
    (start,) = hub.starts
    assert start >= 1_000_000
    assert seen[0] > 1_000_000  # progress counts what was here already


def test_what_is_not_what_the_hub_holds_is_thrown_away(hub, payload):
    hub.corrupt = True
    with pytest.raises(NoWeights, match="SHA-256"):
        fetch()
    hub.corrupt = False
    assert fetch().read_bytes() == payload.read_bytes()


def test_no_more_is_written_than_the_hub_announced(hub, tmp_path):
    partial, url = tmp_path / "partial", f"{hub.endpoint}/bytes/{REPO}/resolve/main/{FILE}"
    with pytest.raises(OSError, match="more bytes arrive than the 2,000,000 that the hub announced"):
        hub_module._fill(partial, url, 2_000_000, lambda done, total: None)
    assert partial.stat().st_size == 0


def test_a_partial_file_that_is_too_long_is_begun_again(hub, payload, tmp_path, caplog):
    partial, url = tmp_path / "partial", f"{hub.endpoint}/bytes/{REPO}/resolve/main/{FILE}"
    partial.write_bytes(bytes(SIZE + 1))
    hub_module._fill(partial, url, SIZE, lambda done, total: None)
    assert partial.read_bytes() == payload.read_bytes() and "begun again" in caplog.text


def test_weights_that_the_hub_has_not(hub):
    hub.files.clear()
    with pytest.raises(NoWeights, match=r"resnet18.*/timm/resnet18.tv_in1k/resolve/main/model.safetensors.*404"):
        fetch()


def test_a_page_that_is_no_hub(hub, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", f"{hub.elsewhere}/bytes")  # answers 200 and bytes, as the log-in page of a hotel
    with pytest.raises(NoWeights, match="not answer as a hub"):
        fetch()


@pytest.fixture
def look_ups(monkeypatch):
    """The names of other hosts that are looked up, which never ends for "slow.invalid" and fails for all others."""
    found, look_up, over = [], socket.getaddrinfo, threading.Event()

    def getaddrinfo(host, *given, **options):
        name = host.decode() if isinstance(host, bytes) else host
        if name in ("127.0.0.1", "localhost"):
            return look_up(host, *given, **options)
        found.append(name)
        if name == "slow.invalid":
            over.wait()
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    yield found
    over.set()


@pytest.mark.parametrize("how", ["refused", "silent", "no such host", "a look-up without an end"])
def test_a_hub_out_of_reach_is_asked_once_and_waited_for_no_longer_than_two_seconds(how, hub, look_ups, monkeypatch):
    assert REACH_S == 2  # within three seconds a person knows
    waits, within = [], hub_module.within
    monkeypatch.setattr(hub_module, "REACH_S", 0.3)
    monkeypatch.setattr(hub_module, "within", lambda seconds, ask: waits.append(seconds) or within(seconds, ask))
    with nobody() as address:
        if how == "silent":
            hub.silent.set()
        else:
            addresses = {"refused": address, "no such host": "http://hub.invalid"}
            monkeypatch.setenv("HF_ENDPOINT", addresses.get(how, "http://slow.invalid"))
        with pytest.raises(NoWeights) as caught:
            table.load("resnet18", device="cpu")
    assert waits == [0.3] and len(hub.requests) + len(look_ups) <= 1  # one that comes late is not counted
    sentence = str(caught.value)
    assert "resnet18" in sentence and os.environ["HF_ENDPOINT"] in sentence
    assert "--weights FILE" in sentence and "'bundled'" in sentence and "\n" not in sentence


def test_an_answer_is_waited_for_no_longer_than_asked():
    late = threading.Event()
    assert hub_module.within(60, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        hub_module.within(60, lambda: 1 / 0)
    with pytest.raises(TimeoutError, match="no answer within 0 s"):
        hub_module.within(0.01, late.wait)
    late.set()


def test_two_visitors_fetch_once(hub, payload):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        paths = list(pool.map(lambda _: fetch(), range(2)))
    assert paths[0] == paths[1] and paths[0].read_bytes() == payload.read_bytes()
    assert hub.starts == [0]


def test_a_slow_hub_is_waited_for_as_its_own_library_is_told_to(hub, payload, monkeypatch):
    monkeypatch.setattr(hub_module, "REACH_S", 0.1)
    monkeypatch.delenv("HF_HUB_ETAG_TIMEOUT", raising=False)
    hub.delay = 0.5
    with pytest.raises(NoWeights):
        fetch()
    monkeypatch.setenv("HF_HUB_ETAG_TIMEOUT", "60")
    assert fetch().read_bytes() == payload.read_bytes()
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "77")
    assert (hub_module.reach_s(), hub_module.stall_s()) == (60, 77)
    monkeypatch.setenv("HF_HUB_DOWNLOAD_TIMEOUT", "soon")
    assert hub_module.stall_s() == hub_module.STALL_S


def test_a_hub_behind_a_proxy_is_reached_through_it(hub, payload, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    for name in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, hub.endpoint)
    close_session()  # it knows the proxy of the time at which it was made
    try:
        assert hub_within_reach()
        assert fetch().read_bytes() == payload.read_bytes()
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "hub.invalid")
        assert not hub_within_reach()
    finally:
        close_session()
