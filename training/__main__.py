"""python -m training --data DIR --wordnet DIR: from an empty folder to the bundled encoder.

Stages: image (all but the last epochs), text, joint (the last epochs, both towers), export. Each stage goes on
where it was killed, and those that are done are passed over.

Example: python -m training --data tiny-imagenet --wordnet wordnet --work training-work
"""

from __future__ import annotations

import argparse
import hashlib
import json
import time
from dataclasses import asdict
from functools import cached_property
from pathlib import Path

import numpy as np

STAGES = ("image", "text", "joint", "export")


def say(line: str) -> None:
    print(line, flush=True)


class Run:
    """What the stages share: the data, and where each stage leaves its result."""

    def __init__(self, data_dir: Path, wordnet: Path, work: Path, out_dir: Path, seed: int):
        from searchdemo.galleries.class_names import CLASS_NAMES
        from training import data

        work.mkdir(parents=True, exist_ok=True)
        self.data_dir, self.wordnet, self.work, self.out_dir, self.seed = data_dir, wordnet, work, out_dir, seed
        *self.train_set, names = data.load_split(data_dir, "train", work)
        *self.valid_set, _ = data.load_split(data_dir, "valid", work)
        self.nouns, synsets = data.load_nouns(wordnet), data.class_synsets(wordnet)
        self.classes = {synsets[name]: CLASS_NAMES[name] for name in names}  # synset -> readable name, in label order
        self.image_file, self.text_file = work / "image-tower.safetensors", work / "text-tower.safetensors"
        self.joint_file = work / "joint.safetensors"

    @cached_property
    def recipe(self):
        import torch

        from training import image_tower

        return image_tower.CUDA if torch.cuda.is_available() else image_tower.CPU

    @cached_property
    def joint_recipe(self):
        from training.joint import JointRecipe

        return JointRecipe()

    @cached_property
    def words(self) -> dict[str, np.ndarray]:
        """Prototypes (200, 128) where the words lie, and the projection behind them; computed once."""
        from training.prototypes import CONCRETE, embed_nouns, fit_projection, load_sentence_model, unit

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
    def lessons(self):
        """WordNet in words, placed around the prototypes as the image stage has moved them."""
        from safetensors import safe_open

        from training.text_data import Lessons, teacher

        known = teacher(self.nouns, self.classes, self.work, say)
        with safe_open(self.image_file, "np") as file:
            learned = file.get_tensor("average.prototypes")
        return Lessons(known, self.nouns, self.classes, self.words, learned)

    def image(self) -> None:
        from training import image_tower

        epochs = self.recipe.epochs - self.joint_recipe.replaces
        sets = tuple(self.train_set), tuple(self.valid_set)
        image_tower.train(self.recipe, self.words["prototypes"], *sets, self.image_file, self.seed, say, epochs)

    def text(self) -> None:
        from safetensors.torch import save_file

        from training import text_tower

        if self.text_file.exists():
            return
        started = time.perf_counter()
        tower = text_tower.train(self.lessons, text_tower.TextRecipe(), self.seed, say)
        about = {
            "seconds": f"{time.perf_counter() - started:.0f}",
            "recipe": json.dumps(asdict(text_tower.TextRecipe())),
        }
        partial = self.text_file.with_suffix(".partial")
        save_file({name: value.cpu().contiguous() for name, value in tower.state_dict().items()}, partial, about)
        partial.replace(self.text_file)

    def towers(self):
        """The trainer of the image tower and the text tower, as the image and text stages left them."""
        import torch
        from safetensors.torch import load_file

        from training.image_tower import Trainer
        from training.text_tower import TextTower

        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        steps = len(self.train_set[1]) // self.recipe.batch_size
        trainer = Trainer(self.recipe, self.words["prototypes"], steps, self.seed, device)
        trainer.resume(self.image_file)
        state = load_file(self.text_file)
        tower = TextTower(len(state["table.weight"]), len(state["expand.bias"]))
        tower.load_state_dict(state)
        return trainer, tower.to(device)

    def joint_run(self):
        """Both towers ready for the joint stage; resumed from its checkpoint when there is one."""
        from training.joint import Joint

        trainer, tower = self.towers()
        steps = len(self.train_set[1]) // (self.joint_recipe.batch_size - self.joint_recipe.scenes)
        joint = Joint(trainer, tower, self.joint_recipe, steps)
        if self.joint_file.exists():
            joint.resume(self.joint_file)
            say(f"joint: resumed after epoch {joint.epoch} of {self.joint_recipe.epochs}")
        return joint

    def joint(self, most_steps: int | None = None) -> None:
        from training import joint as stage
        from training.scene_data import load_scenes

        joint = self.joint_run()
        if joint.epoch < self.joint_recipe.epochs:
            pixels, scenes = load_scenes(self.work, say)
            drawn = stage.Scenes(pixels, scenes, self.lessons.vocabulary, self.joint_recipe, joint.trainer.device)
            sets = tuple(self.train_set), tuple(self.valid_set)
            stage.train(joint, self.lessons, drawn, *sets, self.joint_file, self.seed, say, most_steps)

    def export(self) -> None:
        """Of the joint stage's towers, or of those before it when it has not run."""
        from safetensors import safe_open

        from training import data, export

        joint = self.joint_run()
        trainer, text, words = joint.trainer, joint.tower.cpu(), list(self.lessons.vocabulary)
        recipes = {"image": asdict(trainer.recipe), "joint": asdict(joint.recipe)}
        with safe_open(self.text_file, "np") as file:
            about = file.metadata()
        recipes["text"] = json.loads(about["recipe"])
        image = trainer.average.tower
        path = export.write(image, text, words, self.out_dir, recipes)
        say(f"wrote {path}, {path.stat().st_size / 2**20:.1f} MiB; measuring it")
        engine = export.build(path, self.data_dir, self.work / "indexes", say)
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
                "image": sum(parameter.numel() for parameter in image.parameters()),
                "text": sum(parameter.numel() for parameter in text.parameters()),
            },
            "words": len(words),
            "weights_sha256": engine.encoder("bundled").weights_sha256,
            "figures": export.figures(engine, export.first_names(self.wordnet)),
            "knn_top1_float32": export.reference_knn(image, self.train_set, self.valid_set, say),
        }
        export.write_cards(path, card)
        say(json.dumps(card["figures"], indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m training", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "--data", type=Path, required=True, help="a folder with tiny-ImageNet that datasets.load_dataset reads"
    )
    parser.add_argument("--wordnet", type=Path, required=True, help="nouns.jsonl and tiny_imagenet_synsets.json")
    parser.add_argument(
        "--work", type=Path, default=Path("training-work"), help="checkpoints and caches (default: %(default)s)"
    )
    parser.add_argument("--out-dir", type=Path, default=Path("weights"), help="of the result (default: %(default)s)")
    parser.add_argument("--stage", choices=STAGES, help="only this one (default: all, in order)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    run = Run(args.data, args.wordnet, args.work, args.out_dir, args.seed)
    for stage in [args.stage] if args.stage else STAGES:
        getattr(run, stage)()


if __name__ == "__main__":
    main()
