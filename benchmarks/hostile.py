"""Damaged files for every native reader, and hostile requests to a server on this machine.

    python benchmarks/hostile.py --part files --count 200
    python benchmarks/hostile.py --part jpeg --count 300
    python benchmarks/hostile.py --part requests --count 1000
    python benchmarks/hostile.py --part soak --minutes 60       # on an otherwise idle machine

`files` damages small files at random, seed 0, and reads each by the function that a command uses. The process that
reads must live, every error must be one line of ours, and no file may take longer than 30 s. `jpeg` damages JPEGs and
counts those that each door takes as undamaged: none that was cut may be among them, but for videos, in which a JPEG may
lack its end mark. `requests` sends random requests to `mien serve`: HTTP (also half ones), WebSocket messages and
conversations for the proxy. No answer may be 500, none may take longer than 5 s, and the server may not grow by more
than 5 %. `soak` sends 30 frames a second to one server by the clock, however late its messages come, and prints dropped
frames, delays and memory.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import av
import cv2
import httpx
import numpy as np
import scipy.io
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.sync.client import ClientConnection, connect

from mien.checkpoints.exported import expect_runnable
from mien.datasets import dataset
from mien.datasets.dfew.votes import read_votes
from mien.datasets.readers import bdf, mat
from mien.server.frame_codec import FrameDecodeError, decode, encode
from mien.simulation.datasets import bdf as bdf_writer
from mien.simulation.datasets.mat73 import save_mat73
from mien.video import open_video
from mien.video.errors import VideoError
from mien.video.stills import read_picture

SLOW_FILE, SLOW_ANSWER = 30.0, 5.0  # s
CLIENT = httpx.Client(timeout=60, limits=httpx.Limits(max_keepalive_connections=0))


# ---------------------------------------------------------------- files


def mutated(content: bytes, rng: random.Random) -> bytes:
    """The content with some bytes changed, a part zeroed or missing, or its end cut off."""
    data, kind = bytearray(content), rng.randrange(5)
    if kind == 0:
        return bytes(data[: rng.randrange(len(data))])
    if kind == 1:
        at = rng.randrange(len(data))
        del data[at : at + rng.randrange(1, 64)]
    if kind == 2:
        at = rng.randrange(len(data))
        data[at : at + 16] = bytes(len(data[at : at + 16]))
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        data[rng.randrange(len(data))] = rng.choice((0, 1, 127, 128, 255, rng.randrange(256)))
    return bytes(data)


def write_bdf(path: Path) -> None:
    wave = np.sin(np.arange(512) / 9) * 50
    channels = [bdf_writer.Channel("EXG1", wave, "uV"), bdf_writer.status(np.zeros(512, np.int64))]
    bdf_writer.write_bdf(path, channels, 256, datetime(2009, 7, 9, 10, 0, 46))


def write_mat5(path: Path) -> None:
    cells = np.empty((1, 2), object)
    cells[0, 0], cells[0, 1] = np.eye(3), "text"
    scipy.io.savemat(path, {"data": cells, "labels": np.ones((2, 4)), "name": "text"})


def write_onnx(path: Path) -> None:
    """A model of frames with its weights in a file beside it, as no export of ours has."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((3 * 8 * 8, 2), np.float32), "w")
    nodes = [helper.make_node("Cast", ["frames"], ["f"], to=TensorProto.FLOAT), helper.make_node("Flatten", ["f"],
             ["r"]), helper.make_node("MatMul", ["r", "w"], ["logits"])]
    graph = helper.make_graph(nodes, "g", [helper.make_tensor_value_info("frames", TensorProto.UINT8, [1, 1, 3, 8, 8])],
                              [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, 2])], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save_model(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)


def write_xlsx(path: Path) -> None:
    from openpyxl import Workbook

    book = Workbook()
    names = ("happy", "sad", "neutral", "angry", "surprise", "disgust", "fear")
    book.active.append(["order", *(f"{number}{name}" for number, name in enumerate(names, 1)), "annotation"])
    book.active.append([1, 7, 0, 1, 0, 0, 1, 1, 1])
    book.save(path)


def read_bdf(path: Path) -> None:
    recording = bdf.open_bdf(path)
    recording.read(recording.labels[0])


def read_xlsx(path: Path) -> None:
    problems: list = []
    read_votes(path, {1: 1}, problems)
    if problems:
        raise ValueError(problems[0].reason)


