"""docs/hundred-million.md starts from the card of `embed`, and its results follow from what it names."""

from __future__ import annotations

import pytest

from searchdemo import assets
from searchdemo.measure.cards import load

TEXT = (assets.ROOT / "docs" / "hundred-million.md").read_text()
WORKERS_CORES, SCALING, CORE, PICTURES = 40, 0.8, 0.05, 1e8


@pytest.mark.parametrize(
    ("encoder", "rate", "hours_of_cores"), [("bundled", "392", "70.9"), ("clip-vit-b32", "33.7", "824")]
)
def test_rates_are_those_of_the_cards(encoder, rate, hours_of_cores):
    card = load(assets.ROOT / "cards" / "tiny-imagenet" / encoder / "embed.json")
    (row,) = (row for row in card.parts["embed"] if row["contestant"] == "pipeline")
    per_core = row["per_second"] / row["threads"]
    assert f"| `{encoder}`, pictures per second and core | {rate} |" in TEXT or f"the same | {rate} |" in TEXT
    assert float(rate) == pytest.approx(per_core, rel=0.005)
    assert f"10^8 / {rate} / 3,600 = {hours_of_cores}" in TEXT
    assert PICTURES / per_core / 3600 == pytest.approx(float(hours_of_cores), rel=0.005)


def test_the_rest_follows():
    rates = {"bundled": WORKERS_CORES * 392 * SCALING, "clip-vit-b32": WORKERS_CORES * 33.7 * SCALING}
    for rate, said, hours, dollars in zip(rates.values(), ("12,540", "1,078"), (2.2, 25.8), (4.4, 51.5), strict=True):
        assert f"x S = {said}" in TEXT and float(said.replace(",", "")) == pytest.approx(rate, rel=0.002)
        assert f"40 x {hours} x C = {dollars}" in TEXT and PICTURES / rate / 3600 == pytest.approx(hours, abs=0.05)
        assert WORKERS_CORES * hours * CORE == pytest.approx(dollars, abs=0.11)
    assert "164 s x 10^1.17 = 40 minutes" in TEXT and pytest.approx(40, abs=0.5) == 164 * 10**1.17 / 60
    assert "5.6 to 8.3 ms" in TEXT and pytest.approx(5.6, abs=0.05) == 2.29 * 10**0.39
    assert pytest.approx(8.3, abs=0.05) == 2.29 * 10**0.56 and pytest.approx(413, abs=0.6) == 26.4e9 * 64 / 4096 / 1e6
