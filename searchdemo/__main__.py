"""`python -m searchdemo`, `python app.py` and an installed `searchdemo`: what ends them, loading too, is told."""

import sys
from collections.abc import Sequence

from searchdemo.guard import DEBUG, guarded


def main(argv: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv

    def loaded() -> int:
        from searchdemo.cli import run

        return run(words)

    return guarded(loaded, DEBUG in words)


if __name__ == "__main__":
    sys.exit(main())
