"""The page, as a Space or `python app.py [--port N] [--data DIR] [--gallery G]` starts it."""

from searchdemo.__main__ import command

if __name__ == "__main__":
    command("app")
