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
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from searchdemo.encoders.bundled import BundledEncoder
from searchdemo.files import replacing
from searchdemo.galleries.class_names import CLASS_NAMES
from training import data, export, image_tower, text_stage
from training.image_tower import DEVICE
from training.imagenet import imagenet_classes
from training.scene_data import codes, load_scenes
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
        self.recipe = image_tower.CUDA if DEVICE.type == "cuda" else image_tower.CPU
        self.text_recipe = TextRecipe()

    @cached_property
    def picture_rows(self) -> PictureRows:
        """What the image stage left for the text stage: its prototypes, and its rows of train and of drawn scenes."""
        with np.load(self.rows_file) as file:
            arrays = dict(file)
        places = {known.wordnet_id: row for row, known in enumerate(self.classes)}
        labels = np.array([places[name] for name in self.label_names])[self.train_set[1]]
        _, scenes = load_scenes(self.work, say)
        return PictureRows(arrays["prototypes"], arrays["rows"], labels, arrays["scene_rows"], codes(scenes)[0])

    def trainer(self) -> image_tower.Trainer:
        """The image tower as its stage left it."""
        steps = len(self.train_set[1]) // self.recipe.batch_size
        trainer = image_tower.Trainer(self.recipe, self.picture_rows.prototypes, steps, self.seed, DEVICE)
        trainer.resume(self.image_file)
        return trainer

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
        """Writes and measures the joint stage's towers, or those of the stages before it when it has not run."""
        trainer, text = self.trainer(), load_file(self.text_file)
        with safe_open(self.text_file, "np") as file:
            about = file.metadata()
        recipes = {"image": asdict(trainer.recipe), "text": json.loads(about["recipe"])}
        image = trainer.average.tower
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
            "curve": trainer.curve,
            "seconds": {
                "image": sum(point["seconds"] for point in trainer.curve if "epoch" in point),
                "text": float(about["seconds"]),
            },
            "parameters": {
                "image": sum(parameter.numel() for parameter in image.parameters()),
                "text": encoder.text_tower.parameters,
            },
            "words": encoder.text_tower.words,
            "held_out_names": json.loads(about["held_out_names"]),
            "weights_sha256": encoder.weights_sha256,
            "figures": export.figures(library, export.first_names(self.wordnet)),
            "knn_top1_float32": export.reference_knn(image, self.train_set, self.valid_set, say),
        }
        export.write_cards(path, card)
        say(json.dumps(card["figures"], indent=2))
