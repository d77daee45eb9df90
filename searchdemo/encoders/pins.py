"""Which file of weights is meant: the revision of its repository, and its SHA-256.

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

TABLE = Path(__file__).with_suffix(".json")
AGAIN = "python -m searchdemo.encoders.pins"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pin:
    revision: str  # the commit of the repository on the hub
    sha256: str  # of the file


def pin_of(spec: EncoderSpec) -> Pin | None:
    """That of the table, else that of the first download here, else None."""
    return _pins(json.loads(check(TABLE).read_text())).get(spec.name) or _own_pins().get(spec.name)


def verified(spec: EncoderSpec, path: Path) -> Path:
    """The path of a file of the hub's cache that is the pinned one. What comes first is pinned.

    Raises BadArtifact for another one.
    """
    digest, pin = sha256_of(path), pin_of(spec)
    if pin is None:
        _keep(_own_pins() | {spec.name: Pin(path.parent.name, digest)})
    elif digest != pin.sha256:
        raise BadArtifact(
            f"{path} is not the file of weights that {spec.name!r} is pinned to (its SHA-256 is {digest[:12]}... in "
            f"place of {pin.sha256[:12]}...): delete it, and it is fetched again; or take it on purpose with "
            f"`{AGAIN} --accept {spec.name}`, and build again."
        )
    return path


def here(spec: EncoderSpec) -> Path | None:
    """The pinned file of the hub's cache, else the newest of it that is there. No file is read."""
    pin = pin_of(spec)
    pinned = pin and hub.cached(spec.weights, spec.hub_file, revision=pin.revision)
    return pinned or hub.cached(spec.weights, spec.hub_file)


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


def newest(spec: EncoderSpec) -> Pin:
    """What the hub has now. Raises OSError with the reason in words."""
    commit, digest = hub.identity(spec.weights, spec.hub_file)
    return Pin(commit, digest)


def main(argv: list[str] | None = None) -> int:
    from searchdemo.encoders.table import ENCODERS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="pin the newest files of the hub in the table")
    parser.add_argument("--accept", metavar="ENCODER", help="forget which file was fetched here first")
    arguments = parser.parse_args(argv)
    try:
        if arguments.accept:
            spec = ENCODERS.find(arguments.accept)
            _keep({name: pin for name, pin in _own_pins().items() if name != spec.name})
            print(f"The next use of {spec.name!r} pins the file that is in the hub's cache then.")
            return 0
        pinned = _pins(json.loads(check(TABLE).read_text()))
        found = {spec.name: newest(spec) for spec in ENCODERS.values() if spec.hub_file}
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
