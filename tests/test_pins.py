"""An encoder's weights are one file: that of the table, else the first that was fetched here."""

from __future__ import annotations

import hashlib
import json
import shutil

import pytest

from searchdemo import hub as hub_module
from searchdemo.encoders import pins, table
from searchdemo.errors import BadArtifact, NoWeights
from tests.loopback_hub import BRANCH_COMMIT, COMMIT, serve

SPEC = table.ENCODERS["resnet18"]
FIRST, SECOND = b"first" * 1000, b"other" * 1000


@pytest.fixture(autouse=True)
def own_places(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SEARCHDEMO_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(pins, "TABLE", tmp_path / "pins.json")
    (tmp_path / "pins.json").write_text("{}")


@pytest.fixture
def payload(tmp_path):
    path = tmp_path / "payload"
    path.write_bytes(FIRST)
    return path


@pytest.fixture
def hub(payload, monkeypatch):
    with serve({SPEC.weights: {SPEC.hub_file: payload}}, monkeypatch) as hub:
        yield hub


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def forget_download() -> None:
    shutil.rmtree(hub_module.repo_folder(SPEC.weights))


def test_the_first_download_is_what_later_ones_fetch(hub):
    assert pins.pin_of(SPEC, SPEC.hub_file) is None
    table.fetch_weights(SPEC)
    assert pins.pin_of(SPEC, SPEC.hub_file) == pins.Pin(COMMIT, sha256(FIRST))
    forget_download()
    hub.requests.clear()
    assert table.fetch_weights(SPEC).read_bytes() == FIRST
    assert {path.partition("/resolve/")[2].partition("/")[0] for _, path, _ in hub.requests} == {COMMIT}


def test_another_file_in_the_place_of_the_first_is_refused(hub, payload, capsys):
    path = table.fetch_weights(SPEC)
    path.resolve().write_bytes(SECOND)
    with pytest.raises(BadArtifact) as told:
        table.fetch_weights(SPEC)
    said = str(told.value)
    assert sha256(FIRST)[:12] in said and sha256(SECOND)[:12] in said and "delete it" in said
    assert "`python -m searchdemo.encoders.pins --accept resnet18`" in said
    forget_download()
    payload.write_bytes(SECOND)  # the hub sends another one under the same revision
    with pytest.raises(BadArtifact, match="is pinned to"):
        table.fetch_weights(SPEC)
    assert pins.main(["--accept", "resnet18"]) == 0 and "next use of 'resnet18'" in capsys.readouterr().out
    assert table.fetch_weights(SPEC).read_bytes() == SECOND and pins.pin_of(SPEC, SPEC.hub_file).sha256 == sha256(
        SECOND
    )


def test_the_pin_of_the_table_goes_before_what_is_here(hub, payload):
    table.fetch_weights(SPEC)
    pins.TABLE.write_text(json.dumps({"resnet18": {"revision": BRANCH_COMMIT, "sha256": sha256(SECOND)}}))
    payload.write_bytes(SECOND)
    hub.files[f"{SPEC.weights}@branch"] = {SPEC.hub_file: payload}
    path = table.fetch_weights(SPEC)  # that of `main` is another one
    assert path.read_bytes() == SECOND and path.parent.name == BRANCH_COMMIT
    assert table.weights_path("resnet18") == path


def test_a_file_that_is_the_pinned_one_is_taken_from_any_revision(hub):
    path = table.fetch_weights(SPEC)
    pins.TABLE.write_text(json.dumps({"resnet18": {"revision": BRANCH_COMMIT, "sha256": sha256(FIRST)}}))
    hub.requests.clear()
    assert table.fetch_weights(SPEC) == path and not hub.requests


def test_what_the_hub_sends_is_compared_with_the_pin(hub):
    pins.TABLE.write_text(json.dumps({"resnet18": {"revision": COMMIT, "sha256": sha256(SECOND)}}))
    with pytest.raises(BadArtifact, match=f"SHA-256 is {sha256(FIRST)[:12]}"):
        table.fetch_weights(SPEC)


def test_a_revision_that_is_gone_is_told(hub):
    pins.TABLE.write_text(json.dumps({"resnet18": {"revision": "f" * 40, "sha256": sha256(FIRST)}}))
    with pytest.raises(NoWeights, match=rf"resolve/{'f' * 40}/.*404"):
        table.fetch_weights(SPEC)


@pytest.mark.parametrize("text", ["", "null", "[]", '{"resnet18": 1}', '{"resnet18": {"sha256": "0"}}'])
def test_a_damaged_list_of_first_downloads_is_none(text, hub, tmp_path):
    table.fetch_weights(SPEC)
    (tmp_path / "home" / "weights" / "pins.json").write_text(text)
    assert pins.pin_of(SPEC, SPEC.hub_file) is None and table.fetch_weights(SPEC)
    assert pins.pin_of(SPEC, SPEC.hub_file) == pins.Pin(COMMIT, sha256(FIRST))


def test_the_script_pins_the_newest_of_all(payload, monkeypatch, capsys):
    held = {spec.weights: dict.fromkeys(pins.files_of(spec), payload) for spec in table.ENCODERS.values()}
    with serve(held, monkeypatch) as hub:
        assert pins.main([]) == 0
        assert "resnet18" in capsys.readouterr().out and pins.TABLE.read_text() == "{}"
        assert pins.main(["--write"]) == 0
        written = json.loads(pins.TABLE.read_text())
        names = {spec.name for spec in table.ENCODERS.values() if spec.hub_file}
        assert written.keys() == {*names, "siglip2-vit-b32/tokenizer.json"}
        assert written["clip-vit-b32"] == {"revision": COMMIT, "sha256": sha256(FIRST)}
        assert pins.pin_of(SPEC, SPEC.hub_file) == pins.Pin(COMMIT, sha256(FIRST))
        assert "searchdemo.shipped --write" in capsys.readouterr().out
        hub.refuse = 503
        assert pins.main(["--write"]) == 1
        assert json.loads(pins.TABLE.read_text()) == written and "503" in capsys.readouterr().err
