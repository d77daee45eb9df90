"""Who sends a request and at what address they see the page: a request's headers are read here, and nowhere else.

Anybody can write a header. What a proxy adds about a visitor is believed where the proxy is known: uvicorn has then put
it into the request already (from this machine, and from FORWARDED_ALLOW_IPS), and on a Space there always is one.
"""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import SplitResult, urlsplit

# Whoever passes requests on says so in one of these; the visitor may then be anywhere.
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")
SESSION = "searchdemo.session"  # in the scope: the session that a request names in its body
SAME = ("same-origin", "none")  # of the header Sec-Fetch-Site; "same-site" may be another port of this machine


def headers_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """Name in small letters -> value. Of a header that is sent several times: all values, with commas between."""
    said: dict[str, str] = {}
    for name, value in scope.get("headers", ()):
        word, text = name.decode("latin-1").lower(), value.decode("latin-1")
        said[word] = f"{said[word]}, {text}" if word in said else text
    return said


def address_of(scope: Mapping[str, Any]) -> str:
    """Of the visitor, as limits count them; "" where the server does not know it.

    On a Space, what its proxy saw: a proxy adds to the end of the header, and what stands before it, anybody wrote.
    """
    passed_on = headers_of(scope).get("x-forwarded-for") if os.environ.get("SPACE_ID") else None
    if passed_on:
        return passed_on.rpartition(",")[2].strip()
    client = scope.get("client")
    return client[0] if client else ""


def page_of(scope: Mapping[str, Any]) -> tuple[str, str]:
    """(scheme, host with port) at which the visitor sees the page; the first proxy was the one that they asked.

    Only for what is shown to this very visitor, or compared with what their browser says: they can make it up.
    """
    said = headers_of(scope)
    scheme = said.get("x-forwarded-proto", str(scope.get("scheme", "http")))
    host = said.get("x-forwarded-host", said.get("host", ""))
    return scheme.split(",")[0].strip(), host.split(",")[0].strip()


def root_of(scope: Mapping[str, Any]) -> str:
    """Below which a proxy serves the page (GRADIO_ROOT_PATH), without a slash at its end: "/demo", or a whole address,
    "https://example.org/demo"; "" for none."""
    return str(scope.get("root_path", "")).rstrip("/")


def route_of(scope: Mapping[str, Any]) -> str:
    """The path that routes are compared with: without the root path, which a proxy may have left there or not."""
    path, root = str(scope["path"]), root_of(scope)
    return path.removeprefix(root) if root and f"{path}/".startswith(f"{root}/") else path


def foreign_page(scope: Mapping[str, Any]) -> str:
    """The page of another site that sent this request; "" for the page itself, and for no page, as API clients.

    A browser says of its own accord where a request comes from, and no script of a page can change that: in
    Sec-Fetch-Site where the page is served by https or on this machine, else in Origin.
    """
    said = headers_of(scope)
    site, origin = said.get("sec-fetch-site"), said.get("origin")
    if site is not None:
        foreign = site not in SAME
    elif origin is not None:
        place = _split(origin).netloc  # none in "null"
        foreign = not place or place not in {said.get("host"), page_of(scope)[1]}
    else:
        return ""
    return (origin or "another site") if foreign else ""


def from_this_machine(scope: Mapping[str, Any]) -> bool:
    """Whether the request comes straight from this machine, and from no page of another site.

    After DNS rebinding the `Host` is that of the other site.
    """
    said, client = headers_of(scope), scope.get("client")
    if foreign_page(scope) or any(name in said for name in FORWARDED):
        return False
    places = [_split(f"//{said.get('host', '')}").hostname, client[0] if client else ""]
    places += [_split(said["origin"]).hostname] if "origin" in said else []
    return all(map(is_loopback, places))


def _split(address: str) -> SplitResult:
    """Its parts; none of what is no address, as "http://[": anybody can write a header."""
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")


def is_loopback(place: str | None) -> bool:
    """place: a host's name or address."""
    if place == "localhost":
        return True
    try:
        return ipaddress.ip_address((place or "").strip("[]")).is_loopback
    except ValueError:
        return False
