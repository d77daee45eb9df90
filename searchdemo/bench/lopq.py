"""Locally optimised product quantisation: a rotation of its own in each cell (Kalantidis and Avrithis 2014).

Made of FAISS's parts: its k-means finds the cells, its product quantiser codes what is left after a cell's mean, turned
by the cell's own rotation. The rotation is parametric (Ge et al. 2013): principal axes, dealt out so that the product
of variances is alike in all subspaces. The quantiser is shared by all cells.
"""

from __future__ import annotations

import numpy as np

from searchdemo.indexes.factory import from_factory


def lopq_decoded(vectors: np.ndarray, cells: int, parts: int) -> np.ndarray:
    """What codes of `parts` bytes (and the number of the cell) keep of the vectors: (n, dim) float32.

    vectors: (n, dim) float32, dim divisible by parts. Raises BadQuery when there are too few to train with.
    """
    cell = from_factory(f"IVF{cells},Flat", "ivf").build(vectors, "l2").cells()
    assert cell is not None, "an inverted file has cells"
    residuals = np.empty_like(vectors)
    turned: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}  # cell -> its positions, mean and rotation
    for number in np.unique(cell):
        mine = np.flatnonzero(cell == number)
        mean = vectors[mine].mean(axis=0)
        rotation = balanced_rotation(vectors[mine] - mean, parts)
        residuals[mine] = (vectors[mine] - mean) @ rotation
        turned[int(number)] = mine, mean, rotation
    kept = decoded(residuals, f"PQ{parts}np")
    for mine, mean, rotation in turned.values():
        kept[mine] = kept[mine] @ rotation.T + mean
    return kept


def decoded(vectors: np.ndarray, factory: str) -> np.ndarray:
    """What the codes of an index with this factory string keep of the vectors that it is trained with: (n, dim).

    Raises BadQuery when they are too few.
    """
    built = from_factory(factory, "quantised").build(vectors, "l2")  # kept by name: it owns FAISS's own index
    return built.index.sa_decode(built.index.sa_encode(vectors))


def balanced_rotation(rows: np.ndarray, parts: int) -> np.ndarray:
    """(dim, dim) orthonormal columns: principal axes of rows (n, dim), the largest dealt out over `parts` groups of
    columns, each to the group with room whose product of variances is smallest."""
    dim = rows.shape[1]
    variances, axes = np.linalg.eigh(np.cov(rows.T) if len(rows) > 1 else np.eye(dim))
    logs = np.log(np.maximum(variances, 1e-12))
    groups: list[list[int]] = [[] for _ in range(parts)]
    products = np.zeros(parts)
    for axis in np.argsort(-variances):
        room = [group for group in range(parts) if len(groups[group]) < dim // parts]
        chosen = min(room, key=lambda group: products[group])
        groups[chosen].append(int(axis))
        products[chosen] += logs[axis] - logs.min()
    return np.ascontiguousarray(axes[:, [axis for group in groups for axis in group]], dtype=np.float32)
