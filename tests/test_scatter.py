"""Recall against a cost as HTML: where a dot lies, what it says, which marks it has."""

from __future__ import annotations

import re

import pytest

from searchdemo.bench import plots as for_documents
from searchdemo.indexes.table import INDEXES
from searchdemo.ui.components import plots
from searchdemo.ui.components.scatter import Axis, Dot, decades, log_axis, nines, scatter, share_axis


def dot(cost: float = 1.0, gain: float = 0.9, family: str = "ivf", name: str = "a", **marks: bool) -> Dot:
    return Dot("point-0", cost, gain, family, name, ["a fact"], **marks)


def places(html: str, of: str = "dot") -> list[tuple[float, float]]:
    """(left, bottom) in percent of the area, of each element of this class."""
    found = re.findall(rf'class="{of}[^"]*"[^>]*style="left:([\d.]+)%;bottom:([\d.]+)%', html)
    return [(float(left), float(bottom)) for left, bottom in found]


def test_the_cost_is_logarithmic_and_the_gain_is_stretched_towards_1():
    html = scatter([dot(0.1, 0.9), dot(1, 0.99), dot(10, 0.999), dot(1, 0.9999), dot(1, 1.0)], "ms", "recall@10")
    left, middle, right, *top = places(html)
    assert middle[0] == pytest.approx(50, abs=0.01)  # each decade is as wide
    assert left[0] == pytest.approx(100 - right[0], abs=0.01) and 0 < left[0] < 10
    assert middle[1] - left[1] == pytest.approx(right[1] - middle[1], abs=0.02)  # so is each nine
    assert top[0] == top[1] and right[1] < top[0][1] < 100  # above 0.9999, all is drawn as 1


def test_a_place_on_an_axis_is_kept_on_it():
    axis = Axis("ms", -1, 1, [], decades)
    assert [axis.place(value) for value in (0.1, 1, 10)] == pytest.approx([0, 50, 100])
    assert [axis.place(value) for value in (0, 1e-12, 1e6)] == [0, 0, 100]


def labels(axis: Axis) -> list[str]:
    return [label for _, label in axis.ticks if label]


def test_ticks():
    assert labels(log_axis("ms", [0.012, 0.2])) == ["0.02", "0.05", "0.1", "0.2"]
    assert labels(log_axis("ms", [0.05, 60])) == ["0.1", "1", "10"]  # decades alone, where 2 and 5 would touch them
    assert labels(log_axis("MB", [1, 5000])) == ["1", "10", "100", "1,000"]
    assert labels(share_axis("recall", [0.42, 1])) == ["0", "0.5", "0.9", "0.99", "0.999", "1"]
    assert labels(share_axis("recall", [0.6, 0.8])) == ["0.5", "0.9", "0.99", "0.999", "1"]
    assert labels(share_axis("recall", [0.993, 1])) == ["0.99", "0.999", "1"]


@pytest.mark.parametrize(("share", "count"), [(0, 0), (0.9, 1), (0.99, 2), (0.9999, 4), (0.99999, 4), (1, 4)])
def test_nines(share, count):
    assert nines(share) == pytest.approx(count)


def test_all_costs_alike_still_make_an_axis():
    assert places(scatter([dot(5, 0.8), dot(5, 1.0)], "ms", "recall@10"))[0][0] == pytest.approx(50, abs=0.01)
    assert scatter([], "ms", "recall@10") == ""


def test_the_front_is_a_step_line_to_the_right_edge():
    html = scatter([dot(0.1, 0.5), dot(10, 0.9)], "ms", "recall@10", line=[(0.1, 0.5), (10, 0.9)])
    points = [tuple(map(float, pair.split(","))) for pair in re.search(r'points="([^"]+)"', html)[1].split()]
    (x1, y1), (x2, y2) = places(html)
    # SVG counts from the top
    corners = [(x1, 100 - y1), (x2, 100 - y1), (x2, 100 - y2), (100, 100 - y2)]
    assert points == pytest.approx([pytest.approx(corner, abs=0.011) for corner in corners])
    assert 'preserveAspectRatio="none"' in html and 'vector-effect="non-scaling-stroke"' in html


def test_marks_and_names():
    html = scatter(
        [
            dot(1, 0.5, name="x <1>", faded=True),
            dot(2, 0.9, "graph", "y", front=True, ringed=True),
            dot(3, hollow=True),
        ],
        "ms",
        "recall@10",
    )
    assert re.findall(r'<div class="(dot[^"]*)"', html) == ["dot faded", "dot front ringed", "dot hollow"]
    assert re.findall(r'aria-selected="(\w+)"', html) == ["false", "true", "false"]
    assert 'aria-label="x &lt;1&gt;: a fact"' in html and 'role="listbox" tabindex="0"' in html
    assert re.findall(r'class="named"[^>]*>([^<]+)<', html) == ["y"]


def test_bounds_are_drawn_where_they_lie():
    html = scatter([dot(0.1, 0.5), dot(1), dot(10, 0.7)], "ms", "recall@10", max_cost=1.0, min_gain=0.9)
    (_, _), (x, y), (_, _) = places(html)
    assert f'bound up" style="left:{x:.2f}%"' in html and f'bound across" style="bottom:{y:.2f}%"' in html
    assert "bound" not in scatter([dot()], "ms", "recall@10")


def test_the_legend_names_the_families_that_are_there():
    html = scatter(
        [dot(), dot(2, family="graph"), dot(3, family="tree", hollow=True)], "ms", "r", families={"ivf": "IVF"}
    )
    legend = re.search(r'class="legend">(.*?)</div>', html)[1]
    assert re.findall(r"</i>([^<]+)", legend) == ["IVF", "graph", "other libraries"]


def test_one_source_of_colours():
    assert all(
        plots.COLOURS[family] == colour for family, colour in for_documents.COLOURS.items() if family != "encode"
    )
    assert {spec.family for spec in INDEXES.values()} <= set(for_documents.COLOURS)
    assert f"--colour:{for_documents.COLOURS['hash']}" in scatter([dot(family="hash")], "ms", "recall@10")
