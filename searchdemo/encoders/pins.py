"""Which file of weights, or of tokens, is meant: the revision of its repository, and its SHA-256.

    python -m searchdemo.encoders.pins           compares the pins of the table with the newest files of the hub
    python -m searchdemo.encoders.pins --write   pins the newest files; write the list of what ships anew after that
    python -m searchdemo.encoders.pins --accept ENCODER    forgets which file was fetched here first

pins.json holds the pins of the table. An encoder that has none is pinned on each machine by its first download: the
person's own weights/pins.json keeps what came, so that later downloads fetch the same revision, and another file in the
place of the first is refused. Vectors belong to one file of weights.
"""

from __future__ import annotations

import argparse
import json
import logging
import re
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from searchdemo import hub, scratch
from searchdemo.encoders.base import EncoderSpec
from searchdemo.errors import BadArtifact, NotWritten, SearchDemoError
from searchdemo.files import make_folder, own_folder, sha256_of, write_json
from searchdemo.shipped import check
from searchdemo.types import Count

TABLE = Path(__file__).with_suffix(".json")
AGAIN = "python -m searchdemo.encoders.pins"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pin:
    revision: str  # the commit of the repository on the hub
    sha256: str  # of the file


def pin_of(spec: EncoderSpec, file: str) -> Pin | None:
    """That of the table, else that of the first download here, else None. file: of spec's repository."""
    key = _key(spec, file)
    return _pins(json.loads(check(TABLE).read_text())).get(key) or _own_pins().get(key)


def _key(spec: EncoderSpec, file: str) -> str:
    return spec.name if file == spec.hub_file else f"{spec.name}/{file}"


def files_of(spec: EncoderSpec) -> list[str]:
    """What is fetched from its repository, the largest last."""
    return [file for file in (spec.tokenizer_file, spec.hub_file) if file]


def fetched(spec: EncoderSpec, file: str, progress: Count | None = None) -> Path:
    """The pinned file of the hub's cache, downloaded where it is not there.

    Raises OSError with the reason in words, BadArtifact when what is there or what came is another one.
    """
    pin, path = pin_of(spec, file), here(spec, file)
    if path is None or not fits(pin, path):
        path = hub.fetch(spec.weights, file, progress, revision=pin.revision if pin else "main")
    return _verified(spec, file, path)


def fits(pin: Pin | None, path: Path) -> bool:
    """Whether a file of the hub's cache claims to be the pinned one, or is it."""
    return pin is None or path.parent.name == pin.revision or sha256_of(path) == pin.sha256


def _verified(spec: EncoderSpec, file: str, path: Path) -> Path:
    """The path of the pinned file. What comes first is pinned. Raises BadArtifact for another one."""
    digest, pin = sha256_of(path), pin_of(spec, file)
    if pin is None:
        _keep(_own_pins() | {_key(spec, file): Pin(path.parent.name, digest)})
    elif digest != pin.sha256:
        what = "weights" if file == spec.hub_file else "tokens"
        raise BadArtifact(
            f"{path} is not the file of {what} that {spec.name!r} is pinned to (its SHA-256 is {digest[:12]}... in "
            f"place of {pin.sha256[:12]}...): delete it, and it is fetched again; or take it on purpose with "
            f"`{AGAIN} --accept {spec.name}`, and build again."
        )
    return path


def here(spec: EncoderSpec, file: str) -> Path | None:
    """The pinned file of the hub's cache, else the newest of it that is there. No file is read."""
    pin = pin_of(spec, file)
    pinned = pin and hub.cached(spec.weights, file, revision=pin.revision)
    return pinned or hub.cached(spec.weights, file)


def _own() -> Path:
    return own_folder() / "weights" / "pins.json"


def _own_pins() -> dict[str, Pin]:
    return _pins(scratch.json_of(_own()) or {})


def _pins(content: dict) -> dict[str, Pin]:
    """Those entries that are pins."""
    found = {}
    for name, said in content.items():
        if isinstance(said, dict) and re.fullmatch(r"[0-9a-f]{64}", str(said.get("sha256"))) and said.get("revision"):
            found[name] = Pin(str(said["revision"]), said["sha256"])
    return found


def _keep(pins: dict[str, Pin]) -> None:
    try:
        make_folder(_own().parent)
        write_json(_own(), {name: asdict(pin) for name, pin in sorted(pins.items())})
    except (SearchDemoError, NotWritten) as error:  # the weights are here; another download is not compared with them
        log.warning("%s Which weights were fetched is not remembered until then.", error)


def newest() -> dict[str, Pin]:
    """What the hub has now of every encoder. Raises OSError with the reason in words."""
    from searchdemo.encoders.table import ENCODERS

    files = [(spec, file) for spec in ENCODERS.values() for file in files_of(spec)]
    return {_key(spec, file): Pin(*hub.identity(spec.weights, file)) for spec, file in files}


def main(argv: list[str] | None = None) -> int:
    from searchdemo.encoders.table import ENCODERS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="pin the newest files of the hub in the table")
    parser.add_argument("--accept", metavar="ENCODER", help="forget which file was fetched here first")
    arguments = parser.parse_args(argv)
    try:
        if arguments.accept:
            spec = ENCODERS.find(arguments.accept)
            _keep({key: pin for key, pin in _own_pins().items() if key.partition("/")[0] != spec.name})
            print(f"The next use of {spec.name!r} pins the files that are in the hub's cache then.")
            return 0
        pinned = _pins(json.loads(check(TABLE).read_text()))
        found = newest()
        for name, pin in found.items():
            was = pinned.get(name)
            said = "as pinned" if was == pin else f"pinned is {was.revision}" if was else "not pinned"
            print(name, pin.revision, pin.sha256, said)
        if arguments.write:
            write_json(TABLE, {name: asdict(pin) for name, pin in found.items()})
            print(f"Wrote {TABLE}. Now run `python -m searchdemo.shipped --write`.")
    except (OSError, SearchDemoError) as error:
        print(f"{error}; nothing was changed.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
