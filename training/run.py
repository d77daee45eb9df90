"""One run of the training: its data, its stages in order, and the files between them."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import cast

import numpy as np
import timm
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch

from searchdemo.encoders.bundled import BundledEncoder
from searchdemo.files import replacing
from searchdemo.galleries.class_names import CLASS_NAMES
from training import data, export, image_stage, recipe, text_stage
from training.image_tower import DEVICE
from training.imagenet import imagenet_classes
from training.network import ImageTower
from training.scene_data import codes, load_scenes
from training.settle import SettleRecipe
from training.text_tower import PictureRows, TextRecipe


def say(line: str) -> None:
    print(line, flush=True)


class Run:
    """The data that all stages use, and the files in which each stage leaves its result."""

    def __init__(self, data_dir: Path, wordnet: Path, work: Path, out_dir: Path, seed: int):
        work.mkdir(parents=True, exist_ok=True)
        self.data_dir, self.wordnet, self.work, self.out_dir, self.seed = data_dir, wordnet, work, out_dir, seed
        self.train_set, names = data.load_split(data_dir, "train", work)
        self.valid_set, _ = data.load_split(data_dir, "valid", work)
        self.nouns, synsets = data.load_nouns(wordnet), data.class_synsets(wordnet)
        self.classes = imagenet_classes(self.nouns, synsets, CLASS_NAMES, say)
        self.label_names = names
        self.image_file, self.text_file = work / "image-tower.safetensors", work / "text-tower.safetensors"
        self.rows_file = work / "picture-rows.npz"
        self.recipe = recipe.CUDA if DEVICE.type == "cuda" else recipe.CPU
        self.text_recipe = TextRecipe()

    def image(self) -> None:
        if not self.rows_file.exists():
            image_stage.run(self.recipe, SettleRecipe(), self.train_set, self.label_names, self.work, self.seed, say)

    @cached_property
    def picture_rows(self) -> PictureRows:
        """What the image stage left for the text stage: its prototypes, and its rows of train and of drawn scenes."""
        with np.load(self.rows_file) as file:
            arrays = dict(file)
        places = {known.wordnet_id: row for row, known in enumerate(self.classes)}
        labels = np.array([places[name] for name in self.label_names])[self.train_set[1]]
        _, scenes = load_scenes(self.work, say)
        return PictureRows(arrays["prototypes"], arrays["rows"], labels, arrays["scene_rows"], codes(scenes)[0])

    def tower(self) -> tuple[ImageTower, dict]:
        """The image tower as its stage left it, and that stage's curve and recipes."""
        tower = ImageTower(timm.create_model(f"tf_efficientnet_{self.recipe.network}", pretrained=False))
        tower.load_state_dict(load_torch(self.image_file))
        with safe_open(self.image_file, "np") as file:
            return tower.eval(), {name: json.loads(value) for name, value in file.metadata().items()}

    def text(self) -> None:
        """Leaves text-tower.safetensors: the arrays that ship, and in its metadata how they were made and tested."""
        if self.text_file.exists():
            return
        started, (_, scenes) = time.perf_counter(), load_scenes(self.work, say)
        given = self.nouns, self.classes, scenes, self.picture_rows, self.work
        arrays = text_stage.run(*given, self.text_recipe, self.seed, say)
        seconds, prototypes = time.perf_counter() - started, self.picture_rows.prototypes
        held_out = text_stage.held_out_names(arrays, self.classes, prototypes, self.label_names)
        about = {"seconds": f"{seconds:.0f}", "recipe": json.dumps(asdict(self.text_recipe))}
        with replacing(self.text_file) as partial:
            save_file(arrays, partial, about | {"held_out_names": json.dumps(held_out)})

    def export(self) -> None:
        """Writes both towers into one file, embeds both galleries by it, and measures them."""
        (image, made), text = self.tower(), load_file(self.text_file)
        rows = self.picture_rows.rows
        with safe_open(self.text_file, "np") as file:
            about = file.metadata()
        recipes = {"image": made["recipe"], "settling": made["settling"], "text": json.loads(about["recipe"])}
        path = export.write(image, text, self.out_dir, recipes)
        say(f"wrote {path}, {path.stat().st_size / 2**20:.1f} MiB; measuring it")
        library = export.build(path, self.data_dir, self.work / "indexes", say)
        encoder = cast(BundledEncoder, library.encoder("bundled"))
        card = {
            "seed": self.seed,
            "data": {
                "train": data.fingerprint(*self.train_set),
                "valid": data.fingerprint(*self.valid_set),
                "wordnet": hashlib.sha256((self.wordnet / "nouns.jsonl").read_bytes()).hexdigest(),
            },
            "recipes": recipes,
            "device": made["device"],
            "curve": made["curve"],
            "seconds": {
                "image": sum(point["seconds"] for point in made["curve"]),
                "text": float(about["seconds"]),
            },
            "parameters": {
                "image": export.size(image),
                "text": encoder.text_tower.parameters,
            },
            "words": encoder.text_tower.words,
            "held_out_names": json.loads(about["held_out_names"]),
            "weights_sha256": encoder.weights_sha256,
            "figures": export.figures(library, export.first_names(self.wordnet)),
            "knn_top1_float32": export.reference_knn(image, rows, self.train_set[1], self.valid_set, say),
        }
        export.write_cards(path, card)
        say(json.dumps(card["figures"], indent=2))
