"""Numbers that a person gives, checked in one way: what is no number is refused with the sentence of its bounds."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Real

from searchdemo.errors import BadQuery


def within_bounds(name: str, value: object, holds: Callable[[float], bool], choose: str) -> float:
    """The number. Raises BadQuery for one out of bounds, NaN, True and False, and text such as "58".

    choose: what the sentence advises, "from 0 to 1, such as 0.5"
    """
    if isinstance(value, Real) and not isinstance(value, bool) and not math.isnan(value) and holds(float(value)):
        return float(value)
    raise BadQuery(f"{name} = {value!r} is out of bounds: choose {choose}.")
