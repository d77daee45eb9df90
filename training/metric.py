"""python -m training.metric --gallery G --encoder E: metric learning on a labelled gallery of your own, by triplets.

The gallery is built first (`python -m searchdemo build`). A linear map of its embeddings is trained on half of the
classes and judged on the others, which it never saw: distances within and between classes, kNN accuracy, how often one
of the class is found, before and after. All this goes into a run card, see `python -m searchdemo bench metric`.

--save trains the map on all classes and writes it into the last layer of the encoder's own weights. That file is used
with --weights by every command, words included. It takes an encoder that ends with a linear layer.

Example:
  python -m training.metric --gallery folder:~/Pictures --encoder bundled --save mine.safetensors
  python -m searchdemo build --gallery folder:~/Pictures --weights mine.safetensors --out-dir mine
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Container
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save_file

from searchdemo.bench.metric_head import MetricHead, fit
from searchdemo.bench.suite import metric
from searchdemo.bench.table import measure
from searchdemo.bench.workload import Bench
from searchdemo.cli.answer import table
from searchdemo.cli.options import add_choice, make_key, make_library, whole_number
from searchdemo.encoders.quantised import SCALE, dequantise
from searchdemo.encoders.table import weights_path
from searchdemo.errors import BadQuery, SearchDemoError
from searchdemo.files import replacing
from searchdemo.measure.cards import own_cards, save

# The tensors whose products are summed up to an embedding, by what they multiply from: (dim, ...) or (..., dim).
LAST = {
    "image.project.weight": 0,  # of `bundled`, where words end with four
    "image.project.bias": 0,
    "text.head.values.weight": 0,
    "text.head.skip.weight": 0,
    "text.head.contract.weight": 0,
    "text.head.contract.bias": 0,
    "visual.proj": 1,  # of CLIP's vision transformers
    "text_projection": 1,
}
IMAGES = ("image.project.weight", "visual.proj")  # one of them an encoder must have


def check_layer(tensors: Container[str], name: str) -> None:
    """Raises BadQuery for an encoder without a last linear layer."""
    if not any(layer in tensors for layer in IMAGES):
        raise BadQuery(
            f"The embeddings of {name!r} do not come from a linear layer that the map could go into: leave out --save, "
            "or take 'bundled' or a vision transformer of CLIP."
        )


def folded(tensors: dict[str, np.ndarray], head: MetricHead, name: str) -> dict[str, np.ndarray]:
    """The tensors of a weights file with the map in the last layers, as float32. The rest stays as it is.

    An embedding is unit(W x + b), and unit(A unit(y)) = unit(A y): so the layers become A W and A b.
    Raises BadQuery for an encoder without such a layer.
    """
    check_layer(tensors, name)
    changed = dict(tensors)
    for layer, axis in LAST.items():
        if layer in tensors:
            part = {layer: tensors[layer]}
            if layer + SCALE in tensors:
                part[layer + SCALE] = changed.pop(layer + SCALE)
            value = dequantise(part)[layer].astype(np.float32)
            changed[layer] = np.ascontiguousarray(head.matrix @ value if axis == 0 else value @ head.matrix.T)
    return changed


def write(source: Path, target: Path, head: MetricHead, name: str) -> None:
    """A copy of the weights with the map in it. Raises BadQuery, NotWritten."""
    with safe_open(source, framework="numpy") as file:
        metadata, tensors = file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    tensors = folded(tensors, head, name)
    with replacing(target) as temporary:
        save_file(tensors, temporary, metadata)


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m training.metric", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_choice(parser)
    parser.add_argument(
        "--save", type=Path, metavar="FILE", help="train on all classes, and write weights for --weights"
    )
    parser.add_argument("--cards", type=Path, metavar="DIR", help="where the run card goes (default: as for bench)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="the first of three (default 0)")
    parser.add_argument("--steps", type=whole_number, default=metric.STEPS, metavar="N", help="default %(default)s")
    parser.add_argument("--quick", action="store_true", help="on a part of the vectors")
    arguments = parser.parse_args(argv)
    try:
        run(arguments)
    except SearchDemoError as error:
        print("training.metric:", error, file=sys.stderr)
        return 2
    return 0


def run(arguments: argparse.Namespace) -> None:
    library, key = make_library(arguments), make_key(arguments)
    bench = Bench(library, key, arguments.weights, quick=arguments.quick, seed=arguments.seed)
    if arguments.steps != metric.STEPS:
        bench.options["steps"] = arguments.steps
    source = arguments.weights or weights_path(key.encoder)
    if arguments.save is not None:  # before minutes of training
        check_layer(tensor_names(source) if source else set(), key.encoder)
    card = measure("metric", bench)
    path = save(card, arguments.cards or own_cards(arguments.out_dir))
    for drawn in metric.tables([card]):
        heads, right = [column.head for column in drawn.columns], [column.numeric for column in drawn.columns]
        print(f"{drawn.title}\n{drawn.source}\n\n{table(heads, drawn.cells(), right)}")
    print("\n".join([*card.notes, f"{card.seconds:.1f} s. Run card: {path}"]))
    if arguments.save is not None and source is not None:
        work = bench.workload()
        write(source, arguments.save, fit(work.vectors, work.labels, arguments.seed, arguments.steps), key.encoder)
        print(f"Trained on all classes: {arguments.save}. Use it with --weights and a folder of its own, --out-dir.")


def tensor_names(path: Path) -> set[str]:
    with safe_open(path, framework="numpy") as file:
        return set(file.keys())


if __name__ == "__main__":
    sys.exit(main())
