"""Live: latency, drops and memory at 30 fps; updates with DuSE at B/32; kept features; many clients at a time.

    python benchmarks/live.py [--part camera duse clients exact] [--minutes 5] [--video FILE] [--model FOLDER] [--quick]

camera: a video of a synthetic person, 640x480 at 30 fps, at its own pace through `Live` with the default model. Latency
is from the arrival of the frame that ends a step to its event; memory is resident, last minute over second. duse: the
same with a checkpoint of DuSE on CLIP B/32, exact and with kept features (`--reuse`), asked for a reading every 0.5 s
and for as many as it gives; then how far the kept features are from exact ones, step by step on the same frames, over
the strength with which a frame is given its place: 0, as training begins, and as the paper prints it. Its weights are
random unless --model names a checkpoint: figures of speed, and of rounding, not of recognition. clients: `mien serve`
in a process of its own and 20 WebSocket clients, each 5 frames/s of 640x480 JPEG for 2 minutes. exact: the same frames,
live and as a file. In full about 11 minutes. Measure with nothing else running.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import struct
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from mien import simulation, video
from mien.core.settings import Settings
from mien.inference.analyze import analyze
from mien.inference.live.camera import Camera
from mien.inference.live.camera_thread import Live
from mien.inference.live.session import LiveSession
from mien.server.frame_codec import encode
from speed import write_person_video

CLIENTS, RATE = 20, 5.0


def resident(pid: int | str = "self") -> float:
    """MiB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def followed(source: Path, settings: Settings, minutes: float, reuse: bool = False) -> dict[str, float]:
    """A file at its own pace through `Live` -> figures."""
    memory: list[float] = []
    over = threading.Event()

    def watch() -> None:
        while not over.wait(1.0):
            memory.append(resident())

    threading.Thread(target=watch, daemon=True).start()
    started, worked = time.perf_counter(), time.process_time()
    latencies, ends = [], []
    with Live(Camera(str(source), loop=True), settings, reuse=reuse) as live:
        for event in live.events():
            if event.row is not None and not event.row.abstained:
                latencies.append(event.latency)
                ends.append(time.perf_counter() - started)
            if time.perf_counter() - started > 60 * minutes:
                break
        camera, skipped = live.camera, live.session.skipped
    over.set()
    wall, milliseconds = time.perf_counter() - started, 1000 * np.array(latencies)
    second, last = memory[60:120], memory[-60:]
    if not second or minutes < 3:  # too short for minutes: the second and the last quarter
        quarter = len(memory) // 4
        second, last = memory[quarter:2 * quarter], memory[-quarter:]
    return {"frames": camera.frames_read, "dropped": camera.dropped, "events": len(latencies),
            "steps left out": skipped, "updates a second": (len(ends) - 1) / (ends[-1] - ends[0]),
            "p50 ms": float(np.median(milliseconds)),
            "p95 ms": float(np.percentile(milliseconds, 95)), "max ms": float(milliseconds.max()),
            "memory MiB": float(np.mean(last)), "growth %": 100 * (float(np.mean(last)) / float(np.mean(second)) - 1),
            "cores": (time.process_time() - worked) / wall}


def table(rows: dict[str, dict[str, float]]) -> None:
    names = list(next(iter(rows.values())))
    print(f"| | {' | '.join(names)} |\n|---|{'---|' * len(names)}")
    for name, row in rows.items():
        print(f"| {name} | {' | '.join(f'{row[each]:.4g}' for each in names)} |")


def camera(source: Path, minutes: float) -> None:
    row = followed(source, Settings(pictures=False), minutes)
    table({"default model": row})
    print(f"\nno frame dropped: {row['dropped'] == 0}; p95 under 100 ms: {row['p95 ms'] < 100}; memory within 3 %: "
          f"{abs(row['growth %']) < 3}\n")


def duse(source: Path, minutes: float, folder: Path, model: Path | None) -> None:
    if model is None:
        import duse_speed

        duse_speed.make("B/32", folder)
    name = str(model or folder / "model")
    rows = {f"DuSE, step {step} s, {'kept features' if reuse else 'exact'}":
            followed(source, Settings(pictures=False, model=name, step=step), minutes, reuse)
            for reuse in (False, True) for step in (0.5, 0.2)}
    table(rows)
    for kind in ("exact", "kept features"):
        result = [row for name, row in rows.items() if kind in name]
        best = max(row["updates a second"] for row in result)  # a step of 0.5 s gives 2, less the last
        print(f"\n{kind}: 2 updates a second or more: {best >= 1.95} ({best:.2f}); no frame dropped: "
              f"{not any(row['dropped'] for row in result)}")
    print()
    kept(source, name, 3.6 if minutes < 0.5 else 10.0)


def kept(source: Path, name: str, seconds: float) -> None:
    """Probabilities with kept features against exact ones, of the same frames, by how much a frame is given its place.

    In float32, without smoothing: what rounds is not what is approximated."""
    import mien
    from mien.checkpoints.feature_cache import FeatureCache
    from mien.inference.prediction import WindowRequest
    from mien.inference.stream import Stream

    model, rows = mien.load(name, precision="32"), {}
    request = WindowRequest(model.needs, model.seconds)
    with (video.open_video(source, end=seconds) as frames,
          Stream(None, Settings(pictures=False), request=request) as stream):
        for frame in frames:
            stream.push(frame)
        windows = [step.window for step in stream.observed() if step.window is not None]
    windows = windows[3:]  # whole ones: with fewer pictures than wanted some are given several places
    for phase in (0.0, None, 1.0):
        trained = mien.load(name, precision="32")
        strength = trained.model.htpc.phase.detach()
        strength.fill_(float(strength) if phase is None else phase)
        reusing = FeatureCache(trained)
        reported = [(trained.predict_window(window), reusing.predict_window(window)) for window in windows]
        first, second = np.array(reported).transpose(1, 0, 2)
        rows[f"phase {float(strength):.2g}{' (the checkpoint)' if phase is None else ''}"] = {
            "steps": len(first), "frames read, % of asked": 100 * reusing.fresh / reusing.pictures,
            "largest change of a probability": np.abs(first - second).max(), "mean": np.abs(first - second).mean(),
            "other label": int((first.argmax(1) != second.argmax(1)).sum()),
            "probabilities change over time by": float(np.ptp(first, axis=0).max())}
    table(rows)
    print()


