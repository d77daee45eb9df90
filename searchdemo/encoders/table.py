"""The encoders that can be chosen, and the one way to load them. Importing this costs nothing: no torch, no network."""

from __future__ import annotations

from pathlib import Path

from searchdemo import assets, hub
from searchdemo.encoders.base import Encoder, EncoderSpec
from searchdemo.encoders.transforms import TRANSFORMS
from searchdemo.errors import NoWeights, UnknownName

_OPENAI = {"family": "open_clip", "text": True, "licence": "MIT"}
_TIMM = {"family": "timm", "text": False, "licence": "Apache-2.0"}

# `model` is the library's id. open_clip's names without "-quickgelu" also load, and give wrong features: OpenAI
# trained with x * sigmoid(1.702 x) for GELU. download_bytes: the tensors of the file, the classifier's head of
# timm's included, as float32. Both counted from the networks themselves: tests/test_encoders.py.
_SPECS = (
    EncoderSpec(
        name="bundled",
        family="bundled",
        model="image tower + text tower",
        weights="comes with searchdemo",
        parameters=14_678_288,
        dim=128,
        input_px=64,
        text=True,
        download_bytes=0,
        licence="MIT",
        note="small, trained on tiny-ImageNet",
    ),
    EncoderSpec(
        name="resnet18",
        model="resnet18.tv_in1k",
        weights="timm/resnet18.tv_in1k",
        parameters=11_176_512,
        dim=512,
        input_px=224,
        download_bytes=46_796_608,
        note="torchvision's weights, trained on the labels of ImageNet-1k",
        **_TIMM | {"licence": "BSD-3-Clause"},
    ),
    EncoderSpec(
        name="mobilenetv3-large",
        model="mobilenetv3_large_100.ra_in1k",
        weights="timm/mobilenetv3_large_100.ra_in1k",
        parameters=4_202_032,
        dim=1280,
        input_px=224,
        download_bytes=22_030_096,
        note="for telephones, trained on the labels of ImageNet-1k",
        **_TIMM,
    ),
    EncoderSpec(
        name="dino-vits16",
        model="vit_small_patch16_224.dino",
        weights="timm/vit_small_patch16_224.dino",
        parameters=21_665_664,
        dim=384,
        input_px=224,
        download_bytes=86_662_656,
        note="trained without labels",
        **_TIMM,
    ),
    EncoderSpec(
        name="dinov2-vits14",
        model="vit_small_patch14_dinov2.lvd142m",
        weights="timm/vit_small_patch14_dinov2.lvd142m",
        parameters=21_628_800,
        dim=384,
        input_px=224,
        download_bytes=88_224_768,
        note="trained without labels at 518 px, run at 224",
        **_TIMM,
    ),
    EncoderSpec(
        name="clip-vit-b32",
        model="ViT-B-32-quickgelu",
        weights="timm/vit_base_patch32_clip_224.openai",
        parameters=151_277_313,
        dim=512,
        input_px=224,
        download_bytes=605_109_252,
        **_OPENAI,
    ),
    EncoderSpec(
        name="clip-vit-b16",
        model="ViT-B-16-quickgelu",
        weights="timm/vit_base_patch16_clip_224.openai",
        parameters=149_620_737,
        dim=512,
        input_px=224,
        download_bytes=598_482_948,
        **_OPENAI,
    ),
    EncoderSpec(
        name="clip-vit-l14",
        model="ViT-L-14-quickgelu",
        weights="timm/vit_large_patch14_clip_224.openai",
        parameters=427_616_513,
        dim=768,
        input_px=224,
        download_bytes=1_710_466_052,
        **_OPENAI,
    ),
    EncoderSpec(
        name="clip-rn50",
        model="RN50-quickgelu",
        weights="timm/resnet50_clip.openai",
        parameters=102_007_137,
        dim=1024,
        input_px=224,
        download_bytes=408_241_980,
        **_OPENAI,
    ),
    EncoderSpec(
        name="clip-rn50x4",
        model="RN50x4-quickgelu",
        weights="timm/resnet50x4_clip.openai",
        parameters=178_300_601,
        dim=640,
        input_px=288,
        download_bytes=713_642_124,
        **_OPENAI,
    ),
    EncoderSpec(
        name="mobileclip2-s0",
        model="MobileCLIP2-S0",
        weights="timm/MobileCLIP2-S0-OpenCLIP",
        parameters=74_835_073,
        dim=512,
        input_px=256,
        download_bytes=299_543_956,
        note="for telephones; its licence allows research only",
        **_OPENAI | {"licence": "Apple AMLR (research only)"},
    ),
)

ENCODERS: dict[str, EncoderSpec] = {spec.name: spec for spec in _SPECS}

# Of each family, the one file of a hub repository that holds the weights; never the pickle beside it.
HUB_FILE = {"timm": "model.safetensors", "open_clip": "open_clip_model.safetensors"}
BUNDLED_FILE = assets.WEIGHTS / "bundled.safetensors"


def spec_of(name: str) -> EncoderSpec:
    """Raises UnknownName."""
    if name not in ENCODERS:
        raise UnknownName("encoder", name, ENCODERS)
    return ENCODERS[name]


def weights_path(name: str) -> Path | None:
    """The weights file of an encoder if this machine has it. Cheap: `list` asks it of all."""
    spec = spec_of(name)
    if spec.family == "bundled":
        return BUNDLED_FILE if BUNDLED_FILE.is_file() else None
    return hub.cached(spec.weights, HUB_FILE[spec.family])


def load(
    name: str,
    *,
    device: str | None = None,
    transform: str = "own",
    weights: Path | None = None,
    precision: str | None = None,
    progress: hub.Progress | None = None,
) -> Encoder:
    """An encoder, ready. Its weights come from the file `weights`, else this machine's cache, else the hub.

    device: "cuda" | "cuda:1" | "mps" | "cpu"; None: the fastest of this machine
    transform: "own" | "full", see transforms.py
    weights: a safetensors file of the same architecture, fine-tuned by the person
    precision: "auto" | "bfloat16" | "float32"; None: SEARCHDEMO_PRECISION, else "auto"
    progress: called with (bytes here, bytes in all) while the weights are fetched

    Raises UnknownName, NoWeights (neither here nor within reach), BadArtifact (a file that does not fit).
    """
    spec = spec_of(name)
    if transform not in TRANSFORMS:
        raise UnknownName("transform", transform, TRANSFORMS)
    if spec.family == "bundled":
        from searchdemo.encoders.bundled import BundledEncoder

        return BundledEncoder(device=device, transform=transform, weights=weights, precision=precision)
    path = weights or fetch_weights(spec, progress)
    if spec.family == "timm":
        from searchdemo.encoders import timm_encoder as adapter
    else:
        from searchdemo.encoders import open_clip_encoder as adapter
    return adapter.load(spec, Path(path), transform=transform, device=device, precision=precision)


def fetch_weights(spec: EncoderSpec, progress: hub.Progress | None = None) -> Path:
    """From the hub's cache or the hub. Raises NoWeights."""
    try:
        return hub.fetch(spec.weights, HUB_FILE[spec.family], progress)
    except OSError as error:
        raise NoWeights(
            f"The weights of {spec.name} are not on this machine and could not be fetched: {error}; "
            "go online and try again, give a file with --weights FILE, or use the encoder 'bundled', which needs none."
        ) from error
