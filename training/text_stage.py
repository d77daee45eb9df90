"""The text stage: from the sentence model, WordNet and the rows of the image tower to the text tower's arrays.

Tried and left, by the halves for tuning (held-out names 67.6 % and precision@12 0.880 without): a key of its own for
each of 10,323 to 31,305 names of further nouns draws other texts towards rare things (58.8 to 52.2 %, 0.781 to 0.753);
the sentence model trained along, on 23,469 nouns and their glosses, forgets more than it learns (52.2 %, 0.774 after
300 steps at a learning rate of 1e-4).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from searchdemo.encoders.bundled_text import SentenceModel, head_rows
from searchdemo.encoders.quantised import dequantise, quantise, quantise_4bit
from searchdemo.encoders.weights import part_of
from searchdemo.galleries.drawing.scene import Scene
from training import sentence_model, text_data, text_tower
from training.data import Say
from training.imagenet import ImagenetClass
from training.text_tower import Captions, PictureRows, Pool, TextRecipe


def sentence_arrays(nouns: Mapping[str, dict]) -> dict[str, np.ndarray]:
    """The sentence model in 4 bits. It knows its own words and those of WordNet's nouns and glosses."""
    texts = (text for noun in nouns.values() for text in (*noun["names"], noun["gloss"]))
    return sentence_model.packed(sentence_model.load_model(), texts)


def run(
    nouns: Mapping[str, dict],
    classes: Sequence[ImagenetClass],
    scenes: Sequence[Scene],
    pictures: PictureRows,
    work: Path,
    recipe: TextRecipe,
    seed: int,
    say: Say,
) -> dict[str, np.ndarray]:
    """The arrays of the text tower as export.py ships them, without "text.".

    scenes: those of pictures.scene_rows. The embeddings of all texts, which take most of the time, stay in
    work/teacher.npz.
    """
    arrays = sentence_arrays(nouns)
    digest = hashlib.sha256(save(arrays)).hexdigest()
    embedded = text_data.Embedded(SentenceModel(arrays), digest, work / "teacher.npz", say)
    subjects = text_data.subjects(nouns, classes)
    texts, said = text_data.captions(scenes)
    embedded.rows([*(text for subject in subjects for text in subject.texts), *texts])
    pools = {
        kind: Pool(chosen, embedded.rows, len(classes))
        for kind in ("class", "kind", "noun", "drawn")
        if (chosen := [subject for subject in subjects if subject.kind == kind])
    }
    head = text_tower.train(pools, Captions(embedded.rows(texts), said), pictures, recipe, seed, say)
    weights = {f"head.{name}": value.detach().numpy() for name, value in head.state_dict().items()}
    keys = {name: weights.pop(name) for name in ("head.keys.weight",)}  # half a million numbers more than the rest
    return arrays | quantise_4bit(keys) | quantise(weights)


def held_out_names(
    arrays: Mapping[str, np.ndarray], classes: Sequence[ImagenetClass], prototypes: np.ndarray, known: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Percent of names that training did not see whose nearest class of all is the right one, of two halves.

    Only classes that are not among `known`, the WordNet ids of those whose pictures the towers learnt from.
    {"report": {"top1": ..., "top5": ..., "names": ...}, "tune": {...}}. The halves are the odd and the even classes.
    """
    asked = [row for row, one in enumerate(classes) if one.held_out and one.wordnet_id not in known]
    sentences, head = SentenceModel(dict(arrays)), dequantise(part_of(arrays, "head."))
    readings = [sentences.reader.read(classes[row].held_out) for row in asked]
    nearest = np.argsort(-(head_rows(sentences.features(readings), head) @ prototypes.T), axis=1)
    right = nearest[:, :5] == np.array(asked)[:, None]
    halves = {"report": np.array(asked) % 2 == 1, "tune": np.array(asked) % 2 == 0}
    return {
        half: {
            "top1": round(100 * float(right[rows, 0].mean()), 2),
            "top5": round(100 * float(right[rows].any(axis=1).mean()), 2),
            "names": int(rows.sum()),
        }
        for half, rows in halves.items()
    }
