"""Writes requirements-locked.txt: python .ci/lock.py REPORT, the JSON of `pip install --dry-run --report`.

One line per package: its version, and the SHA-256 of the file that pip chose on this machine.
"""

import json
import sys
from pathlib import Path

LOCK = Path(__file__).parents[1] / "requirements-locked.txt"
HEAD = """\
# What requirements-dev.txt brought when `make lock` wrote this, each file by its SHA-256: for Python 3.11 on Linux
# x86-64 with glibc. `make test` installs it there, and requirements-dev.txt elsewhere.
"""


def line(package: dict) -> str:
    facts, file = package["metadata"], package["download_info"]
    if "+" in facts["version"] or "archive_info" not in file:
        sys.exit(f"{facts['name']} {facts['version']} comes from no package index: others have no such file.")
    return f"{facts['name']}=={facts['version']} --hash=sha256:{file['archive_info']['hashes']['sha256']}\n"


report = json.loads(Path(sys.argv[1]).read_text())
LOCK.write_text(HEAD + "".join(sorted(map(line, report["install"]), key=str.lower)))
