"""What a row of a collection in Milvus holds: the vector, and what filters ask for, by the names of metadata/milvus.py.

A bare collection, which no filter is ever told of, has vectors alone: packing its rows takes a sixth of the time.

Milvus 2.3 has no fields without a value, so `known` names the columns that have one, and the others hold nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from pymilvus import DataType, MilvusClient

from searchdemo.indexes.described import MOST_BYTES, MOST_LABELS, NAME_BYTES, Described

NUMBERS = ("row", "size", "year", "month", "latitude", "longitude", "seconds")
TEXTS = ("caption", "file", "modified", "date", "camera", "video", "hash")


def schema(milvus: MilvusClient, dim: int, bare: bool) -> Any:
    made = milvus.create_schema(auto_id=False, enable_dynamic_field=False)
    made.add_field("key", DataType.INT64, is_primary=True)
    made.add_field("vector", DataType.FLOAT_VECTOR, dim=dim)
    if bare:
        return made
    made.add_field("facts", DataType.INT64)
    texts = {"datatype": DataType.ARRAY, "element_type": DataType.VARCHAR}
    made.add_field("known", max_capacity=32, max_length=64, **texts)
    made.add_field("of_label", max_capacity=MOST_LABELS, max_length=NAME_BYTES, **texts)
    for name in NUMBERS:
        made.add_field(f"of_{name}", DataType.DOUBLE)
    for name in TEXTS:
        made.add_field(f"of_{name}", DataType.VARCHAR, max_length=MOST_BYTES)
    return made


def bare_row(key: int, vector: np.ndarray) -> dict[str, Any]:
    return {"key": key, "vector": vector}


def row(key: int, vector: np.ndarray, facts: int, described: Described | None, position: int) -> dict[str, Any]:
    columns = described.columns if described else {}
    said = {name: columns[name][position] for name in columns}
    known = [name for name, value in said.items() if value is not None and value != []]
    content = bare_row(key, vector) | {"facts": facts, "known": known}
    content["of_label"] = said.get("label") or []
    content |= {f"of_{name}": float(said.get(name) or 0) for name in NUMBERS}
    return content | {f"of_{name}": said.get(name) or "" for name in TEXTS}
