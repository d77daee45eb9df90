"""Similarity search on images, from the command line.

Example:
  python -m searchdemo build --gallery scenes --encoder bundled
  python -m searchdemo search --gallery scenes --text "a red boat on the sea at night"
"""

from __future__ import annotations

import argparse
import getpass
import io
import json
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from searchdemo import __version__, temporary
from searchdemo.cli import app, audit, bench, build, export, faceoff, knn, push, search, take_in, watch
from searchdemo.cli import list as list_all
from searchdemo.errors import NotWritten
from searchdemo.guard import DEBUG, guarded

# One module per command: its docstring is its help, `add_options` adds its options, and `run` returns an Answer, or
# None when there is nothing to print.
COMMANDS = {
    "list": list_all,
    "build": build,
    "watch": watch,
    "search": search,
    "faceoff": faceoff,
    "knn": knn,
    "audit": audit,
    "import": take_in,
    "export": export,
    "push": push,
    "bench": bench,
    "app": app,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code, see guard.py. An error that nobody foresaw keeps its traceback."""
    words = sys.argv[1:] if argv is None else argv
    return guarded(lambda: run(words), DEBUG in words)


def run(words: Sequence[str]) -> int:
    settle()
    arguments = make_parser().parse_args(words)
    if arguments.verbose:
        logging.basicConfig(format="%(asctime)s %(name)s: %(message)s", stream=sys.stderr)
        logging.getLogger("searchdemo").setLevel(logging.INFO)
    answer = COMMANDS[arguments.command].run(arguments)
    if answer is not None:
        if sys.stdout is None:
            raise NotWritten(
                "The answer has no place: the standard output is closed. Send it to a file or to /dev/null."
            )
        print(json.dumps(answer.content, indent=1) if arguments.json else answer.text, flush=True)
        if answer.error:
            raise answer.error
    return 0


def settle() -> None:
    """Names of files are written whatever the terminal can show, raw warnings about pictures are not, and who has no
    home, as in some containers, has one.

    Many libraries look for `~` and for the user's name, and end where the system knows neither.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    warnings.filterwarnings("ignore", module=r"PIL\.")  # of what it reads all the same; the report tells what it cannot
    try:
        Path.home()
    except RuntimeError:
        os.environ["HOME"] = os.environ.get("SEARCHDEMO_HOME") or str(temporary.folder())
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["USER"] = "nobody"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program(), **about(__doc__))
    parser.add_argument("--version", action="version", version=f"searchdemo {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        texts = about(module.__doc__)
        command = commands.add_parser(name, help=texts["description"].partition("\n")[0], **texts)
        module.add_options(command)
        command.add_argument("--json", action="store_true", help="print JSON")
        command.add_argument("--verbose", action="store_true", help="write to stderr what is opened, built and fetched")
        command.add_argument(DEBUG, action="store_true", help="show where an error happened, instead of one sentence")
    return parser


def program() -> str:
    """What the person typed: the command of an installed package, or Python and the module."""
    return "searchdemo" if Path(sys.argv[0]).stem == "searchdemo" else "python -m searchdemo"


def about(text: str | None) -> dict[str, Any]:
    """Arguments of a parser: a module's description, which is shown above its options, and its example, below them."""
    description, heading, example = (text or "").partition("Example:")
    epilog = (heading + example).rstrip().replace("python -m searchdemo", program())
    formatter = argparse.RawDescriptionHelpFormatter
    # An option is not guessed from its beginning: `--k` was taken for `--k-factor`.
    return {
        "description": description.strip(),
        "epilog": epilog,
        "formatter_class": formatter,
        "allow_abbrev": False,
    }
