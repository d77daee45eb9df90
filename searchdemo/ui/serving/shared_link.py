"""What a link to the page shows where it is shared: a title, a description and a picture, of the view that it opens.

gradio writes its own tags into the page and adds ours by a script, which those who draw previews do not run. This
stands between gradio and the browser, and puts ours in the place of gradio's. It brings the one script that has to run
before gradio's own, too.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import parse_qs

from searchdemo.collection.terms import PICTURE, Term
from searchdemo.ui.components.templates import render
from searchdemo.ui.serving.sender import page_of, root_of, route_of

TITLE = "searchdemo"
THE_PICTURE = str(Term(PICTURE))  # in the text of a query that has one
ABOUT = "Search 100,000 pictures by picture or by words, and see what each index costs and misses."
TAGS = re.compile(rb"\s*<meta\s+(?:property|name)=\"(?:og|twitter):[^>]*>")
HEAD = re.compile(rb"<head>\s*<meta charset[^>]*>")  # ours come early: who draws previews reads the beginning
MOST = 80  # characters of a visitor's words in a title

Message = MutableMapping[str, Any]
Send = Callable[[Message], Awaitable[None]]


class SharedLink:
    """ASGI middleware for gradio's app."""

    def __init__(self, app: Callable):
        self._app = app

    async def __call__(self, scope: Message, receive: Callable, send: Send) -> None:
        if scope["type"] != "http" or route_of(scope) not in ("", "/"):
            await self._app(scope, receive, send)
            return
        start: Message = {}
        parts: list[bytes] = []

        async def collected(message: Message) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
                return
            parts.append(message.get("body", b""))
            if message.get("more_body"):
                return
            body, headers = b"".join(parts), dict(start["headers"])
            if headers.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in headers:
                body = tagged(body, scope)
                headers[b"content-length"] = str(len(body)).encode()
            await send({**start, "headers": [*headers.items()]})
            await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, collected)


def tagged(page: bytes, scope: Message) -> bytes:
    """The page with our tags in the place of gradio's."""
    scheme, host = page_of(scope)
    asked = {name: found[-1] for name, found in parse_qs(scope["query_string"].decode("latin-1")).items()}
    title, about = described(asked)
    root = root_of(scope)
    origin = f"{scheme}://{host}{root}" if re.fullmatch(r"[\w.\-:\[\]]+", host) else ""
    if root.startswith(("http://", "https://")):
        origin = root
    address = f"{origin}/{'?' * bool(scope['query_string'])}{scope['query_string'].decode('latin-1')}"
    head = render("head.html", title=title, about=about, address=address, picture=f"{origin}/favicon.ico")
    page = HEAD.sub(lambda found: found[0] + b"\n" + head.encode(), TAGS.sub(b"", page), count=1)
    return page.replace(b"</head>", render("frames.html").encode() + b"</head>", 1)


def described(asked: dict[str, str]) -> tuple[str, str]:
    """(title, description) of the view that a link opens, by its values. They are a visitor's text: whoever writes
    them into a page escapes them."""
    words, tab = asked.get("text", ""), asked.get("tab", "")
    words = words if len(words) <= MOST else words[:MOST] + "…"
    subject = ""
    for name, what in (("row", "picture"), ("picture", "held-out picture")):
        if not subject and asked.get(name, "").isdecimal():
            subject = f"{what} {int(asked[name][:9]):,}"
    if words:
        subject = f"“{words.replace(THE_PICTURE, subject) if subject else words}”"
    named = ((word, asked.get(name, "")[:MOST]) for word, name in (("in", "gallery"), ("by", "encoder")))
    view = " ".join(filter(None, (subject, *(f"{word} {name}" for word, name in named if name))))
    title = ": ".join(filter(None, (TITLE, " · ".join(filter(None, (tab[:MOST], view))))))
    return (title, ABOUT) if view or tab else (f"{TITLE}: similarity search on pictures", ABOUT)
