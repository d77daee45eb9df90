"""The page in the browser. The only package that imports gradio, and only when the page is started."""

from __future__ import annotations

import gc
import sys
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any


class NoStubs:
    """Whenever it is imported, gradio writes type stubs of all components for editors: half of the time that takes.

    It would write them beside our components, too. This finds the module that does, and takes that function away.
    """

    def find_spec(self, name: str, *_: Any) -> ModuleSpec | None:
        if name != "gradio.component_meta":
            return None
        sys.meta_path.remove(self)
        found = find_spec(name)
        if found and found.loader:
            run = found.loader.exec_module

            def run_without(module: ModuleType) -> None:
                run(module)
                vars(module)["create_or_modify_pyi"] = lambda *_: None

            found.loader.exec_module = run_without  # type: ignore[method-assign]
        return found


sys.meta_path.insert(0, NoStubs())


def launch(
    port: int | None = None,
    gallery: str | None = None,
    data_dir: Path | None = None,
    out_dir: Path | None = None,
    share: bool = False,
    host: str | None = None,
) -> None:
    """Start the page, print its address and serve it until interrupted.

    port: None: GRADIO_SERVER_PORT, else the first free one from 7860
    gallery: the one to open on, `folder:PATH` included; None: tiny-imagenet where its pictures are within reach
    data_dir: a copy of tiny-ImageNet
    out_dir: where builds go; None: the person's cache folder
    host: the address to serve at; None: GRADIO_SERVER_NAME, else this machine alone
    Raises NoPictures (data_dir holds none), UnknownName, BadQuery (the port is taken, or memory is limited).
    """
    from searchdemo.encoders import zero_gpu
    from searchdemo.ui.surroundings import address, check_memory, check_port, prepare

    prepare()
    check_memory()
    zero_gpu.prepare()
    check_port(address(host), port)
    gc.disable()  # nothing of what follows goes away before the page does
    try:
        from searchdemo.collection.library import Library
        from searchdemo.collection.store import Store
        from searchdemo.ui.demo import build_demo

        demo = build_demo(Library(Store(own=out_dir), data_dir=data_dir), gallery)
        gc.freeze()  # a collection would stop all visitors for 150 ms to look at it again
    finally:
        gc.enable()
    demo.launch(server_name=address(host), server_port=port, share=share)
