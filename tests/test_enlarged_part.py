"""The enlarged picture of a tile outlines the part that matched, and says where it lies."""

from __future__ import annotations

import page_server
import pytest

from searchdemo.ui.enlarged import enlarged_html


@pytest.fixture(scope="module")
def scenes():
    return page_server.library().gallery("scenes")


def test_the_part_that_matched_is_drawn_and_told(scenes):
    drawn = enlarged_html(scenes, 7, own=False, part="0.5,0,0.5,0.25")
    assert '<canvas class="part" data-part="0.5,0,0.5,0.25">' in drawn
    assert "from 50% to 100% of the width, and 0% to 25% of the height" in drawn


def test_of_a_whole_picture_nothing_is_drawn(scenes):
    drawn = enlarged_html(scenes, 7, own=False)
    assert 'class="part"' not in drawn and "matched best" not in drawn
    assert '<canvas class="map" hidden>' in drawn
