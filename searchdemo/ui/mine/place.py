"""Whether a visitor sits at the machine that serves the page: only then may a path on its disk be opened."""

from __future__ import annotations

import ipaddress
import os
from typing import Any
from urllib.parse import urlsplit

import gradio as gr

# Whoever passes requests on says so in one of these; the visitor may then be anywhere.
FORWARDED = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip")


def visitor() -> Any:
    """The request that is being answered: a gr.Request or, for functions that scripts call, that of the server itself.

    None outside of an answer.
    """
    from gradio.context import LocalContext

    return LocalContext.request.get(None)


def session() -> str:
    """Of the visitor that is being answered; "" where there is none."""
    return getattr(visitor(), "session_hash", None) or ""


def at_this_machine(demo: gr.Blocks, request: Any) -> bool:
    """Whether the page is served to this machine alone, and this request comes straight from a page of its own.

    A page that another site opened (its `Origin` or, after DNS rebinding, its `Host` is that site's), a share link, a
    Space and a proxy before the page are all somebody else's.
    """
    public = any(getattr(demo, name, None) for name in ("share", "share_url", "is_colab")) or os.environ.get("SPACE_ID")
    if request is None or public:
        return False
    headers = request.headers
    if any(name in headers for name in FORWARDED) or headers.get("sec-fetch-site") == "cross-site":
        return False
    served, origin = getattr(demo, "server_name", None) or "", headers.get("origin")
    host = urlsplit(f"//{headers.get('host', '')}").hostname
    places = [served, host, request.client.host if request.client else ""]
    return all(map(is_loopback, places)) and (not origin or is_loopback(urlsplit(origin).hostname))


def is_loopback(place: str | None) -> bool:
    """place: a host's name or address."""
    if place == "localhost":
        return True
    try:
        return ipaddress.ip_address((place or "").strip("[]")).is_loopback
    except ValueError:
        return False