KINDS: dict[str, tuple[str, Callable[[Path], None], Callable[[Path], object]]] = {
    "BDF": ("a.bdf", write_bdf, read_bdf),
    "MAT 5": ("a.mat", write_mat5, lambda path: mat.load(path, ("data", "labels", "name"))),
    "MAT 7.3 (HDF5)": ("a.mat", lambda path: save_mat73(path, {"data": np.array([[np.eye(3), "text"]], object)}),
                       lambda path: mat.load(path, ("data",))),
    "ONNX with data beside it": ("model.onnx", write_onnx,
                                 lambda path: expect_runnable("onnx", path, "32", (1, 1, 3, 8, 8))),
    "zip (xlsx)": ("a.xlsx", write_xlsx, read_xlsx),
}


def files(count: int, only: str) -> bool:
    rng, good = random.Random(0), True
    print(f"| reader | files | read | refused | its process crashed | error in mien | slowest, s |\n{'|---' * 7}|")
    with tempfile.TemporaryDirectory() as folder:
        for kind, (name, write, read) in KINDS.items():
            if not kind.startswith(only):
                continue
            place = Path(folder) / re.sub(r"\W", "", kind)
            place.mkdir()
            write(place / name)
            read(place / name)  # undamaged, it can be read
            originals = {path: path.read_bytes() for path in place.iterdir()}
            results, slowest = Counter(), 0.0
            for _ in range(count):
                chosen = rng.choice(sorted(originals))
                chosen.write_bytes(mutated(originals[chosen], rng))
                started = time.perf_counter()
                results[outcome(read, place / name)] += 1
                slowest = max(slowest, time.perf_counter() - started)
                chosen.write_bytes(originals[chosen])
            good = good and not results["fault"] and slowest < SLOW_FILE
            print(f"| {kind} | {count} | {results['read']} | {results['refused']} | {results['crashed']} | "
                  f"{results['fault']} | {slowest:.1f} |", flush=True)
        good = links(Path(folder), count, rng) and good
    return good


def outcome(read: Callable[[Path], object], path: Path) -> str:
    try:
        read(path)
    except ValueError as error:
        text = str(error)
        if "expected" not in text or "\n" in text:
            return "fault"
        return "crashed" if "its reader" in text else "refused"
    except Exception as error:  # that is what is counted
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return "fault"
    return "read"


def links(folder: Path, count: int, rng: random.Random) -> bool:
    """Datasets with symlinks that dangle, lead in circles or lead outside."""
    results, slowest = Counter(), 0.0
    targets = ("/etc/passwd", "/dev/null", "/dev/zero", "/dev/stdin", "/proc/self/mem", ".", "..", "nowhere", "loop",
               "/", "../../..")
    for number in range(count):
        root = folder / f"links{number}"
        (root / "calm").mkdir(parents=True)
        for name in ("calm/a.mp4", "calm/loop", "labels.csv", "b", "calm/c"):
            if rng.random() < 0.7:
                (root / name).symlink_to(rng.choice(targets))
        started = time.perf_counter()
        results[outcome(dataset("folder").survey, root)] += 1
        slowest = max(slowest, time.perf_counter() - started)
    print(f"| symlinks in a dataset | {count} | {results['read']} | {results['refused']} | {results['crashed']} | "
          f"{results['fault']} | {slowest:.1f} |", flush=True)
    return not results["fault"] and slowest < SLOW_FILE


# ---------------------------------------------------------------- JPEGs


