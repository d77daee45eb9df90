"""A shared link has a title, a description and a picture of the view that it opens, not those of gradio."""

from __future__ import annotations

import html
import re
from pathlib import Path

import gradio
import pytest

from searchdemo.ui.serving.shared_link import ABOUT, SharedLink, described

PAGE = (Path(gradio.__file__).parent / "templates" / "frontend" / "index.html").read_bytes()


def served(path: str = "/", query: str = "", kind: str = "text/html", **headers: str) -> tuple[bytes, dict]:
    """The body and the headers of a page of gradio's, which comes in two parts."""

    async def app(scope, receive, send):
        head = [(b"content-type", kind.encode()), (b"content-length", str(len(PAGE)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": PAGE[:900], "more_body": True})
        await send({"type": "http.response.body", "body": PAGE[900:]})

    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    given = [
        (name.replace("_", "-").encode(), value.encode()) for name, value in ({"host": "here:7860"} | headers).items()
    ]
    scope = {"type": "http", "path": path, "query_string": query.encode(), "headers": given, "scheme": "http"}
    with pytest.raises(StopIteration):  # nothing in it waits, so it runs to its end, also beside a loop of Playwright
        SharedLink(app)(scope, None, send).send(None)
    return b"".join(message.get("body", b"") for message in sent[1:]), dict(sent[0]["headers"])


def tags(page: bytes) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, content in re.findall(r'<meta\s+(?:property|name)="([^"]+)"\s+content="([^"]*)"', page.decode()):
        found.setdefault(name, []).append(html.unescape(content))
    return found


def test_our_tags_stand_in_the_place_of_those_of_gradio():
    body, headers = served(query="tab=Map&gallery=scenes&row=1200")
    said = tags(body)
    assert said["og:title"] == said["twitter:title"] == ["searchdemo: Map · picture 1,200 in scenes"]
    assert said["og:description"] == said["description"] == [ABOUT]
    assert said["og:image"] == ["http://here:7860/favicon.ico"]
    assert said["og:url"] == ["http://here:7860/?tab=Map&gallery=scenes&row=1200"]  # the view, not the page alone
    assert headers[b"content-length"] == str(len(body)).encode()
    assert b"<title>searchdemo: Map" in body and b"Gradio" not in body.partition(b"<script")[0]
    assert body.index(b"charset") < 1024 and body.endswith(PAGE[-500:])


def test_behind_a_proxy_the_address_is_that_of_the_visitor():
    body, _ = served(x_forwarded_proto="https", x_forwarded_host="me-demo.hf.space")
    assert tags(body)["og:image"] == ["https://me-demo.hf.space/favicon.ico"]


def test_what_a_link_says_stays_text():
    body, _ = served(query="text=%3Cscript%3Ealert(1)%3C/script%3E%22&tab=%22%3E", host='"><script>')
    assert b"<script>alert" not in body and tags(body)["og:image"] == ["/favicon.ico"]


@pytest.mark.parametrize(("path", "kind"), [("/config", "text/html"), ("/", "application/json")])
def test_nothing_else_is_changed(path, kind):
    assert served(path, kind=kind)[0] == PAGE


def test_titles_of_views():
    assert described({}) == ("searchdemo: similarity search on pictures", ABOUT)
    assert described({"text": "a red boat", "encoder": "clip-rn50"})[0] == "searchdemo: “a red boat” by clip-rn50"
    assert described({"picture": "7", "tab": "Classify"})[0] == "searchdemo: Classify · held-out picture 7"
    assert len(described({"text": "x" * 999, "tab": "y" * 999})[0]) < 300
