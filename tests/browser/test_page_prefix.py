"""The page behind a proxy, below a path of its own: pictures, uploads, the API and links stay below it."""

from __future__ import annotations

from urllib.parse import urlsplit

import page_server
import pytest
from PIL import Image
from playwright.sync_api import expect
from prefix_proxy import PREFIX, below_a_prefix

from searchdemo.bench.hold.client import Refused, Visitor
from tests.browser.tools import copied_link, results


@pytest.fixture(scope="module")
def port() -> int:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GRADIO_ROOT_PATH", PREFIX)
        return urlsplit(page_server.serve(page_server.library())).port


class Below(Visitor):
    def request(self, method: str, path: str, *rest: object) -> tuple:
        return super().request(method, PREFIX + path, *rest)


def test_pictures_uploads_enlarging_and_links_stay_below_the_prefix(visit, port, tmp_path):
    strays: list[str] = []
    Image.new("RGB", (300, 200), (200, 30, 30)).save(tmp_path / "red.png")
    with below_a_prefix(port, strays) as address:
        page = visit.open(f"{address}/")
        before = results(page, "image")
        page.locator("#query-picture input[type=file]").set_input_files(tmp_path / "red.png")
        expect(page.locator("#query")).to_contain_text("your picture")
        expect(page.locator("#image-answer")).to_contain_text("This picture became")
        shown = page.locator("#query-picture img")
        page.wait_for_function("image => image.complete && image.naturalWidth === 300", arg=shown.element_handle())
        page.locator("#image-results .enlarge").first.click()
        expect(page.locator("#enlarged dialog img")).to_be_visible()
        page.locator("#enlarged dialog").get_by_role("button", name="Close").click()
        page.locator("#image-examples .tile").first.click()
        expect(page.locator("#query")).to_contain_text("held-out picture")
        link = copied_link(page)
        assert link.startswith(f"{address}/?") and "picture=" in link
        again = visit.open(link)
        assert results(again, "image") == before
        assert f'content="{address}/favicon.ico"' in again.content()
    assert strays == []


@pytest.mark.parametrize("strips", [True, False], ids=["cut off by the proxy", "left by the proxy"])
def test_the_api_answers_and_its_gate_stands_below_the_prefix_too(port, strips):
    strays: list[str] = []
    with below_a_prefix(port, strays, strips) as address:
        visitor = Below(urlsplit(address).port)
        asked = {"gallery": "scenes", "encoder": "bundled", "index": "flat", "k": 3}
        found = visitor.call("search_by_text", text="red", where="", **asked)
        assert len(found[0]["hits"]) == 3
        (sent,) = visitor.upload(("red.png", b"no picture"))
        with pytest.raises(Refused, match=r"is not a picture"):
            visitor.call("search_by_image", image=sent, **asked)
        for place, content, sentence in (
            ("/run/predict", {"data": 7}, "data = 7 is not a list"),
            ("/call/nothing", {"data": []}, "There is no endpoint 'nothing'"),
        ):
            with pytest.raises(Refused, match=sentence):
                visitor.post(place, content)
        assert visitor.request("GET", "/monitoring")[0] == 404
        visitor.close()
    assert strays == []
