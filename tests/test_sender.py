"""Who sends a request: what of its headers is believed."""

from __future__ import annotations

import pytest

from searchdemo.ui.serving.sender import address_of, foreign_page, from_this_machine, headers_of, page_of


def scope(client: str = "203.0.113.7", **headers: str) -> dict:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"headers": sent, "client": (client, 50_000), "scheme": "http"}


@pytest.mark.parametrize("made_up", ["8.8.8.8", "8.8.8.8, 9.9.9.9", "", "  ,"])
def test_nobody_chooses_the_address_that_they_are_counted_by(monkeypatch, made_up):
    monkeypatch.delenv("SPACE_ID", raising=False)
    assert address_of(scope(x_forwarded_for=made_up)) == "203.0.113.7"
    monkeypatch.setenv("SPACE_ID", "somebody/searchdemo")
    assert address_of(scope("10.0.0.1", x_forwarded_for=f"{made_up}, 198.51.100.2")) == "198.51.100.2"
    assert address_of(scope("10.0.0.1")) == "10.0.0.1"


def test_a_header_that_is_sent_twice_is_one_list(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "somebody/searchdemo")
    twice = [(b"X-Forwarded-For", b"8.8.8.8"), (b"x-forwarded-for", b"198.51.100.2")]
    assert headers_of({"headers": twice}) == {"x-forwarded-for": "8.8.8.8, 198.51.100.2"}
    assert address_of({"headers": twice, "client": None}) == "198.51.100.2"
    assert address_of({"headers": [], "client": None}) == address_of({}) == ""


def test_the_page_is_seen_at_the_first_proxy():
    behind = {"x_forwarded_proto": "https, http", "x_forwarded_host": "demo.example, inner:80"}
    assert page_of(scope(host="inner:7860", **behind)) == ("https", "demo.example")
    assert page_of(scope(host="here:7860")) == ("http", "here:7860")
    assert page_of({}) == ("http", "")


@pytest.mark.parametrize("odd", ["http://[", "null", "x", "http://]:1"])
def test_an_address_that_is_none_is_another_site(odd):
    assert foreign_page(scope(host="here:7860", origin=odd)) == odd == foreign_page(scope(origin=odd))
    assert not from_this_machine(scope("127.0.0.1", host="localhost", origin=odd))
    assert not from_this_machine(scope("127.0.0.1", host="["))
    assert foreign_page(scope(host="here:7860", origin="http://here:7860")) == ""
