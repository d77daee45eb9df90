"""The door that every request goes through: what is asked for has to be there, and well formed, before gradio works.

gradio trusts the browser code that it ships with; what a script sends may be anything, and ends in a stack trace.
Here each request that is no good gets a status and one sentence, {"error": ..., "detail": ...}.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from searchdemo.errors import BadQuery
from searchdemo.told import of_the_machine
from searchdemo.ui.serving.arguments import shown
from searchdemo.ui.serving.sender import SESSION, address_of, route_of
from searchdemo.ui.serving.uploads import Refused, Uploads, check_origin, cleared

if TYPE_CHECKING:
    from searchdemo.ui.serving.blocks import Served

API = "/gradio_api"
MOST_BODY = 40 * 2**20  # bytes of a request that is no upload: a picture of 20 MB as a data: URL, and some
MOST_SESSION = 100  # characters
# Parts of gradio that this page does not use: recording, streams, its editor of code, other hosts, monitoring.
UNUSED = (
    "process_recording",
    "stream/",
    "vibe-",
    "undo-vibe",
    "deep_link",
    "proxy=",
    "dev/",
    "profiling/",
    "run-history",
)
PAST_QUEUE = (f"{API}/run/", f"{API}/api/")  # requests that are answered at once
UNUSED_PAGES = ("/monitoring", "/login", "/gradio_api/deep_link")

log = logging.getLogger(__name__)


class Gate:
    """ASGI middleware, within gradio's own."""

    def __init__(self, app: ASGIApp, demo: Served):
        self.app, self.demo, self.uploads = app, demo, Uploads()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def sending(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        brings = scope["method"] == "POST" and route_of(scope).rstrip("/").endswith("/upload")
        try:
            check_origin(scope)
            if brings:
                receive = self.uploads.bounded(scope, receive)
            receive, function = await self.checked(scope, receive)
            if brings:
                with cleared():
                    await self.app(scope, receive, sending)
            elif function is None:
                await self.app(scope, receive, sending)
            elif route_of(scope).startswith(PAST_QUEUE):
                with self.demo.limits.counted(address_of(scope)) as full:
                    if full:
                        raise Refused(503, full)
                    await self.app(scope, receive, sending)
            else:
                if full := self.demo.limits.refusal(function, address_of(scope)):
                    raise Refused(503, full)
                await self.app(scope, receive, sending)
        except Refused as refused:
            await sentence(refused.status, str(refused))(scope, receive, send)
        except Exception as error:
            said = of_the_machine(error)
            if said:
                log.error("%s %s: %s", scope["method"], scope["path"], said)
            elif not ended_by(error, HTTPException):  # gradio ends a stream so whose visitor has left
                log.exception("%s %s failed", scope["method"], scope["path"])
            if not started and said:
                await sentence(507, said)(scope, receive, send)
            elif not started:
                await sentence(500, "The server met an error that nobody foresaw: it is in its log.")(
                    scope, receive, send
                )

    async def checked(self, scope: Scope, receive: Receive) -> tuple[Receive, Any]:
        """The request, to read again, and the endpoint that it calls, if it does. Raises Refused."""
        path, method = route_of(scope).rstrip("/"), scope["method"]
        place = path.removeprefix(API).lstrip("/") if path.startswith(API) else ""
        if place.startswith(UNUSED) or path.startswith(UNUSED_PAGES):
            raise Refused(404, f"{path} is no part of this page.")
        first, *rest = place.split("/")
        if method == "GET" and (place == "queue/data" or (first == "call" and len(rest) > 1)):
            self.check_stream(scope, rest)
        if method != "POST" or first not in ROUTES:
            return receive, None
        content = await whole(receive)
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):  # UnicodeDecodeError is one
            raise Refused(400, 'The body of the request is no JSON: send an object, such as {"data": [...]}.') from None
        if not isinstance(body, dict):
            raise Refused(400, f'The body of the request is {shown(body)}: send an object, such as {{"data": [...]}}.')
        scope[SESSION] = str(body.get("session_hash") or "")
        try:
            return replayed(content, receive), ROUTES[first](self, body, rest)
        except BadQuery as error:
            raise Refused(422, str(error)) from None

    def check_stream(self, scope: Scope, rest: list[str]) -> None:
        """An event or a session whose answers are asked for has to be there."""
        queue = self.demo._queue
        session = parse_qs(scope["query_string"].decode("latin-1")).get("session_hash", [""])[0]
        asked = rest[-1] if rest and rest[-1] != "data" else session
        known = asked in queue.pending_messages_per_session or asked in queue.event_ids_to_events
        if not known and not any(asked in events for events in queue.pending_event_ids_session.values()):
            raise Refused(404, f"There is no answer for {shown(asked)}: it was fetched, or it was never asked for.")

    def check_call(self, body: dict, rest: list[str]) -> Any:
        """The endpoint that is called. rest: what follows the first part of the path. Raises BadQuery."""
        name = rest[-1] if rest and rest[-1] not in ("join", "predict") else None
        v2 = rest[:1] == ["v2"]
        if not v2:
            check_field(body, "data", list, "a list of arguments", needed=True)
            check_field(body, "session_hash", str, "a text")
            if len(body.get("session_hash") or "") > MOST_SESSION:
                raise BadQuery(f"session_hash has more than {MOST_SESSION} characters.")
            if body.get("batched"):
                raise BadQuery("batched = true is not offered: send one call at a time.")
            for field in ("fn_index", "trigger_id"):
                check_field(body, field, int, "a whole number")
        number = None if v2 else body.get("fn_index")
        if number is not None:  # as the page's own scripts call, at every click
            if number not in self.demo.fns:
                raise BadQuery(f"fn_index = {shown(number)} is no endpoint: choose from 0 to {max(self.demo.fns):,}.")
            return self.demo.fns[number]
        named = {function.api_name: function for function in self.demo.fns.values()}
        if name not in named or rest[:1] == ["join"]:
            public = [one for one, function in named.items() if function.api_visibility == "public"]
            raise BadQuery(f"There is no endpoint {shown(name)}: choose from {', '.join(map(repr, public))}.")
        if v2:
            self.check_named(named[name], body)
        return named[name]

    def check_named(self, function: Any, body: dict) -> None:
        """Arguments by their names, as the documentation of the API calls them."""
        described = self._described.get(f"/{function.api_name}")
        if described is None:
            raise BadQuery(f"There is no public endpoint {shown(function.api_name)}.")
        known = {one["parameter_name"]: one for one in described["parameters"]}
        if wrong := [name for name in body if name not in known]:
            raise BadQuery(f"There is no argument {shown(wrong[0])}: choose from {', '.join(known)}.")
        if missing := [name for name, one in known.items() if name not in body and not one["parameter_has_default"]]:
            raise BadQuery(f"The argument {missing[0]} is missing: {function.api_name} takes {', '.join(known)}.")

    @cached_property
    def _described(self) -> dict[str, Any]:
        """The public endpoints, as gradio describes them."""
        return self.demo.get_api_info()["named_endpoints"]

    def check_component(self, body: dict, rest: list[str]) -> None:
        for field, kind, said in (
            ("component_id", int, "a whole number"), ("session_hash", str, "a text"), ("fn_name", str, "a text"),
        ):  # fmt: skip
            check_field(body, field, kind, said, needed=True)
        block = self.demo.blocks.get(body["component_id"])
        if block is None or not getattr(getattr(block, body["fn_name"], None), "_is_server_fn", False):
            raise BadQuery(f"There is no function {shown(body['fn_name'])} of component {body['component_id']}.")
        if not isinstance(body.get("data"), list):
            raise BadQuery(f"data = {shown(body.get('data'))} is no list of arguments.")

    def check_cancel(self, body: dict, rest: list[str]) -> None:
        for field, kind, said in (
            ("session_hash", str, "a text"), ("fn_index", int, "a whole number"), ("event_id", str, "a text"),
        ):  # fmt: skip
            check_field(body, field, kind, said, needed=True)

    def check_object(self, body: dict, rest: list[str]) -> None:
        """/reset does nothing."""


