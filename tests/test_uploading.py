"""What may be sent to the page: from where, how much at once, and how much in all."""

from __future__ import annotations

import contextlib
import http.client
import json
import time
from pathlib import Path
from tempfile import NamedTemporaryFile
from urllib.parse import urlsplit

import page_server
import pytest

from searchdemo.ui.serving import uploads
from searchdemo.ui.serving.uploads import Refused, check_origin

HERE = "127.0.0.1:7860"


@pytest.mark.parametrize(
    ("headers", "taken"),
    [
        ({}, True),  # a client of the API
        ({"sec-fetch-site": "same-origin", "origin": f"http://{HERE}"}, True),
        ({"sec-fetch-site": "none"}, True),
        ({"sec-fetch-site": "cross-site", "origin": "https://evil.example"}, False),
        ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:9000"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"origin": f"http://{HERE}"}, True),  # a page that is served by http to another machine
        ({"origin": "http://evil.example"}, False),
        ({"origin": f"http://{HERE}.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://demo.example", "x-forwarded-host": "demo.example"}, True),
    ],
)
def test_only_the_page_itself_and_clients_of_the_api_change_something(headers, taken):
    sent = [(name.encode(), value.encode()) for name, value in ({"host": HERE} | headers).items()]
    for method in ("POST", "PUT", "DELETE"):
        scope = {"method": method, "headers": sent}
        if taken:
            check_origin(scope)
        else:
            with pytest.raises(Refused, match="open searchdemo's own page") as refused:
                check_origin(scope)
            assert refused.value.status == 403
    check_origin({"method": "GET", "headers": sent})


def posted(sizes: list[int], **headers: str) -> tuple[int, str]:
    """Status and text of the answer to one upload of files of these sizes to the running page."""
    address = urlsplit(page_server.page_url())
    form = b"".join(
        b'--b\r\nContent-Disposition: form-data; name="files"; filename="%d.png"\r\n\r\n' % number
        + bytes(size)
        + b"\r\n"
        for number, size in enumerate(sizes)
    )
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=120)
    given = {"Content-Type": "multipart/form-data; boundary=b"} | headers
    try:
        connection.request("POST", "/gradio_api/upload", form + b"--b--\r\n", given)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_uploads_are_bounded_at_once_and_in_all(monkeypatch):
    assert posted([1000] * 3)[0] == 200
    monkeypatch.setattr(uploads, "MOST_AT_ONCE", 1_500_000)
    status, said = posted([200_000] * 10)
    assert status == 413 and "An upload of 2 MB is too large: 2 MB are allowed at once" in said
    monkeypatch.setattr(uploads, "MOST_IN_ALL", 0)
    status, said = posted([10])
    assert status == 507 and "The uploads of all visitors take" in said


def test_a_body_without_a_length_is_counted_as_it_comes(monkeypatch):
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    monkeypatch.setattr(uploads, "MOST_AT_ONCE", 100)

    async def receive() -> dict:
        return {"type": "http.request", "body": bytes(60), "more_body": True}

    bounded = uploads.Uploads().bounded({"headers": []}, receive)
    with ThreadPoolExecutor(1) as other:  # a browser test leaves a loop to the thread of this one
        other.submit(lambda: asyncio.run(bounded())).result()
        with pytest.raises(Refused, match="too large"):
            other.submit(lambda: asyncio.run(bounded())).result()


def test_what_came_of_an_upload_that_breaks_off_is_removed(monkeypatch):
    made: list[Path] = []

    def named(*given, **options):
        file = NamedTemporaryFile(*given, **options)  # noqa: SIM115 gradio closes it
        made.append(Path(file.name))
        return file

    monkeypatch.setattr(uploads, "NamedTemporaryFile", named)
    status, said = posted([1000])
    (kept,) = map(Path, json.loads(said))
    assert status == 200 and kept.stat().st_size == 1000 and len(made) == 1
    monkeypatch.setattr(uploads, "MOST_AT_ONCE", 200_000)
    form = b'--b\r\nContent-Disposition: form-data; name="files"; filename="1.png"\r\n\r\n'
    connection = http.client.HTTPConnection("127.0.0.1", urlsplit(page_server.page_url()).port, timeout=120)
    with contextlib.closing(connection), contextlib.suppress(OSError, http.client.HTTPException):
        parts = iter([form, *[bytes(50_000)] * 6])  # without a length, and no end
        connection.request("POST", "/gradio_api/upload", parts, {"Content-Type": "multipart/form-data; boundary=b"})
        assert connection.getresponse().status == 413
    for _ in range(600):  # the answer may be lost, because the server does not read the rest
        if len(made) == 2 and not made[1].exists():
            break
        time.sleep(0.05)
    assert len(made) == 2 and not made[1].exists() and kept.exists()


def test_a_form_of_another_site_uploads_nothing():
    status, said = posted([10], **{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"})
    assert status == 403 and "A page of https://evil.example sent this" in said


def test_a_disk_that_is_nearly_full_takes_no_upload(monkeypatch, tmp_path):
    monkeypatch.setattr(uploads, "LEAST_FREE", 10**18)
    monkeypatch.setattr(uploads.Uploads, "folder", tmp_path)
    status, said = posted([10])
    assert status == 507 and "nearly full" in said
