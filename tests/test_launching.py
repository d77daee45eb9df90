"""How the page's process is prepared, without a page."""

from __future__ import annotations

import contextlib
import gc

import pytest

from searchdemo import ui
from searchdemo.bench.child import free_port
from searchdemo.errors import NoPictures
from searchdemo.ui import demo, surroundings


@pytest.mark.parametrize("fails", [False, True])
def test_the_collector_never_looks_again_at_what_the_start_has_made(monkeypatch, fails):
    seen = []

    class Stub:
        def launch(self, **options):
            seen.append((gc.isenabled(), gc.get_freeze_count() > 0))

    def build(*given):
        assert not gc.isenabled()
        if fails:
            raise NoPictures("none here")
        return Stub()

    monkeypatch.setattr(demo, "build_demo", build)
    monkeypatch.setattr(surroundings, "prepare", lambda: None)
    try:
        with pytest.raises(NoPictures) if fails else contextlib.nullcontext():
            ui.launch(port=free_port())
    finally:
        gc.unfreeze()
    assert gc.isenabled() and seen == ([] if fails else [(True, True)])
