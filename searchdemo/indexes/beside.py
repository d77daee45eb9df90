"""Files beside that of an index: what the nodes of a graph stand for, and which of them its walks do not reach."""

from __future__ import annotations

from pathlib import Path

from searchdemo.files import discard
from searchdemo.indexes.nodes import Nodes
from searchdemo.indexes.unreached import Unreached


def nodes_file(path: Path) -> Path:
    """Of a graph, where its nodes are not simply its positions."""
    return path.with_name(f"{path.name}.nodes.npy")


def unreached_file(path: Path) -> Path:
    """Of a graph that does not reach all of its nodes."""
    return path.with_name(f"{path.name}.unreached.npy")


def beside(path: Path) -> dict[str, Path]:
    """Those that are there, by what they are."""
    files = {"nodes": nodes_file(path), "unreached": unreached_file(path)}
    return {what: file for what, file in files.items() if file.exists()}


def read_nodes(path: Path) -> Nodes | None:
    """Raises ValueError for a file that holds none."""
    return Nodes.read(nodes_file(path)) if nodes_file(path).exists() else None


def read_unreached(path: Path, nodes: int, dim: int) -> Unreached | None:
    """Raises ValueError for a file that holds none of a graph of so many nodes."""
    return Unreached.read(unreached_file(path), nodes, dim) if unreached_file(path).exists() else None


def write(path: Path, nodes: Nodes | None, unreached: Unreached | None) -> None:
    for file, content in ((nodes_file(path), nodes), (unreached_file(path), unreached)):
        if content is None:
            discard(file)
        else:
            content.write(file)
