"""From a Network to its OpenVINO graph, which takes pixels in 8 bits as they are.

A network that builds its own graph does so at each start, in NumPy. Any other is converted from torch once, and kept in
the user's cache: a second start imports no torch. OpenVINO is C++ that trusts what it reads, so the SHA-256 of the
files is checked first.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import warnings
from pathlib import Path

import openvino as ov
from openvino.preprocess import PrePostProcessor

from searchdemo import __version__
from searchdemo.encoders.runtime.base import Network
from searchdemo.extras import imported, pip_command
from searchdemo.files import own_folder, sha256_of, write_json

FORMAT = 1  # of what is cached; a change of the conversion below raises it

log = logging.getLogger(__name__)


def graph_of(core: ov.Core, network: Network, precision: str) -> ov.Model:
    """(n, *network.shape) -> (n, network.dim) float32. Raises NotInstalled, BadArtifact."""
    if network.graph:
        return taking_pixels(network.graph(precision), network)
    folder = own_folder() / "networks" / f"{network.name}-{fingerprint(network)[:16]}"
    if is_whole(folder):
        return core.read_model(folder / "network.xml")
    model = taking_pixels(converted(network), network)
    try:
        save(model, folder)
    except OSError as error:
        log.warning(
            "the network %s could not be kept in %s (%s): it is converted again next time",
            *(network.name, folder, error.strerror),
        )
    return model


def fingerprint(network: Network) -> str:
    """Of all that the graph depends on."""
    parts = [FORMAT, network.name, network.weights_sha256, network.shape, network.mean, network.std]
    parts += [ov.__version__, __version__]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def taking_pixels(model: ov.Model, network: Network) -> ov.Model:
    """The network after standardising: (n, px, px, 3) uint8 in place of (n, 3, px, px) float32."""
    if not network.mean:
        return model
    steps = PrePostProcessor(model)
    steps.input().tensor().set_element_type(ov.Type.u8).set_layout(ov.Layout("NHWC"))
    steps.input().model().set_layout(ov.Layout("NCHW"))
    steps.input().preprocess().convert_element_type(ov.Type.f32).mean([*network.mean]).scale([*network.std])
    return steps.build()


def converted(network: Network) -> ov.Model:
    """From torch, by OpenVINO's own reader of traced networks.

    Its `convert_model` does the same, and reports the call to its maker's servers.
    """
    torch = imported("torch", f"The network of {network.name!r}", pip_command("encoders"))
    from openvino.frontend import FrontEndManager
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder

    net = network.module().eval().requires_grad_(False)
    pixels = (
        torch.zeros(2, 3, *network.shape[:2]) if network.mean else torch.zeros(2, *network.shape, dtype=torch.int64)
    )
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing says that it will be replaced, and that shapes become constants
        # Unasked, torch traces the network a second time to compare both: most of the time of a conversion.
        decoder = TorchScriptPythonDecoder(net, example_input=pixels, trace_kwargs={"check_trace": False})
        reader = FrontEndManager().load_by_framework("pytorch")
        model = reader.convert(reader.load(decoder))
    model.reshape([-1, 3, *network.shape[:2]] if network.mean else [-1, *network.shape])
    return model


def save(model: ov.Model, folder: Path) -> None:
    """Files and their digests, in a folder that is there as a whole or not at all. Raises OSError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=".", suffix=".partial", dir=folder.parent))
    try:
        ov.save_model(model, made / "network.xml", compress_to_fp16=False)
        write_json(made / "digests.json", {path.name: sha256_of(path) for path in made.glob("network.*")})
        if not is_whole(folder):  # another process may have been faster
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def is_whole(folder: Path) -> bool:
    try:
        digests = json.loads((folder / "digests.json").read_text())
        return digests.keys() == {"network.xml", "network.bin"} and all(
            sha256_of(folder / name) == digest for name, digest in digests.items()
        )
    except (OSError, ValueError, AttributeError):
        return False
