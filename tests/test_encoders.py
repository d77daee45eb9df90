"""Encoders from timm and open_clip: the table's facts, transforms, precision, a person's own weights, words.

Facts are counted on torch's meta device, which has shapes and no memory. What is encoded is encoded with
stand-in weights: nothing here needs a network.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import open_clip  # here, like timm: older torch cannot import it once the meta device is set
import pytest
import timm
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from searchdemo.encoders import table
from searchdemo.encoders.device import pick_device
from searchdemo.encoders.stand_in import build_net
from searchdemo.encoders.table import ENCODERS
from searchdemo.encoders.timm_encoder import folded, module
from searchdemo.encoders.transforms import LONGEST, centre, transform_of
from searchdemo.encoders.weights import read_weights
from searchdemo.errors import BadArtifact, BadQuery, UnknownName
from tests.small_clip import small_clip
from tests.stand_in import stand_in

FROM_LIBRARIES = [name for name, spec in ENCODERS.items() if not spec.shipped]
CLIPS = [name for name in FROM_LIBRARIES if name.startswith("clip-")]


def noise(count: int, size=(64, 48), seed: int = 0) -> list[Image.Image]:
    values = np.random.default_rng(seed).integers(0, 256, (count, size[1], size[0], 3), dtype=np.uint8)
    return [Image.fromarray(picture) for picture in values]


def input_of(name: str, transform: str):
    """Upright RGB picture -> (3, px, px) float32, as the network sees it."""
    spec, to_input = ENCODERS[name], transform_of(ENCODERS[name], transform)
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (spec.mean, spec.std))

    def seen(picture: Image.Image) -> torch.Tensor:
        pixels = to_input.pixels([picture])
        assert pixels.dtype == np.uint8
        return (torch.from_numpy(pixels[0]).permute(2, 0, 1) / 255 - mean) / std

    return seen


def pretrained_cfg(spec) -> dict:
    """open_clip's entry for these weights, with the mean, std and interpolation of their training.

    When the library itself loads a local file, it uses OpenAI's values without a word.
    """
    tags = open_clip.list_pretrained_tags_by_model(spec.model)
    entries = (open_clip.get_pretrained_cfg(spec.model, tag) for tag in tags)
    return next(entry for entry in entries if entry.get("hf_hub", "").rstrip("/") == spec.weights)


@pytest.fixture(scope="module")
def mobilenet():
    return table.load("mobilenetv3-large", weights=stand_in("mobilenetv3-large"), device="cpu", precision="float32")


@pytest.fixture(scope="module")
def mobileclip():
    return table.load(
        "mobileclip2-s0", weights=stand_in("mobileclip2-s0"), device="cpu", precision="float32", runtime="torch"
    )


def test_the_table_costs_nothing_to_import():
    heavy = ["torch", "torchvision", "timm", "open_clip", "huggingface_hub", "safetensors"]
    code = "import sys, searchdemo.encoders.table as table; table.weights_path('resnet18'); "
    code += f"print({set(heavy)} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"


@pytest.mark.parametrize("name", FROM_LIBRARIES)
def test_the_facts_in_the_table_are_those_of_the_network(name):
    spec = ENCODERS[name]
    with torch.device("meta"):
        net = build_net(name)
        pixels = torch.empty(2, 3, spec.input_px, spec.input_px)
        rows = net.encode_image(pixels) if spec.text else net.eval()(pixels)
        assert rows.shape == (2, spec.dim)
        assert sum(parameter.numel() for parameter in net.parameters()) == spec.parameters
        assert hasattr(net, "encode_text") == spec.text
        if spec.module == "timm_encoder":  # the hub's file is of the whole network, at its own size
            import timm

            net = timm.create_model(spec.model)
        assert sum(value.nbytes for value in net.state_dict().values()) == spec.download_bytes


@pytest.mark.parametrize("name", FROM_LIBRARIES)
def test_the_library_knows_where_the_weights_lie_and_on_which_terms(name):
    spec = ENCODERS[name]
    if spec.module == "timm_encoder":
        import timm

        config = timm.get_pretrained_cfg(spec.model)
        assert (config.hf_hub_id, config.license) == (spec.weights, spec.licence.lower())
    else:
        from open_clip.constants import HF_SAFE_WEIGHTS_NAME

        assert pretrained_cfg(spec)["hf_hub"].rstrip("/") == spec.weights
        assert spec.hub_file == HF_SAFE_WEIGHTS_NAME


@pytest.mark.parametrize("name", FROM_LIBRARIES)
def test_the_library_knows_the_head_of_imagenet(name):
    spec = ENCODERS[name]
    config = timm.get_pretrained_cfg(spec.model).to_dict() if spec.module == "timm_encoder" else {}
    assert spec.head == (config["classifier"] if config.get("num_classes") == 1000 else "")


@pytest.mark.parametrize("name", CLIPS)
def test_weights_of_openai_run_with_quickgelu(name):
    with torch.device("meta"):
        kinds = {type(module).__name__ for module in build_net(name).modules()}
    assert "QuickGELU" in kinds and "GELU" not in kinds
    assert pretrained_cfg(ENCODERS[name])["quick_gelu"]


@pytest.mark.parametrize("transform", ["own", "full"])
@pytest.mark.parametrize("name", FROM_LIBRARIES)
def test_every_transform_gives_the_input_square(name, transform):
    to_tensor, px = input_of(name, transform), ENCODERS[name].input_px
    for size in [(64, 64), (1, 1), (300, 200), (1, 20_000)]:  # the last would be 5 million pixels long at 256 wide
        tensor = to_tensor(Image.new("RGB", size, "teal"))
        assert tensor.shape == (3, px, px) and tensor.dtype == torch.float32


@pytest.mark.parametrize("name", FROM_LIBRARIES)
def test_own_makes_of_a_picture_what_the_library_makes_of_it(name):
    spec = ENCODERS[name]
    if spec.module == "timm_encoder":
        config = timm.get_pretrained_cfg(spec.model).to_dict() | {"input_size": (3, spec.input_px, spec.input_px)}
        theirs = timm.data.create_transform(**timm.data.resolve_data_config(config))
    else:
        config = open_clip.transform.merge_preprocess_dict({"size": spec.input_px}, pretrained_cfg(spec))
        theirs = open_clip.transform.image_transform_v2(open_clip.transform.PreprocessCfg(**config), is_train=False)
    for picture in (*noise(2), *noise(1, (301, 203)), *noise(1, (203, 777)), *noise(1, (spec.input_px,) * 2)):
        torch.testing.assert_close(input_of(name, "own")(picture), theirs(picture), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", FROM_LIBRARIES)
def test_white_becomes_what_the_weights_were_trained_with(name):
    mean, std = (0.485, 0.229) if ENCODERS[name].module == "timm_encoder" else (0.48145466, 0.26862954)  # of red
    if name == "efficientnet-lite0":
        mean, std = 0.5, 0.5
    if name == "mobileclip2-s0":
        mean, std = 0.0, 1.0  # not what open_clip takes for a local file
    if name == "siglip2-vit-b32":
        mean, std = 0.5, 0.5
    for transform in ("own", "full"):
        red = input_of(name, transform)(Image.new("RGB", (64, 64), "white"))[0]
        torch.testing.assert_close(red, torch.full_like(red, (1 - mean) / std))


def test_own_cuts_the_border_off_and_full_keeps_it():
    picture = Image.new("RGB", (64, 64), "white")
    picture.paste("black", (4, 4, 60, 60))  # "resize 256, crop 224" keeps the central 56 x 56
    own, full = input_of("resnet18", "own")(picture), input_of("resnet18", "full")(picture)
    black = (0 - 0.485) / 0.229
    assert own[0, 6:-6, 6:-6].numpy() == pytest.approx(black)  # to the edge, but for the reach of the filter
    assert full[0, 112, 112] == pytest.approx(black)
    assert full[0, 0, 0] > 2 and full[0, -1, -1] > 2  # white


def test_only_very_long_pictures_are_cut():
    assert centre(picture := Image.new("RGB", (10 * LONGEST, 10))) is picture
    assert centre(Image.new("RGB", (10, 1000))).size == (10, 10 * LONGEST)
    stripes = Image.new("RGB", (1000, 10), "red")
    stripes.paste("lime", (500 - 20, 0, 500 + 20, 10))
    assert centre(stripes).getcolors() == [(400, (0, 255, 0))]


def test_rows_are_float32_units_and_do_not_depend_on_the_batch(mobilenet):
    pictures = noise(5)
    rows = mobilenet.encode_images(pictures)
    assert rows.shape == (5, 1280) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    alone = np.concatenate([mobilenet.encode_images([picture]) for picture in pictures])
    np.testing.assert_allclose(rows, alone, atol=1e-4)
    assert (rows @ rows.T)[~np.eye(5, dtype=bool)].max() < 0.9999  # other pictures, other rows
    assert mobilenet.encode_images([]).shape == (0, 1280)


@pytest.mark.parametrize("name", ["mobilenetv3-large", "resnet18", "dino-vits16"])
def test_bfloat16_and_float32_agree(name):
    low, high = (
        table.load(name, weights=stand_in(name), device="cpu", precision=precision)
        for precision in ("bfloat16", "float32")
    )
    assert (low.how.precision, high.how.precision) == ("bfloat16", "float32")
    pictures = noise(4)
    cosines = (low.encode_images(pictures) * high.encode_images(pictures)).sum(axis=1)
    assert 0.999 < cosines.min() < cosines.max() < 1 - 1e-7  # near, and not the same computation


def test_weights_in_the_layout_of_the_network_are_not_converted():
    """Without a classifier's head, timm takes Swin's own layout for an older one, and renames its tensors."""
    weights, name = read_weights(stand_in("swin-t")), "layers.2.downsample.reduction.weight"
    assert torch.equal(module(ENCODERS["swin-t"], weights).state_dict()[name], weights.tensors[name])


@torch.inference_mode()
def test_folding_batch_norms_changes_no_answer():
    net = build_net("resnet18").eval()
    for name, tensor in net.state_dict().items():  # statistics that are not 0 and 1
        if name.endswith("running_mean"):
            tensor.uniform_(-0.5, 0.5)
        elif name.endswith("running_var"):
            tensor.uniform_(0.5, 2)
    pixels = torch.randn(3, 3, 224, 224)
    plain, fused = net(pixels), folded(net)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in fused.modules())
    assert torch.nn.functional.cosine_similarity(plain, fused(pixels)).min() > 1 - 1e-5


def test_preprocess_runs_in_several_threads(mobilenet):
    pictures = noise(16)
    together = mobilenet.preprocess(pictures)
    with ThreadPoolExecutor(4) as pool:
        apart = np.concatenate(list(pool.map(lambda picture: mobilenet.preprocess([picture]), pictures)))
    assert np.array_equal(apart, together)


def test_the_device_can_be_chosen():
    assert pick_device("cpu") == "cpu"
    with pytest.raises(UnknownName, match=r"tpu.*cpu"):
        pick_device("tpu")


def test_the_families_declare_what_differs_between_them():
    facts = {(s.module, s.prompt, len(s.prompts), s.temperature, s.trained_on) for s in ENCODERS.values()}
    assert facts == {
        ("bundled", "{}", 1, 0.07, "tiny-imagenet"),
        ("timm_encoder", "{}", 1, 0.07, ""),
        ("open_clip_encoder", "a photo of a {}.", 7, 0.01, ""),
        ("open_clip_encoder", "{}", 7, 0.01, ""),  # of many languages
    }
    for spec in ENCODERS.values():
        assert bool(spec.shipped) != bool(spec.hub_file)
        assert all("{}" in prompt for prompt in (spec.prompt, *spec.prompts))


def test_a_new_family_is_a_file_and_an_entry(monkeypatch):
    """Nothing but the table knows the families."""
    family = SimpleNamespace(load=lambda spec, path, how, transform: (spec.name, path, transform))
    monkeypatch.setitem(sys.modules, "searchdemo.encoders.toy", family)
    spec = replace(ENCODERS["resnet18"], name="toy", module="toy")
    monkeypatch.setitem(ENCODERS, "toy", spec)
    assert table.load("toy", weights=Path("toy.safetensors")) == ("toy", Path("toy.safetensors"), "own")


def test_an_encoder_that_ships_has_no_stand_in():
    with pytest.raises(BadQuery, match="'bundled' comes with its weights"):
        build_net("bundled")


def test_unknown_names():
    with pytest.raises(UnknownName, match=r"'resnet81'.*resnet18.*clip-vit-l14"):
        table.load("resnet81")
    with pytest.raises(UnknownName, match=r"'crop'.*own, full"):
        table.load("resnet18", transform="crop", weights=stand_in("resnet18"))


def test_words_and_pictures_share_a_space(mobileclip):
    rows = mobileclip.encode_texts(["a red boat", "a green hill", "a red boat"])
    assert rows.shape == (3, mobileclip.dim) and rows.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(rows[0], rows[2], atol=1e-5)
    assert rows[0] @ rows[1] < 0.9999
    assert mobileclip.encode_images(noise(2)).shape == (2, mobileclip.dim)
    assert mobileclip.encode_texts([]).shape == (0, mobileclip.dim)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_both_towers_run_in_the_other_runtimes(monkeypatch, tmp_path, runtime):
    pytest.importorskip(runtime)
    weights = small_clip("clip-vit-b32", tmp_path, monkeypatch)
    ours, theirs = (
        table.load("clip-vit-b32", weights=weights, device="cpu", precision="float32", runtime=name)
        for name in (runtime, "torch")
    )
    pictures, texts = noise(5), ["a red boat", "a green hill", "boat " * 100]
    np.testing.assert_allclose(ours.encode_images(pictures), theirs.encode_images(pictures), atol=1e-4)
    for asked in (texts, texts[:1]):
        np.testing.assert_allclose(ours.encode_texts(asked), theirs.encode_texts(asked), atol=1e-4)


def test_a_text_past_the_context_is_cut(mobileclip):
    long, longer = mobileclip.encode_texts(["boat " * 100, "boat " * 3000])  # 77 tokens are read
    np.testing.assert_allclose(long, longer, atol=1e-5)
    assert np.isfinite(mobileclip.encode_texts(["🙂⛵", ""])).all()


def test_an_encoder_without_words_says_so(mobilenet):
    assert not mobilenet.has_text
    with pytest.raises(BadQuery, match=r"mobilenetv3-large.*no text tower"):
        mobilenet.encode_texts(["a boat"])


def own_weights(tmp_path, change, name="mobilenetv3-large"):
    """A person's file: the stand-in's tensors after `change`, without the mark of a stand-in."""
    tensors = load_file(stand_in(name))
    change(tensors)
    save_file(tensors, tmp_path / "mine.safetensors")
    return tmp_path / "mine.safetensors"


def test_own_weights_with_a_head_are_loaded_without_it(tmp_path, mobilenet):
    path = own_weights(tmp_path, lambda tensors: tensors.update({"classifier.weight": torch.ones(7, 1280)}))
    mine = table.load("mobilenetv3-large", weights=path, device="cpu", precision="float32", runtime="torch")
    pictures = noise(2)
    np.testing.assert_allclose(mine.encode_images(pictures), mobilenet.encode_images(pictures), atol=1e-5)
    assert (mobilenet.stand_in, mine.stand_in) == (True, False)
    assert mine.weights_sha256 == hashlib.sha256(path.read_bytes()).hexdigest() != mobilenet.weights_sha256


def test_own_weights_change_the_answer(tmp_path, mobilenet):
    path = own_weights(tmp_path, lambda tensors: tensors["conv_stem.weight"].neg_())
    mine = table.load("mobilenetv3-large", weights=path, device="cpu", precision="float32", runtime="torch")
    assert (mine.encode_images(noise(1)) @ mobilenet.encode_images(noise(1)).T).item() < 0.9999


@torch.inference_mode()
def test_weights_of_dinov2_at_518_px_are_resampled_to_224(tmp_path):
    def as_on_the_hub(tensors):
        tensors["pos_embed"] = torch.linspace(-1, 1, 1 + 37 * 37).view(1, -1, 1).repeat(1, 1, 384)

    path = own_weights(tmp_path, as_on_the_hub, "dinov2-vits14")
    encoder = table.load("dinov2-vits14", weights=path, device="cpu", precision="float32", runtime="torch")
    embedding = encoder.images.module().pos_embed
    assert embedding.shape == (1, 1 + 16 * 16, 384)
    assert embedding[0, 0, 0] == pytest.approx(-1, abs=0.1)
    assert embedding[0, -1, 0] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda tensors: tensors.pop("conv_stem.weight"), r"mobilenetv3-large: 1 of its \d+ .*'conv_stem.weight'"),
        (
            lambda tensors: tensors.update({"conv_stem.weight": torch.ones(1)}),
            r"1 have another shape .*\(16, 3, 3, 3\)",
        ),
        (lambda tensors: tensors.clear(), r"tensors are missing"),
    ],
    ids=["missing", "misshapen", "empty"],
)
def test_weights_that_do_not_fit(tmp_path, change, complaint):
    with pytest.raises(BadArtifact, match=complaint):
        table.load("mobilenetv3-large", weights=own_weights(tmp_path, change), device="cpu")


@pytest.mark.parametrize("name", ["dino-vits16", "mobileclip2-s0"])
def test_weights_of_another_encoder(name):
    with pytest.raises(BadArtifact, match=f"does not fit {name}"):
        table.load(name, weights=stand_in("mobilenetv3-large"), device="cpu")


def test_files_that_are_no_weights(tmp_path):
    pickled, cut = tmp_path / "pickled.safetensors", tmp_path / "cut.safetensors"
    torch.save({"conv_stem.weight": torch.ones(1)}, pickled)
    cut.write_bytes(stand_in("mobilenetv3-large").read_bytes()[:100_000])
    for path in (pickled, cut):
        with pytest.raises(BadArtifact, match=r"not a whole safetensors file.*runs code"):
            table.load("mobilenetv3-large", weights=path, device="cpu")
    with pytest.raises(BadArtifact, match="no weights file"):
        table.load("mobilenetv3-large", weights=tmp_path / "nowhere.safetensors", device="cpu")
