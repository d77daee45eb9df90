"""Serve the page until it is stopped: the same as `python app.py`.

Its address is printed as text, with --json too.

Example:
  python -m searchdemo app --port 8000 --gallery scenes
  python -m searchdemo app --host ::1
"""

from __future__ import annotations

import argparse
import os

from searchdemo.cli.options import add_places, gallery_name


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, metavar="N", help="default: GRADIO_SERVER_PORT, else 7860")
    parser.add_argument("--host", metavar="ADDRESS", help="default: GRADIO_SERVER_NAME, else this machine alone")
    parser.add_argument(
        "--gallery",
        type=gallery_name,
        default=os.environ.get("SEARCHDEMO_GALLERY") or None,
        metavar="G",
        help="what to open on: see `list`, folder:PATH or hub:USER/REPO (else SEARCHDEMO_GALLERY)",
    )
    parser.add_argument("--share", action="store_true", help="a public address through gradio's own servers")
    add_places(parser)


def run(arguments: argparse.Namespace) -> None:
    from searchdemo.ui import launch

    launch(
        port=arguments.port,
        gallery=arguments.gallery,
        data_dir=arguments.data,
        out_dir=arguments.out_dir,
        share=arguments.share,
        host=arguments.host,
    )
