"""Similarity search on images, from the command line.

Example:
  python -m searchdemo build --gallery scenes --encoder bundled
  python -m searchdemo search --gallery scenes --text "a red boat on the sea at night"
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence

from searchdemo.cli import app, bench, build, knn, search
from searchdemo.cli import list as list_all
from searchdemo.errors import SearchDemoError

# One module a command: its docstring is its help, `add_options` says what it takes, `run` returns an Answer, or None
# when there is nothing left to say.
COMMANDS = {"list": list_all, "build": build, "search": search, "knn": knn, "bench": bench, "app": app}

BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 2, 130, 141  # exit codes; the last two are 128 + the number of the signal


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. What no one foresaw keeps its traceback."""
    arguments = make_parser().parse_args(argv)
    try:
        answer = COMMANDS[arguments.command].run(arguments)
        if answer is not None:
            print(json.dumps(answer.content, indent=1) if arguments.json else answer.text, flush=True)
    except (SearchDemoError, PermissionError) as error:
        print("searchdemo:", " ".join(str(error).split()), file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("searchdemo: stopped", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # `... | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return BROKEN_PIPE
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = _parser_of(argparse.ArgumentParser, __doc__, prog="python -m searchdemo")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in COMMANDS.items():
        command = _parser_of(commands.add_parser, module.__doc__, name, help=module.__doc__.splitlines()[0])
        module.add_options(command)
        command.add_argument("--json", action="store_true", help="print JSON")
    return parser


def _parser_of(make, text: str, *args, **kwargs) -> argparse.ArgumentParser:
    """`text`: the description, then "Example:" and what stays below the options."""
    description, _, example = text.partition("Example:")
    return make(
        *args,
        description=description.strip(),
        epilog=f"Example:{example.rstrip()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **kwargs,
    )
