"""LAION's Empathic-Insight-Face as one ONNX file for `mien analyze --model onnx:FILE`, from the files of its authors.

    python examples/empathic_insight.py --siglip google/siglip2-so400m-patch16-384 --heads FOLDER --out FOLDER

The folder of --heads holds the 40 files model_NAME_best.pth of laion/Empathic-Insight-Face-Large (CC BY 4.0). Each is a
chain of linear layers with ReLU between them, on the image feature of SigLIP 2 without normalisation: this is how two
other projects read them. The outputs are in the order of the file names, as the card of mien expects. It was tried on
small random towers and heads, not on the published weights, with which the file has some 2 GB.
"""

from __future__ import annotations

import argparse
import json
from importlib import resources
from pathlib import Path

import torch
from torch import Tensor, nn

from mien.backbones import Tower, load
from mien.backbones.weight_files import open_pickle
from mien.core.hashing import sha256

NAME = "empathic_insight_face_large"


class Scores(nn.Module):
    """Normalised pictures (1, 3, S, S) -> the scores (1, K) of all heads.

    Args:
        image: the image tower.
        heads: the weights (out, in) and biases (out,) of the layers of each head, which all have the same sizes.
    """

    def __init__(self, image: Tower, heads: list[list[tuple[Tensor, Tensor]]]) -> None:
        super().__init__()
        self.image = image
        layers = [(torch.stack(weights), torch.stack(biases)[..., None])
                  for weights, biases in (zip(*layer, strict=True) for layer in zip(*heads, strict=True))]
        self.weights, self.biases = (nn.ParameterList(values) for values in zip(*layers, strict=True))

    def forward(self, pictures: Tensor) -> Tensor:
        hidden = self.image(pictures).T  # (d, 1), the same for all heads
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            hidden = weight @ (hidden.relu() if number else hidden) + bias
        return hidden.reshape(1, -1)


def read_head(path: Path) -> list[tuple[Tensor, Tensor]]:
    """Weight and bias of each layer of a head, from layers.N.weight and layers.N.bias; no code of the file runs."""
    tensors, _ = open_pickle(path)
    numbers = sorted({int(name.split(".")[1]) for name in tensors if name.startswith("layers.")})
    return [(tensors[f"layers.{n}.weight"].float(), tensors[f"layers.{n}.bias"].float()) for n in numbers]


def write(siglip: str, heads: Path, out: Path) -> Path:
    """Write the ONNX file and its card with the hash of the file; the licences are not accepted yet."""
    card = json.loads((resources.files("mien.inference") / "cards" / f"{NAME}.json").read_text(encoding="utf-8"))
    files = sorted(heads.glob("model_*_best.pth"))
    if len(files) != len(card["labels"]):
        raise SystemExit(f"{heads}: expected {len(card['labels'])} files model_NAME_best.pth, got {len(files)}")
    image = load(siglip, "siglip-image")
    model, size = Scores(image, [read_head(file) for file in files]).eval(), image.plan.size
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{NAME}.onnx"
    with torch.no_grad():
        torch.onnx.export(model, (torch.zeros(1, 3, size, size),), path, dynamo=True, external_data=False,
                          input_names=["pictures"], output_names=["scores"], verbose=False)
    pixels = {"mean": list(image.plan.mean), "deviation": list(image.plan.std), "size": size}
    path.with_suffix(".json").write_text(json.dumps(card | pixels | {"sha256": sha256(path)}, indent=1) + "\n",
                                         encoding="utf-8")
    return path


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--siglip", required=True, help="Folder or hub id of google/siglip2-so400m-patch16-384.")
    parser.add_argument("--heads", type=Path, required=True, help="Folder of the files model_NAME_best.pth.")
    parser.add_argument("--out", type=Path, required=True, help="Folder for the ONNX file and its card.")
    options = parser.parse_args()
    print(f"wrote {(written := write(options.siglip, options.heads, options.out))}; accept its licences with "
          f"mien models pin {written} --accept")
