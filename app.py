"""The page, as a Space or `python app.py [--port N] [--data DIR] [--gallery G]` starts it."""

import sys

from searchdemo.__main__ import main

if __name__ == "__main__":
    sys.exit(main(["app", *sys.argv[1:]]))
