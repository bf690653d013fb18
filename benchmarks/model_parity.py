"""Write what mien compares its face models with: outputs of mediapipe 0.10.21, and digests of the converted tensors.

Run it in an environment with mediapipe==0.10.21, onnx and onnxruntime, with src on the path:

    PYTHONPATH=src python benchmarks/model_parity.py parity     -> src/mien/face/weights/parity.json
    PYTHONPATH=src python benchmarks/model_parity.py digests    -> src/mien/face/weights/digests.json

The first runs the models inside mediapipe's wheel, with mediapipe's own interpreter, on the drawing of
mien.face.weights.parity. The second converts the same two files, compares the conversion with those outputs, and writes
the digests only if it agrees.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path

import numpy as np

from mien.face.weights import convert, parity, verify
from mien.face.weights.obtain import from_path
from mien.face.weights.pins import SOURCES

FOLDER = Path(verify.__file__).parent

DETECTOR_GRAPH = """
input_stream: "image"
output_stream: "boxes"
output_stream: "logits"
node {
  calculator: "ImageToTensorCalculator"
  input_stream: "IMAGE:image"
  output_stream: "TENSORS:input"
  options { [mediapipe.ImageToTensorCalculatorOptions.ext] {
    output_tensor_width: 192 output_tensor_height: 192 keep_aspect_ratio: true
    output_tensor_float_range { min: -1.0 max: 1.0 } border_mode: BORDER_ZERO } }
}
node {
  calculator: "InferenceCalculator"
  input_stream: "TENSORS:input"
  output_stream: "TENSORS:output"
  options { [mediapipe.InferenceCalculatorOptions.ext] { model_path: "%s" delegate { xnnpack {} } } }
}
node {
  calculator: "SplitTensorVectorCalculator"
  input_stream: "output"
  output_stream: "first"
  output_stream: "second"
  options { [mediapipe.SplitVectorCalculatorOptions.ext] { ranges { begin: 0 end: 1 } ranges { begin: 1 end: 2 } } }
}
node { calculator: "TensorsToFloatsCalculator" input_stream: "TENSORS:first" output_stream: "FLOATS:boxes" }
node { calculator: "TensorsToFloatsCalculator" input_stream: "TENSORS:second" output_stream: "FLOATS:logits" }
"""

MESH_GRAPH = """
input_stream: "image"
input_stream: "region"
input_side_packet: "attention"
output_stream: "landmarks"
node {
  calculator: "FaceLandmarkCpu"
  input_stream: "IMAGE:image"
  input_stream: "ROI:region"
  input_side_packet: "WITH_ATTENTION:attention"
  output_stream: "LANDMARKS:landmarks"
}
"""


def run_mediapipe(graph_text: str, packets: dict, outputs: list[str], side_packets: dict) -> dict:
    """Run a mediapipe graph on one set of packets.

    Args:
        graph_text: the graph.
        packets: input stream -> packet.
        outputs: names of the output streams.
        side_packets: input side packet -> packet.

    Returns:
        Output stream -> packet, without the streams that sent nothing.
    """
    import mediapipe as mp
    from google.protobuf import text_format
    from mediapipe.calculators.core import split_vector_calculator_pb2  # noqa: F401  registers its options
    from mediapipe.calculators.tensor import (  # noqa: F401
        image_to_tensor_calculator_pb2,
        inference_calculator_pb2,
    )
    from mediapipe.framework import calculator_pb2
    from mediapipe.python._framework_bindings import calculator_graph, resource_util

    resource_util.set_resource_dir(str(Path(mp.__file__).parent.parent))
    config = calculator_pb2.CalculatorGraphConfig()
    text_format.Parse(graph_text, config)
    graph = calculator_graph.CalculatorGraph(graph_config=config)
    received: dict = {}
    for name in outputs:
        graph.observe_output_stream(name, lambda stream, packet: received.__setitem__(stream, packet))
    graph.start_run(side_packets)
    for name, packet in packets.items():
        graph.add_packet_to_input_stream(name, packet.at(1))
    graph.close_all_packet_sources()
    graph.wait_until_done()
    return received


def image_packet(picture: np.ndarray):
    """RGB uint8 (H, W, 3) -> mediapipe packet."""
    from mediapipe.python import packet_creator
    from mediapipe.python._framework_bindings import image_frame

    return packet_creator.create_image_frame(image_format=image_frame.ImageFormat.SRGB, data=picture)


def detector_outputs(picture: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """RGB uint8 (192, 192, 3) -> boxes (2304, 16) px and logits (2304,) of mediapipe's detector."""
    from mediapipe.python import packet_getter

    graph = DETECTOR_GRAPH % SOURCES["face_detector.onnx"].member
    got = run_mediapipe(graph, {"image": image_packet(picture)}, ["boxes", "logits"], {})
    boxes, logits = (np.array(packet_getter.get_float_list(got[name])) for name in ("boxes", "logits"))
    return boxes.reshape(-1, 16), logits