ROUTES: dict[str, Callable[[Gate, dict, list[str]], Any]] = {
    "run": Gate.check_call,
    "api": Gate.check_call,
    "call": Gate.check_call,
    "queue": Gate.check_call,
    "component_server": Gate.check_component,
    "cancel": Gate.check_cancel,
    "reset": Gate.check_object,
}


def check_field(body: dict, name: str, kind: type, said: str, needed: bool = False) -> None:
    value = body.get(name)
    if value is None and not needed:
        return
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise BadQuery(f"{name} = {shown(value)} is not {said}.")


async def whole(receive: Receive) -> bytes:
    """The body of a request. Raises Refused for one that is too long."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "The request broke off.")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BODY:
            raise Refused(413, f"The request has more than {MOST_BODY / 2**20:.0f} MB: upload files by /upload.")
        if not message.get("more_body"):
            return b"".join(parts)


def replayed(content: bytes, receive: Receive) -> Receive:
    """A body that was read, to read again."""
    ready = [{"type": "http.request", "body": content, "more_body": False}]

    async def again() -> Message:
        return ready.pop() if ready else await receive()

    return again


def ended_by(error: BaseException | None, kind: type[BaseException]) -> bool:
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__
    return False


def sentence(status: int, said: str) -> JSONResponse:
    return JSONResponse({"error": said, "detail": said}, status)


def refuse_validation() -> dict:
    """FastAPI's own complaints about parameters, as a sentence."""

    async def refuse(request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"][1:])) or "the request"
        return sentence(422, f"{place} = {shown(first.get('input'))}: {first['msg']}.")

    return {RequestValidationError: refuse}