def jpegs(count: int) -> bool:
    """JPEGs that were cut, or in which 1 or 8 bytes of the picture were changed, at the doors for pictures."""
    rng, good = random.Random(0), True
    rgb = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8), (0, 0), 3)
    content = encode(0.0, rgb)[8:]
    start = content.find(b"\xff\xda") + 20  # of the picture, after its header
    print("| damage | pictures | stream | picture file | video of JPEGs |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for damage in ("cut", "1 byte", "8 bytes"):
            damaged = []
            for _ in range(count):
                data = bytearray(content)
                if damage == "cut":
                    data = data[: rng.randrange(start, len(data) - 2)]
                else:
                    for _ in range(int(damage[0])):
                        data[rng.randrange(start, len(data) - 2)] ^= rng.randrange(1, 256)
                damaged.append(bytes(data))
            accepted = [sum(map(by_stream, damaged)), sum(by_file(each, Path(folder)) for each in damaged),
                     by_video([content, *damaged], Path(folder)) - 1]
            print(f"| {damage} | {count} | {' | '.join(map(str, accepted))} |", flush=True)
            good = good and (damage != "cut" or not any(accepted[:2]))
    return good


def by_stream(data: bytes) -> bool:
    try:
        decode(struct.pack("<d", 0.0) + data, 10**6)
    except FrameDecodeError:
        return False
    return True


def by_file(data: bytes, folder: Path) -> bool:
    (folder / "a.jpg").write_bytes(data)
    try:
        read_picture(folder / "a.jpg")
    except VideoError:
        return False
    return True


def by_video(frames: list[bytes], folder: Path) -> int:
    """How many of the frames of a video are decoded and not left out."""
    with av.open(str(folder / "a.avi"), "w") as out:
        stream = out.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuvj420p"
        for number, data in enumerate(frames):
            packet = av.Packet(data)
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, number, number, Fraction(1, 25)
            out.mux(packet)
    with open_video(folder / "a.avi") as recording:
        return sum(1 for _ in recording)


# ---------------------------------------------------------------- requests


class Server:
    """`mien serve` in a process of its own, with a language server that does not answer."""

    def __init__(self) -> None:
        self.closed = socket.create_server(("127.0.0.1", 0))
        llm = f"http://127.0.0.1:{self.closed.getsockname()[1]}/v1"
        self.closed.close()
        self.process = subprocess.Popen([sys.executable, "-m", "mien.cli", "serve", "--port", "0", "--llm", llm],
                                        stderr=subprocess.PIPE, text=True)
        self.address = self.process.stderr.readline().split()[1].removeprefix("http://").rstrip("/")

    def memory(self) -> float:
        """Resident MiB."""
        with open(f"/proc/{self.process.pid}/statm") as file:
            return float(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def descriptors(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))


def requests(count: int) -> bool:
    server, rng = Server(), random.Random(0)
    kinds = (http_request, raw_request, messages, conversation)
    try:
        for kind in kinds:  # warm: everything is imported and allocated
            for _ in range(count // 10):
                kind(server.address, rng)
        time.sleep(12)  # longer than the clock of a half request
        before, handles = server.memory(), server.descriptors()
        statuses, slowest = Counter(), 0.0
        for number in range(count):
            started = time.perf_counter()
            statuses[kinds[number % len(kinds)](server.address, rng)] += 1
            slowest = max(slowest, time.perf_counter() - started)
            time.sleep(0.02)  # below the limit of 30 requests a second
        time.sleep(12)
        after = server.memory()
        alive = CLIENT.get(f"http://{server.address}/healthz").status_code
        failures = re.search(r"(?m)^mien_failures_total (\S+)", CLIENT.get(f"http://{server.address}/metrics").text)[1]
        print(f"{count} requests: answers {dict(sorted(statuses.items(), key=str))}; slowest {slowest:.2f} s; "
              f"memory {before:.0f} -> {after:.0f} MiB ({after / before - 1:+.1%}); descriptors {handles} -> "
              f"{server.descriptors()}; faults of the server {failures}; alive {alive == 200}")
    finally:
        server.process.kill()
        server.process.wait()
    return alive == 200 and not statuses[500] and slowest < SLOW_ANSWER and after < 1.05 * before


def http_request(address: str, rng: random.Random) -> int:
    paths = ("/", "/healthz", "/metrics", "/v1/now", "/v1/analyze", "/v1/analyze/x", "/v1/models", "/openapi.json",
             "/v1/analyze/../../etc/passwd", "/v1/stream", f"/{rng.randbytes(8).hex()}", "/v1/now?client=" + "a" * 99)
    headers = {"x-mien-client": "a" * rng.randrange(200), "origin": rng.choice(("null", "http://x", f"http://{address}"))}
    body = rng.randbytes(rng.randrange(3000)) if rng.random() < 0.5 else b"\0\0\0\x20ftypisom" + rng.randbytes(2000)
    method = rng.choice(("GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD"))
    return CLIENT.request(method, f"http://{address}{rng.choice(paths)}", headers=headers, content=body).status_code


def raw_request(address: str, rng: random.Random) -> int | str:
    """Bytes that are half a request, no request, or several."""
    host, _, port = address.partition(":")
    good = f"POST /v1/chat/completions HTTP/1.1\r\nHost: {address}\r\nContent-Length: 5\r\n\r\n{{}}   ".encode()
    with socket.create_connection((host, int(port)), 20) as raw:
        raw.settimeout(0.5)
        raw.sendall(rng.choice((mutated(good, rng), good * 3, rng.randbytes(100), good[:40])))
        try:
            line = raw.recv(1000).split(b"\r\n")[0].split()
        except TimeoutError:
            return "none yet"
        except ConnectionResetError:
            return "closed"
    return int(line[1]) if len(line) > 1 and line[1].isdigit() else "closed"


def messages(address: str, rng: random.Random) -> str:
    picture = encode(1.0, np.zeros((48, 64, 3), np.uint8))
    try:
        with connect(f"ws://{address}/v1/stream", close_timeout=5) as ws:
            for _ in range(10):
                ws.send(rng.choice((mutated(picture, rng), rng.randbytes(60), struct.pack("<d4sHH", 1.0, b"RGB8",
                        rng.randrange(65536), rng.randrange(65536)) + rng.randbytes(50))))
            return f"stream {json.loads(ws.recv(timeout=20))['type']}"
    except (ConnectionClosed, InvalidHandshake) as error:
        return f"stream {type(error).__name__}"


def conversation(address: str, rng: random.Random) -> int:
    good = json.dumps({"model": "x", "messages": [{"role": "user", "content": "hello"}]}).encode()
    body = rng.choice((mutated(good, rng), good, b"[" * 10**5, b'{"messages":' * 10**4))
    return CLIENT.post(f"http://{address}/v1/chat/completions", content=body).status_code


# ---------------------------------------------------------------- soak


def soak(minutes: float) -> bool:
    """30 frames a second by the clock, whatever the server does, for so many minutes.

    Args:
        minutes: How long, at least 3.

    Returns:
        Whether no frame was dropped and the memory of the last minute is within 5 % of that of the third.
    """
    from mien import simulation

    if minutes < 3:
        raise ValueError(f"soak: expected 3 minutes or more, got {minutes:g}")
    scene = simulation.Scene((simulation.Actor(simulation.identity(1)),), (640, 480), fps=30, seconds=10)
    pictures = [encode(0.0, frame.rgb)[8:] for frame in scene.frames()]  # without the time of the frame
    server, count = Server(), round(minutes * 60 * 30)
    sent, sizes, delays, dropped = np.zeros(count), [], np.zeros(count), 0

    def send(ws: ClientConnection) -> None:
        start = time.monotonic()
        for number in range(count):
            time.sleep(max(0.0, start + number / 30 - time.monotonic()))
            sent[number] = time.monotonic()
            ws.send(struct.pack("<d", number / 30) + pictures[number % len(pictures)])

    try:
        with connect(f"ws://{server.address}/v1/stream?frames=true") as ws:
            sender = threading.Thread(target=send, args=(ws,), daemon=True)
            sender.start()
            number = received = 0
            while number < count - 1:  # the last frame, or one that stands for it, ends the run
                if (message := json.loads(ws.recv(timeout=60)))["type"] != "frame":
                    continue
                number, received, dropped = round(30 * message["t"]), received + 1, message["dropped"]
                delays[received - 1] = time.monotonic() - sent[number]
                if received % 1800 == 0:
                    sizes.append(server.memory())
        middle, most = np.percentile(1000 * delays[:received], (50, 99))
        print(f"{minutes:g} minutes at 30 frames/s by the clock: {count} sent, {received} read, {dropped} dropped; "
              f"from the sending of a frame to its message {middle:.0f} ms (median), {most:.0f} ms (99 of 100), "
              f"{1000 * delays.max():.0f} ms at most; memory by minute, MiB: "
              f"{', '.join(f'{size:.0f}' for size in sizes)}")
    finally:
        server.process.kill()
        server.process.wait()
    return dropped == 0 and received == count and sizes[-1] < 1.05 * sizes[2]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("files", "jpeg", "requests", "soak"), required=True)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--only", default="", help="beginning of a reader's name")
    parser.add_argument("--minutes", type=float, default=60.0)
    given = parser.parse_args()
    ended = {"files": lambda: files(given.count, given.only), "jpeg": lambda: jpegs(given.count),
             "requests": lambda: requests(given.count), "soak": lambda: soak(given.minutes)}[given.part]()
    raise SystemExit(0 if ended else 1)