def mesh_outputs(picture: np.ndarray) -> np.ndarray | None:
    """RGB uint8 (192, 192, 3) -> landmarks (478, 3) in sides of the picture, None where mediapipe sees no face."""
    from mediapipe.framework.formats import rect_pb2
    from mediapipe.python import packet_creator, packet_getter

    full = rect_pb2.NormalizedRect(x_center=0.5, y_center=0.5, width=1.0, height=1.0, rotation=0.0)
    packets = {"image": image_packet(picture), "region": packet_creator.create_proto(full)}
    got = run_mediapipe(MESH_GRAPH, packets, ["landmarks"], {"attention": packet_creator.create_bool(True)})
    if "landmarks" not in got:
        return None
    return np.array([(point.x, point.y, point.z) for point in packet_getter.get_proto(got["landmarks"]).landmark])


def write_parity() -> None:
    """Write parity.json."""
    from importlib.metadata import version

    picture = parity.drawing()
    boxes, logits = detector_outputs(picture)
    landmarks = mesh_outputs(picture)
    if landmarks is None or mesh_outputs(np.zeros_like(picture)) is not None:
        raise SystemExit("expected mediapipe to find the drawn face, and none in a blank picture")
    # The cells of the highest scores, and some from the whole picture.
    cells = sorted({*np.argsort(-logits)[:8].tolist(), *range(0, len(logits), 96)})
    content = {"source": f"mediapipe {version('mediapipe')}",
               "drawing_sha256": hashlib.sha256(picture.tobytes()).hexdigest(),
               "cells": cells, "logits": logits[cells].round(5).tolist(), "boxes": boxes[cells].round(4).tolist(),
               "landmarks": landmarks.round(7).tolist()}
    (FOLDER / "parity.json").write_text(json.dumps(content) + "\n", encoding="utf-8")


def write_digests() -> None:
    """Write digests.json, if the conversion agrees with parity.json."""
    import mediapipe
    import onnx

    contents = from_path_of_package(Path(mediapipe.__file__).parent)
    models = {name: convert.CONVERTERS[name](content) for name, content in contents.items()}
    with tempfile.TemporaryDirectory() as folder:
        for name, model in models.items():
            onnx.save(model, Path(folder) / name)
        difference = parity.compare(Path(folder) / "face_detector.onnx", Path(folder) / "face_landmarks.onnx")
    print(difference)
    if not difference.small:
        raise SystemExit("expected the conversion to agree with mediapipe; digests.json stays as it is")
    table = {name: verify.digests(model) for name, model in models.items()}
    (FOLDER / "digests.json").write_text(json.dumps(table, indent=0) + "\n", encoding="utf-8")


def from_path_of_package(package: Path) -> dict[str, bytes]:
    """The two TFLite files of an installed mediapipe, checked."""
    with tempfile.TemporaryDirectory() as folder:
        for source in SOURCES.values():
            (Path(folder) / source.name).write_bytes((package.parent / source.member).read_bytes())
        return from_path(Path(folder))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["parity", "digests"])
    {"parity": write_parity, "digests": write_digests}[parser.parse_args().what]()
