"""python -m training --data DIR --wordnet DIR: from an empty folder to the bundled encoder.

Packages: requirements.txt and training/requirements.txt. A CUDA device is used where there is one, with a recipe of its
own, in which a larger network is trained first and coaches the image tower.

Stages: image, text (the image tower stands still, so this takes minutes on a CPU), export. The image stage goes on
after its last whole epoch when it was killed, the text stage keeps the embeddings of its texts. Image and text are not
repeated when they are done; export always measures anew.

Example: python -m training --data tiny-imagenet --wordnet wordnet --work training-work
"""

from __future__ import annotations

import argparse
from pathlib import Path

STAGES = ("image", "text", "export")  # methods of training.run.Run


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
    parser.add_argument("--out-dir", type=Path, default=Path("weights"), help="for the result (default: %(default)s)")
    parser.add_argument("--stage", choices=STAGES, help="run only this stage (default: all, in order)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()

    from training.run import Run  # after the options: --help needs no torch

    run = Run(args.data, args.wordnet, args.work, args.out_dir, args.seed)
    for stage in [args.stage] if args.stage else STAGES:
        getattr(run, stage)()


if __name__ == "__main__":
    main()
