"""The open towers against `transformers`: equality at full size, on random weights.

    python benchmarks/towers.py [--quick] [--full] [--sizes B/16 ...]

`--full` adds CLIP L/14. How fast they are: `duse_speed.py`.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable

import torch
import transformers

from duse_reference import clip
from mien.backbones.config import CLIP, VIDEOMAE_B, VIT_B16
from mien.backbones.load import load

FRAMES, TEXTS, WORDS = 16, 7, 28  # words: tokens of a description of a class, start and end included


def ids() -> torch.Tensor:
    """(7, 77) token ids of made-up texts of 22 to 28 tokens, padded with zeros."""
    result = torch.zeros(TEXTS, 77, dtype=torch.long)
    for row in range(TEXTS):
        end = WORDS - 1 - row
        result[row, : end + 1] = torch.randint(1, 49000, (end + 1,))
        result[row, 0], result[row, end] = 49406, 49407
    return result


def relative(ours: torch.Tensor, theirs: torch.Tensor) -> float:
    return float((ours - theirs).abs().max() / theirs.abs().max())


def line(*cells: object) -> None:
    texts = (f"{cell:.3g}" if isinstance(cell, float) else str(cell) for cell in cells)
    print("| " + " | ".join(texts) + " |", flush=True)


@torch.inference_mode()
def parity(sizes: list[str]) -> None:
    print("\n### Largest difference from transformers on the same random weights, full size, float32\n")
    line("tower", "layers", "tokens", "max difference / max output")
    line("---", "---", "---", "---")
    for size in sizes:
        with tempfile.TemporaryDirectory() as folder:
            model = clip(CLIP[size]["image"], CLIP[size]["text"])
            model.save_pretrained(folder)
            image, text = load(folder, "clip-image"), load(folder, "clip-text")
        x, words = torch.randn(2, 3, 224, 224), ids()
        line(f"CLIP {size} image", image.plan.layers, 1 + image.plan.patches,
             f"{relative(image(x), model.get_image_features(x).pooler_output):.1e}")
        line(f"CLIP {size} text", text.plan.layers, 77,
             f"{relative(text(words), model.get_text_features(words).pooler_output):.1e}")
    vit = transformers.ViTModel(transformers.ViTConfig()).eval()
    line("ViT-B/16", 12, 197, f"{_other(vit, 'vit', torch.randn(2, 3, 224, 224), lambda out: out[:, 0]):.1e}")
    config = transformers.VideoMAEConfig(use_mean_pooling=False)
    video = transformers.VideoMAEModel(config).eval()
    x = torch.randn(1, 16, 3, 224, 224)
    line("VideoMAE-B", 12, 1568, f"{_other(video, 'videomae', x, lambda out: out.mean(1)):.1e}")


def _other(model, kind: str, x: torch.Tensor, pool: Callable) -> float:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tower = load(folder, kind)
    assert tower.plan == {"vit": VIT_B16, "videomae": VIDEOMAE_B}[kind]
    return relative(tower(x), pool(model(x).last_hidden_state))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="B/32 only")
    parser.add_argument("--full", action="store_true", help="L/14 too")
    parser.add_argument("--sizes", nargs="+", choices=sorted(CLIP), help="these instead of B/32 and B/16")
    options = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    parity(options.sizes or (["B/32"] if options.quick else ["B/32", "B/16"] + ["L/14"] * options.full))


if __name__ == "__main__":
    main()
