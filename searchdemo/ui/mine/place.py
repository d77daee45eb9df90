"""Whether a visitor sits at the machine that serves the page: only then may a path on its disk be opened."""

from __future__ import annotations

import os
from typing import Any

import gradio as gr

from searchdemo.ui.serving.sender import SESSION, from_this_machine, is_loopback


def visitor() -> Any:
    """The request that is being answered: a gr.Request or, for functions that scripts call, that of the server itself.

    None outside of an answer.
    """
    from gradio.context import LocalContext

    return LocalContext.request.get(None)


def session() -> str:
    """Of the visitor that is being answered; "" where there is none. A script's call of a function names it itself."""
    request = visitor()
    if request is None:
        return ""
    return getattr(request, "session_hash", None) or str(scope_of(request).get(SESSION, ""))


def at_this_machine(demo: gr.Blocks, request: Any) -> bool:
    """Whether the page is served to this machine alone, and this request comes straight from a page of its own.

    A page that another site opened (its `Origin` or, after DNS rebinding, its `Host` is that site's), a share link, a
    Space and a proxy before the page are all somebody else's.
    """
    public = any(getattr(demo, name, None) for name in ("share", "share_url", "is_colab")) or os.environ.get("SPACE_ID")
    if request is None or public:
        return False
    return is_loopback(getattr(demo, "server_name", None)) and from_this_machine(scope_of(request))


def scope_of(request: Any) -> Any:
    """request: a gr.Request, or that of the server itself."""
    return getattr(request, "request", request).scope
