"""FAISS factory strings, read without FAISS: "IVF512,SQfp16" has cells, and so the parameter nprobe."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from searchdemo.indexes.base import EF_SEARCH, K_FACTOR, NPROBE, IndexSpec, SearchParam

PARAMS = ((NPROBE, r"IVF\d+|IMI"), (EF_SEARCH, r"HNSW"), (K_FACTOR, r"Refine|RFlat"))


def params_of(factory: str) -> tuple[SearchParam, ...]:
    """The search parameters that an index of this factory string has."""
    return tuple(param for param, pattern in PARAMS if re.search(pattern, factory))


def is_hash(factory: str) -> bool:
    """LSH compares bits: its distances are Hamming's."""
    return "LSH" in factory


def by_faiss(
    name: str, family: str, help_: str, factory: Callable[[int, int], str], *params: SearchParam, **options: Any
) -> IndexSpec:
    """factory: (vectors, dim) -> factory string."""
    return IndexSpec(name, family, help_, "faiss_index.FaissIndex", factory, params=params, library="faiss", **options)


def from_factory(factory: str, family: str, name: str = "", **build_params: int) -> IndexSpec:
    """As an entry of the INDEXES table, but not in it. build_params: FAISS's own names, set before training."""
    return by_faiss(
        name or f"faiss:{factory}",
        family,
        "a FAISS factory string",
        lambda vectors, dim: factory,
        *params_of(factory),
        build_params=tuple(build_params.items()),
        exact=family == "exact",
    )