def exact(source: Path) -> None:
    """The rows of a stream that forgets against those of the whole file: the largest difference."""
    settings = Settings(pictures=False)
    rows = {(row.start, row.face): row for row in analyze(source, settings).emotions}
    worst, pulses, count = 0.0, 0.0, 0
    with video.open_video(source) as frames, LiveSession(settings) as session:
        for frame in frames:
            for event in session.push(frame):
                row, other = event.row, rows.get((event.start, event.row.face if event.row else 0))
                if row is None or other is None or row.abstained or other.abstained:
                    continue
                count += 1
                worst = max(worst, float(np.abs(row.probs - other.probs).max()))
                first, second = row.heart_rate.value, other.heart_rate.value
                pulses = max(pulses, abs(first - second) if first is not None and second is not None else 0.0)
    print(f"live against the file, {count} rows: probabilities differ by at most {worst:.2g}, heart rates by "
          f"{pulses:.2g} bpm\n")


async def one_client(address: str, pictures: list[bytes], seconds: float, lag: float) -> dict[str, list[float]]:
    """Frames at `RATE`, whatever comes back; -> what came back."""
    from websockets.asyncio.client import connect

    reported: dict[str, list[float]] = {"frame": [], "event": [], "dropped": [0.0], "sent": []}
    async with connect(f"ws://{address}/v1/stream?frames=true", max_size=None) as socket:
        async def listen() -> None:
            async for text in socket:
                message = json.loads(text)
                if message["type"] == "frame":
                    reported["frame"].append(time.perf_counter())
                    reported["dropped"].append(message["dropped"])
                elif message["type"] == "event":
                    reported["event"].append(message["latency_ms"])

        listener = asyncio.create_task(listen())
        await asyncio.sleep(lag)
        begun = time.perf_counter()
        for number in range(round(seconds * RATE)):
            await asyncio.sleep(max(0.0, begun + number / RATE - time.perf_counter()))
            await socket.send(struct.pack("<d", number / RATE) + pictures[number % len(pictures)])
            reported["sent"].append(time.perf_counter())
        await asyncio.sleep(1.0)
        listener.cancel()
    return reported


def clients(seconds: float) -> None:
    portrait = simulation.portrait(seconds=10.0, fps=RATE)
    pictures = [encode(0.0, frame.rgb)[8:] for frame in portrait.frames()]
    server = subprocess.Popen([sys.executable, "-m", "mien.cli", "serve", "--port", "0"], stderr=subprocess.PIPE,
                              text=True)
    memory: list[float] = []
    over = threading.Event()
    try:
        assert server.stderr is not None
        address = server.stderr.readline().split("//")[1].split("/")[0]

        def watch() -> None:
            while not over.wait(1.0):
                memory.append(resident(server.pid))

        threading.Thread(target=watch, daemon=True).start()

        async def all_of_them() -> list[dict[str, list[float]]]:
            return await asyncio.gather(*(one_client(address, pictures, seconds, i / RATE / CLIENTS)
                                          for i in range(CLIENTS)))

        reported = asyncio.run(all_of_them())
    finally:
        over.set()
        server.terminate()
        server.wait(20)
    read = np.array([len(each["frame"]) for each in reported])
    gaps = [float(np.diff(each["frame"]).max()) for each in reported]
    latency = np.concatenate([each["event"] for each in reported])
    half = len(memory) // 2
    table({f"{CLIENTS} clients, {seconds:g} s": {
        "frames sent": sum(len(each["sent"]) for each in reported), "read": int(read.sum()),
        "dropped": sum(each["dropped"][-1] for each in reported), "least read of one": int(read.min()),
        "most": int(read.max()), "longest wait s": max(gaps), "events": len(latency),
        "p95 ms": float(np.percentile(latency, 95)), "memory MiB": memory[-1],
        "growth, second half %": 100 * (np.mean(memory[-5:]) / np.mean(memory[half:half + 5]) - 1)}})
    print(f"\nfair, least over most: {read.min() / read.max():.3f}\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", nargs="+", choices=("camera", "duse", "clients", "exact"),
                        default=["camera", "duse", "clients", "exact"])
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--video", type=Path, help="a video of your own")
    parser.add_argument("--model", type=Path, help="a checkpoint of DuSE of your own")
    parser.add_argument("--quick", action="store_true", help="12 s of each, 6 s of each way of DuSE")
    chosen = parser.parse_args()
    minutes = 0.2 if chosen.quick else chosen.minutes
    print(f"`python benchmarks/live.py {' '.join(sys.argv[1:])}`\n".replace(" `", "`"))
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        source = chosen.video or write_person_video(folder / "video.mp4", min(minutes, 1.0))
        for part in chosen.part:
            if part == "camera":
                camera(source, minutes)
            elif part == "duse":
                duse(source, 0.1 if chosen.quick else min(minutes, 0.5), folder, chosen.model)
            elif part == "clients":
                clients(12.0 if chosen.quick else 120.0)
            else:
                exact(source)


if __name__ == "__main__":
    main()
