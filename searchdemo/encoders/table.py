"""The encoders that can be chosen, and the one way to load them. Importing this costs nothing: no torch, no network.

A file in encoders/ that an entry names as its `module` has two functions:

    load(spec, path, *, transform, device, precision) -> Encoder    with the weights of a safetensors file
    build(spec) -> torch.nn.Module                                  with random weights, for stand_in.py
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from searchdemo import assets, hub
from searchdemo.encoders.base import Encoder, EncoderSpec
from searchdemo.encoders.transforms import TRANSFORMS
from searchdemo.errors import NoWeights, UnknownName
from searchdemo.extras import imported, pip_command
from searchdemo.table import Table

TIMM = {"module": "timm_encoder", "hub_file": "model.safetensors", "text": False, "licence": "Apache-2.0"}
OPEN_CLIP = {
    "module": "open_clip_encoder",
    "hub_file": "open_clip_model.safetensors",
    "text": True,
    "licence": "MIT",
    "prompt": "a photo of a {}.",  # CLIP learned from captions of photographs
    "prompts": (  # the seven that Radford et al. chose for ImageNet from eighty, published with CLIP's code
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
    "temperature": 0.01,  # what CLIP's own training ends at (Radford et al. 2021, section 2.5)
}

# `model` is the library's id. open_clip's names without "-quickgelu" also load, and give wrong features: OpenAI
# trained with x * sigmoid(1.702 x) for GELU. download_bytes: the tensors of the file, the classifier's head of
# timm's included, as float32. Both counted from the networks themselves: tests/test_encoders.py.
_SPECS = (
    EncoderSpec(
        name="bundled",
        module="bundled",
        model="image tower + text tower",
        weights="comes with searchdemo",
        parameters=14_678_288,
        dim=128,
        input_px=64,
        text=True,
        download_bytes=0,
        licence="MIT",
        note="small, trained on tiny-ImageNet",
        shipped="bundled.safetensors",
        prompts=("{}", "a photo of a {}.", "a picture of a {}."),
        trained_on="tiny-imagenet",
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
        **TIMM | {"licence": "BSD-3-Clause"},
    ),
    EncoderSpec(
        name="mobilenetv3-large",
        model="mobilenetv3_large_100.ra_in1k",
        weights="timm/mobilenetv3_large_100.ra_in1k",
        parameters=4_202_032,
        dim=1280,
        input_px=224,
        download_bytes=22_030_096,
        note="for mobile phones, trained on the labels of ImageNet-1k",
        **TIMM,
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
        **TIMM,
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
        **TIMM,
    ),
    EncoderSpec(
        name="clip-vit-b32",
        model="ViT-B-32-quickgelu",
        weights="timm/vit_base_patch32_clip_224.openai",
        parameters=151_277_313,
        dim=512,
        input_px=224,
        download_bytes=605_109_252,
        **OPEN_CLIP,
    ),
    EncoderSpec(
        name="clip-vit-b16",
        model="ViT-B-16-quickgelu",
        weights="timm/vit_base_patch16_clip_224.openai",
        parameters=149_620_737,
        dim=512,
        input_px=224,
        download_bytes=598_482_948,
        **OPEN_CLIP,
    ),
    EncoderSpec(
        name="clip-vit-l14",
        model="ViT-L-14-quickgelu",
        weights="timm/vit_large_patch14_clip_224.openai",
        parameters=427_616_513,
        dim=768,
        input_px=224,
        download_bytes=1_710_466_052,
        **OPEN_CLIP,
    ),
    EncoderSpec(
        name="clip-rn50",
        model="RN50-quickgelu",
        weights="timm/resnet50_clip.openai",
        parameters=102_007_137,
        dim=1024,
        input_px=224,
        download_bytes=408_241_980,
        **OPEN_CLIP,
    ),
    EncoderSpec(
        name="clip-rn50x4",
        model="RN50x4-quickgelu",
        weights="timm/resnet50x4_clip.openai",
        parameters=178_300_601,
        dim=640,
        input_px=288,
        download_bytes=713_642_124,
        **OPEN_CLIP,
    ),
    EncoderSpec(
        name="mobileclip2-s0",
        model="MobileCLIP2-S0",
        weights="timm/MobileCLIP2-S0-OpenCLIP",
        parameters=74_835_073,
        dim=512,
        input_px=256,
        download_bytes=299_543_956,
        note="for mobile phones; its licence allows research only",
        **OPEN_CLIP | {"licence": "Apple AMLR (research only)"},
    ),
)

ENCODERS: Table[EncoderSpec] = Table("encoder", ((spec.name, spec) for spec in _SPECS))


def weights_path(name: str) -> Path | None:
    """The weights file of an encoder if this machine has it. Cheap: `list` asks it of all. Raises UnknownName."""
    spec = ENCODERS.find(name)
    if not spec.shipped:
        return hub.cached(spec.weights, spec.hub_file)
    path = assets.WEIGHTS / spec.shipped
    return path if path.is_file() else None


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

    Raises UnknownName, NotInstalled, NoWeights (neither here nor within reach), BadArtifact (a file that does not fit).
    """
    spec = ENCODERS.find(name)
    if transform not in TRANSFORMS:
        raise UnknownName("transform", transform, TRANSFORMS)
    module = module_of(spec)  # before a download that would be for nothing
    path = Path(weights) if weights else fetch_weights(spec, progress)
    return module.load(spec, path, transform=transform, device=device, precision=precision)


def module_of(spec: EncoderSpec) -> ModuleType:
    """The file that loads this encoder. Raises NotInstalled when a library that it needs is missing."""
    return imported(f"{__package__}.{spec.module}", f"The encoder {spec.name!r}", pip_command(spec.extra))


def fetch_weights(spec: EncoderSpec, progress: hub.Progress | None = None) -> Path:
    """The file that ships, or from the hub's cache or the hub. Raises NoWeights."""
    if path := weights_path(spec.name):
        return path
    if spec.shipped:
        path = assets.WEIGHTS / spec.shipped
        raise NoWeights(f"The weights of {spec.name}, {path}, are not there; make them with python -m training.")
    try:
        return hub.fetch(spec.weights, spec.hub_file, progress)
    except OSError as error:
        raise NoWeights(
            f"The weights of {spec.name} are not on this machine and could not be fetched: {error}; "
            "go online and try again, give a file with --weights FILE, or use the encoder 'bundled', which needs none."
        ) from error
