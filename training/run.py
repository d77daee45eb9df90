"""One run of the training: its data, its stages in order, and the files between them."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from searchdemo.files import replacing
from searchdemo.galleries.class_names import CLASS_NAMES
from training import data, export, image_tower, joint, text_tower
from training.image_tower import DEVICE
from training.prototypes import CONCRETE, embed_nouns, fit_projection, load_sentence_model, unit
from training.scene_data import load_scenes
from training.text_data import Lessons, teacher


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
        self.classes = {synsets[name]: CLASS_NAMES[name] for name in names}  # synset -> readable name, in label order
        self.image_file, self.text_file = work / "image-tower.safetensors", work / "text-tower.safetensors"
        self.joint_file = work / "joint.safetensors"
        self.recipe = image_tower.CUDA if DEVICE.type == "cuda" else image_tower.CPU
        self.joint_recipe, self.text_recipe = joint.JointRecipe(), text_tower.TextRecipe()

    @cached_property
    def words(self) -> dict[str, np.ndarray]:
        """Prototypes (200, 128) where the words lie, and the projection behind them. They are computed once."""
        path = self.work / "prototypes.npz"
        if not path.exists():
            say("embedding the class names and a sample of WordNet")
            concrete = [noun for noun in self.nouns.values() if noun["lexfile"].removeprefix("noun.") in CONCRETE]
            sample = [concrete[i] for i in np.random.default_rng(0).choice(len(concrete), 3000, replace=False)]
            model = load_sentence_model()
            class_rows = embed_nouns(model, [self.nouns[synset] for synset in self.classes], self.nouns)
            centre, matrix = fit_projection(class_rows, embed_nouns(model, sample, self.nouns))
            np.savez(path, centre=centre, matrix=matrix, prototypes=unit((class_rows - centre) @ matrix))
        return dict(np.load(path))

    @cached_property
    def lessons(self) -> Lessons:
        """WordNet in words, placed around the prototypes as the image stage has moved them."""
        known = teacher(self.nouns, self.classes, self.work, say)
        with safe_open(self.image_file, "np") as file:
            learned = file.get_tensor("average.prototypes")
        return Lessons(known, self.nouns, self.classes, self.words, learned)

    def image(self) -> None:
        epochs, prototypes = self.recipe.epochs - self.joint_recipe.replaces, self.words["prototypes"]
        sets = self.train_set, self.valid_set
        image_tower.train(self.recipe, prototypes, *sets, self.image_file, self.seed, say, epochs)

    def text(self) -> None:
        if self.text_file.exists():
            return
        started = time.perf_counter()
        tower = text_tower.train(self.lessons, self.text_recipe, self.seed, say)
        seconds = time.perf_counter() - started
        about = {"seconds": f"{seconds:.0f}", "recipe": json.dumps(asdict(self.text_recipe))}
        with replacing(self.text_file) as partial:
            save_file({name: value.cpu().contiguous() for name, value in tower.state_dict().items()}, partial, about)

    def both_towers(self) -> joint.Joint:
        """The towers as the image and text stages left them, or as the joint stage did when it has a checkpoint."""
        steps = len(self.train_set[1]) // self.recipe.batch_size
        trainer = image_tower.Trainer(self.recipe, self.words["prototypes"], steps, self.seed, DEVICE)
        trainer.resume(self.image_file)
        state = load_file(self.text_file)
        tower = text_tower.TextTower(len(state["table.weight"]), len(state["expand.bias"]))
        tower.load_state_dict(state)
        steps = len(self.train_set[1]) // (self.joint_recipe.batch_size - self.joint_recipe.scenes)
        both = joint.Joint(trainer, tower.to(DEVICE), self.joint_recipe, steps)
        if self.joint_file.exists():
            both.resume(self.joint_file)
            say(f"joint: resumed after epoch {both.epoch} of {self.joint_recipe.epochs}")
        return both

    def joint(self) -> None:
        both = self.both_towers()
        if both.epoch < self.joint_recipe.epochs:
            pixels, scenes = load_scenes(self.work, say)
            drawn = joint.Scenes(pixels, scenes, self.lessons.vocabulary, self.joint_recipe, DEVICE)
            sets = self.train_set, self.valid_set
            joint.train(both, self.lessons, drawn, *sets, self.joint_file, self.seed, say)

    def export(self) -> None:
        """Writes and measures the joint stage's towers, or those of the stages before it when it has not run."""
        both = self.both_towers()
        trainer, text, words = both.trainer, both.tower.cpu(), list(self.lessons.vocabulary)
        with safe_open(self.text_file, "np") as file:
            about = file.metadata()
        recipes = {
            "image": asdict(trainer.recipe),
            "joint": asdict(both.recipe),
            "text": json.loads(about["recipe"]),
        }
        image = trainer.average.tower
        path = export.write(image, text, words, self.out_dir, recipes)
        say(f"wrote {path}, {path.stat().st_size / 2**20:.1f} MiB; measuring it")
        library = export.build(path, self.data_dir, self.work / "indexes", say)
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
                "joint": sum(point["seconds"] for point in trainer.curve if "joint_epoch" in point),
            },
            "parameters": {
                name: sum(parameter.numel() for parameter in tower.parameters())
                for name, tower in (("image", image), ("text", text))
            },
            "words": len(words),
            "weights_sha256": library.encoder("bundled").weights_sha256,
            "figures": export.figures(library, export.first_names(self.wordnet)),
            "knn_top1_float32": export.reference_knn(image, self.train_set, self.valid_set, say),
        }
        export.write_cards(path, card)
        say(json.dumps(card["figures"], indent=2))
