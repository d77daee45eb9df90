"""What a visitor may start that takes minutes: builds, measurements, audits. Buttons are not the only way to ask.

At the machine that serves the page a person may start anything that is not there yet. Elsewhere (a Space, a share link,
a page that other machines reach) a visitor may start what fits the bounds below.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from searchdemo.collection.asked import MOST
from searchdemo.collection.behind import UP_TO_DATE
from searchdemo.collection.store import Key
from searchdemo.encoders.table import ENCODERS, is_here
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.ui.mine.place import at_this_machine, scope_of, visitor
from searchdemo.ui.serving.sender import address_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from searchdemo.measure.faceoff.sides import Side
    from searchdemo.ui.page import Page

MOST_PICTURES = 10_000  # of a build or an audit: minutes on two cores
MOST_COMPARED = 2 * 10**9  # pairs of a query and a vector, of all encoders: a few seconds on two cores
MOST_DOWNLOAD = 700 * 10**6  # bytes of an encoder's weights
ELSEWHERE = "Install searchdemo on a machine of your own for more."


def who() -> str:
    """The visitor who is being answered: their address. "" where there is no request."""
    request = visitor()
    return address_of(scope_of(request)) if request is not None else ""


def at_home(page: Page) -> bool:
    return at_this_machine(page.demo, visitor())


def may_end(page: Page, started_by: str) -> bool:
    """Whether this visitor may end what takes long: their own, or anything at the machine itself."""
    return at_home(page) or bool(started_by and started_by == who())


def check_end(page: Page, started_by: str, what: str) -> None:
    """what: "audit", for the sentence. Raises BadQuery for a visitor who may not end it."""
    if not may_end(page, started_by):
        raise BadQuery(f"Another visitor started this {what}: it goes on.")


def check_build(page: Page, key: Key) -> None:
    """Raises BadQuery for a build that is not needed, or not open to this visitor."""
    whole = page.key(key.gallery, key.encoder)
    built = page.library.built(whole)
    if built == whole and not changed(page, key):
        raise BadQuery(f"{key.gallery!r} by {key.encoder!r} is built already: there is nothing to build.")
    if key != whole and built == key:
        raise BadQuery(f"This part of {key.gallery!r} is built already: build all of it, or search in it.")
    if at_home(page) or page.library.holds(key.gallery):
        return
    count = min(key.limit or MOST_PICTURES + 1, page.library.gallery(key.gallery).pictures.count)
    if count > MOST_PICTURES:
        raise BadQuery(
            f"Here a visitor builds at most {MOST_PICTURES:,} pictures, not all of {key.gallery!r}: build a part. "
            + ELSEWHERE
        )
    spec = ENCODERS.find(key.encoder)
    if spec.download_bytes > MOST_DOWNLOAD and not is_here(key.encoder):
        raise BadQuery(
            f"The weights of {key.encoder!r} have {spec.download_bytes / 1e6:,.0f} MB; a visitor may have "
            f"{MOST_DOWNLOAD / 1e6:,.0f} MB fetched: choose another encoder. {ELSEWHERE}"
        )


def changed(page: Page, key: Key) -> bool:
    """Whether a person's folder has changed since it was built."""
    try:
        return page.library.open(key.gallery, key.encoder).behind != UP_TO_DATE
    except SearchDemoError:  # of damaged vectors, which a build replaces
        return True


def check_measurement(page: Page, quick: bool) -> None:
    """Raises BadQuery for a full measurement by a visitor from elsewhere."""
    if not quick and not at_home(page):
        raise BadQuery(f"Here a visitor measures quickly, on 10,000 vectors: choose a quick measurement. {ELSEWHERE}")


def check_accuracy(page: Page, taking_part: Sequence[Side]) -> None:
    """Raises BadQuery where a visitor from elsewhere would have too many vectors compared."""
    opened = [side.collection for side in taking_part if side.collection]
    compared = sum((len(one.queries) or min(len(one), MOST)) * len(one) for one in opened)
    if compared > MOST_COMPARED and not at_home(page):
        raise BadQuery(
            f"Here a visitor compares at most {MOST_COMPARED:,} pairs of pictures, and these encoders have "
            f"{compared:,}: choose fewer encoders. {ELSEWHERE}"
        )


def check_audit(page: Page, pictures: int) -> None:
    """Raises BadQuery for an audit that is too large for a visitor from elsewhere."""
    if pictures > MOST_PICTURES and not at_home(page):
        raise BadQuery(f"Here a visitor audits at most {MOST_PICTURES:,} pictures, not {pictures:,}. {ELSEWHERE}")
