"""Python packages that only some parts of searchdemo need: imported on first use, and named when they are missing."""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType

from searchdemo import assets
from searchdemo.errors import NotInstalled

# Extra of pyproject.toml -> the file that brings the same packages in a checkout, where searchdemo is not installed.
REQUIREMENTS = {
    "encoders": "requirements.txt",
    "indexes": "requirements-bench.txt",
    "bench": "requirements-bench.txt",
    "map": "requirements-map.txt",
    "milvus": "requirements-milvus.txt",
    "ray": "requirements-ray.txt",
}


def require(module: str, part: str, command: str) -> None:
    """Raises NotInstalled, as `imported` does, but imports nothing."""
    if not is_installed(module):
        raise NotInstalled(f"{part} needs the Python package {module!r}, which is not installed: run `{command}`.")


def imported(module: str, part: str, command: str) -> ModuleType:
    """The module, which `part` of searchdemo needs. Raises NotInstalled, with the pip command that brings it.

    part: the subject of the sentence, "The index 'annoy'"; command: "pip install annoy", or pip_command("encoders").
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # A package that is there and misses one of its own parts: the missing name is what has to be said.
        raise NotInstalled(
            f"{part} needs the Python package {error.name!r}, which is not installed: run `{command}`."
        ) from error


def pip_command(extra: str) -> str:
    """The command that installs the packages of an extra. Raises KeyError for a name that is not in REQUIREMENTS."""
    file = REQUIREMENTS[extra]
    if (assets.ROOT / file).is_file():
        return f"pip install -r {file}"
    return f'pip install "searchdemo[{extra}]"'


def is_installed(module: str) -> bool:
    """Whether the module can be found; it is not imported, so this costs nothing and a broken one counts as there."""
    return importlib.util.find_spec(module.partition(".")[0]) is not None
