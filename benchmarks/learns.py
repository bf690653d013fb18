"""Does DuSE learn? A small CLIP, pre-trained on captions of synthetic people, then DuSE on the DFEW lookalike.

    python benchmarks/learns.py [--quick]

The small CLIP sees people that the lookalike does not have, who act expressions or move their faces at random, and
reads captions that name single movements, pose and light, never an expression. Its towers then stay frozen. DuSE learns
from the clips of four parts of the lookalike and is judged on those of the fifth, whose people it has not seen. A
control learns the same clips with their labels exchanged at random: it must stay at chance. --quick: fewer steps, no
control.

Not reached yet: so small a tower, trained from scratch in minutes, hardly learns what a face does (the probes of single
movements on people not seen have an area under the curve of 0.59, ridge regression on pixels 0.66).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import joblib
import numpy as np
import tokenizers
import torch
import torch.nn.functional as F
import transformers

from mien import checkpoint, lookalikes, synthetic
from mien.data.cache import Cache
from mien.labels import Targets
from mien.lookalikes import acting
from mien.recipes import RECIPES, Recipe, change
from mien.towers import pixels
from mien.train import Material, fit, gather

SIDE, PATCH, WIDTH, LAYERS, OUT = 64, 16, 128, 3, 64
PEOPLE, EACH, FIRST = 96, 40, 1000  # people drawn for pre-training, pictures of each; the lookalike has 0..39
CONTEXT = 77
WORDS = {
    "AU01": "inner brows drawn up", "AU02": "brows high and arched", "AU04": "brows pulled down and together",
    "AU05": "eyes wide open", "AU06": "lifted cheeks", "AU07": "narrowed eyes", "AU09": "a wrinkled nose",
    "AU10": "the upper lip curled", "AU12": "lip corners pulled up", "AU15": "lip corners that sink",
    "AU17": "a raised chin", "AU20": "lips stretched sideways", "AU23": "lips pressed thin", "AU25": "parted lips",
    "AU26": "the jaw dropped", "AU45": "closed eyes",
}


def person(number: int) -> tuple[np.ndarray, list[str]]:
    """Pictures of one synthetic person (EACH, S, S, 3), each with other action units, and their captions."""
    rng = np.random.default_rng(number)
    strengths = {name: np.zeros(EACH) for name in WORDS}
    for k in range(EACH):
        strength = float(rng.uniform(3, 5))
        acted = synthetic.expression(str(rng.choice(list(synthetic.PROTOTYPES))), strength)
        drawn = dict.fromkeys(rng.choice(list(WORDS), rng.integers(0, 4), replace=False), strength)
        for name, value in (acted if k % 3 else drawn).items():
            if name in strengths:
                strengths[name][k] = value
    pose = rng.normal(0, 1, (EACH, 3)) * (4, 9, 4)
    light = float(rng.uniform(0.7, 1.1))
    actor = synthetic.Actor(synthetic.identity(number), aus=strengths, pose=pose, pulse=None, respiration=None,
                            position=(SIDE / 2, 0.47 * SIDE), scale=acting.ALIGNED * SIDE / 480)
    film = synthetic.Scene((actor,), size=(SIDE, SIDE), fps=25, seconds=EACH / 25, light=light, seed=number)
    pictures = np.stack([frame.rgb for frame in film.frames()])[:EACH]
    return pictures, [caption({name: value[k] for name, value in strengths.items()}, pose[k, 1], light, rng)
                      for k in range(EACH)]


def caption(units: dict[str, float], yaw: float, light: float, rng: np.random.Generator) -> str:
    """What is seen, in words, in any order."""
    seen = [WORDS[name] for name, value in units.items() if value > 0]
    said = [seen[i] for i in rng.permutation(len(seen))] or ["a calm face at rest"]
    scene = ["turned to the left" if yaw > 6 else "turned to the right" if yaw < -6 else "seen from the front",
             "in the dark" if light < 0.85 else "in bright light"]
    return ", ".join([*said, *(word for word in scene if rng.random() < 0.25)])


def tokenizer(folder: Path, texts: list[str]) -> transformers.CLIPTokenizer:
    """Byte pairs learnt from these texts, in CLIP's own files."""
    ends = ["<|startoftext|>", "<|endoftext|>"]
    made = tokenizers.Tokenizer(tokenizers.models.BPE(end_of_word_suffix="</w>"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Split(tokenizers.Regex("[a-z]+|[^a-z ]"), "removed", invert=True)
    letters = [*"abcdefghijklmnopqrstuvwxyz,.:;'-0123456789"]
    made.train_from_iterator(texts, tokenizers.trainers.BpeTrainer(
        vocab_size=800, initial_alphabet=letters, end_of_word_suffix="</w>", show_progress=False))
    told = json.loads(made.to_str())["model"]
    words = dict.fromkeys([*told["vocab"], *(f"{letter}</w>" for letter in letters), *ends])
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    merges = [" ".join(pair) if isinstance(pair, list) else pair for pair in told["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *merges]) + "\n")
    return transformers.CLIPTokenizer.from_pretrained(folder)


def small_clip(folder: Path, recipe: Recipe, steps: int, seed: int = 0) -> float:
    """Pre-train a small CLIP and write it to `folder` as published ones are -> its last loss.

    Whole captions against each other (Radford et al. 2021), and each phrase for itself (Zhai et al. 2023, SigLIP: a
    sigmoid for each pair), which a few thousand pictures need. Sizes and rates are our choice: what fits into minutes.
    """
    found = joblib.Parallel(n_jobs=2)(joblib.delayed(person)(FIRST + k) for k in range(PEOPLE))
    pictures = torch.from_numpy(np.concatenate([seen for seen, _ in found])).permute(0, 3, 1, 2)
    captions = [text for _, said in found for text in said]
    words = tokenizer(folder, captions + list(recipe.task.texts or ()))
    ids = words(captions, padding=True, return_tensors="pt")["input_ids"]
    torch.manual_seed(seed)
    size = {"num_hidden_layers": LAYERS, "num_attention_heads": WIDTH // 32, "intermediate_size": 4 * WIDTH,
            "hidden_size": WIDTH}
    model = transformers.CLIPModel(transformers.CLIPConfig(
        projection_dim=OUT, vision_config={**size, "image_size": SIDE, "patch_size": PATCH},
        text_config={**size, "vocab_size": len(words), "max_position_embeddings": CONTEXT,
                     "bos_token_id": words.bos_token_id, "eos_token_id": words.eos_token_id}))
    begin(model)
    model.save_pretrained(folder)
    plan = checkpoint.clip(str(folder)).image.plan
    phrases = words(list(WORDS.values()), padding=True, return_tensors="pt")["input_ids"]
    said = torch.tensor([[phrase in text for phrase in WORDS.values()] for text in captions]).float()
    prior = torch.logit(said.mean(dim=0).clamp(0.01, 0.99))
    rate = 3e-3
    adam = torch.optim.AdamW(model.parameters(), rate, weight_decay=0.05)
    decay = torch.optim.lr_scheduler.OneCycleLR(adam, rate, total_steps=steps, pct_start=0.1)
    for rows in batches(len(captions), 64, steps, seed):
        image = F.normalize(model.get_image_features(pixels(pictures[rows], plan)).pooler_output, dim=-1)
        whole = F.normalize(model.get_text_features(ids[rows]).pooler_output, dim=-1)
        single = F.normalize(model.get_text_features(phrases).pooler_output, dim=-1)
        like, own = 10 * image @ whole.T, torch.arange(len(rows))
        loss = F.binary_cross_entropy_with_logits(10 * image @ single.T + prior, said[rows])
        loss = 5 * loss + 0.25 * (F.cross_entropy(like, own) + F.cross_entropy(like.T, own))
        adam.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        adam.step()
        decay.step()
    model.save_pretrained(folder)
    return float(loss.detach())


@torch.no_grad()
def begin(model: transformers.CLIPModel) -> None:
    """Places that attention can tell apart from the first step on; without, hundreds of steps are lost on a plateau."""
    door = model.vision_model.embeddings
    door.position_embedding.weight.normal_()
    door.class_embedding.mul_(0.1)
    for layer in model.vision_model.encoder.layers:
        attend = layer.self_attn
        for part in (attend.q_proj, attend.k_proj, attend.out_proj):
            torch.nn.init.normal_(part.weight, std=1.5 / WIDTH**0.5)


def batches(count: int, size: int, steps: int, seed: int) -> Iterator[torch.Tensor]:
    """Rows of `steps` batches, every epoch in another order."""
    rng, order = np.random.default_rng(seed), np.empty(0, int)
    for _ in range(steps):
        if len(order) < size:
            order = rng.permutation(count)
        yield torch.from_numpy(order[:size])
        order = order[size:]


def right(model: checkpoint.Trained, targets: Targets, cache: Cache) -> np.ndarray:
    """Whether each clip is named right (N,) bool."""
    found = [model.read(cache.clip(trial)).argmax() for trial in targets.trials]
    return np.array(found) == targets.target


def told(name: str, train: np.ndarray, test: np.ndarray, seconds: float) -> str:
    """A row of the table: accuracies, and the interval of Wilson (1927) on test."""
    low, high = wilson(int(test.sum()), len(test))
    return (f"| {name} | {train.mean():.1%} of {len(train)} | {test.mean():.1%} of {len(test)} "
            f"| {low:.0%} to {high:.0%} | {seconds:.0f} s |")


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share."""
    middle = hits / count + z * z / (2 * count)
    width = z * float(np.sqrt(hits * (count - hits) / count**3 + z * z / (4 * count**2)))
    return (middle - width) / (1 + z * z / count), (middle + width) / (1 + z * z / count)


def shuffled(targets: Targets) -> Targets:
    """The same trials, their labels exchanged at random."""
    return replace(targets, target=np.random.default_rng(0).permutation(targets.target))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--size", type=int, default=105)
    arguments = parser.parse_args()
    quick = arguments.quick
    recipe = change(RECIPES["duse/dfew"], {
        "augment.area": "0.7,1.0", "augment.brightness": "0.3", "schedule.epochs": "8" if quick else "30"})
    with tempfile.TemporaryDirectory() as place:
        run(Path(place), recipe, quick, 70 if quick else arguments.size)


def run(place: Path, recipe: Recipe, quick: bool, size: int) -> None:
    """All of it, below `place`."""
    started = time.perf_counter()
    lookalikes.LOOKALIKES["dfew"](place / "dfew", size=size, workers=2)
    material = gather(recipe, place / "dfew", place / "cache", "1", workers=2)
    test = material.train.rule(trial for trial in material.fold.test if material.cache.entries[trial.id].pictures)
    made = time.perf_counter() - started
    clip = place / "clip"
    clip.mkdir()
    started = time.perf_counter()
    loss = small_clip(clip, recipe, 60 if quick else 1000)
    pretrained = time.perf_counter() - started
    recipe = change(recipe, {"tower": str(clip)})
    print("| model | right in train | right on people not seen | 95 % interval | learning took |")
    print("| --- | --- | --- | --- | --- |")
    cache = material.cache
    zero = checkpoint.zero_shot(str(clip), precision="32")
    print(told("small CLIP, zero-shot", right(zero, material.train, cache), right(zero, test, cache), pretrained))
    seconds = learn("DuSE", recipe, material, material.train, test, place / "duse")
    if not quick:
        learn("DuSE, labels exchanged", recipe, material, shuffled(material.train), test, place / "control")
    most = np.bincount(test.target).max() / len(test.target)
    print(f"\nChance is {1 / 7:.1%}, the most frequent class {most:.1%}. Lookalike drawn and prepared in {made:.0f} s; "
          f"CLIP pre-trained ({PEOPLE * EACH} pictures of {PEOPLE} people, last loss {loss:.2f}) and DuSE trained in "
          f"{pretrained + seconds:.0f} s. Command: python benchmarks/learns.py{' --quick' if quick else ''}")


def learn(name: str, recipe: Recipe, material: Material, train: Targets, test: Targets, out: Path) -> float:
    """Train, score the last epoch, print a row -> s of training."""
    started = time.perf_counter()
    found = fit(recipe, train, replace(train, trials=(), target=np.empty(0, np.int64)), material.cache.clip, out,
                device="cpu", precision="32")
    seconds = time.perf_counter() - started
    model = checkpoint.load(found.last, precision="32")
    print(told(name, right(model, train, material.cache), right(model, test, material.cache), seconds), flush=True)
    return seconds


if __name__ == "__main__":
    main()
