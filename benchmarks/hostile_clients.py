"""Hostile messages to `mien mcp`, and fifty clients at once of `mien serve`.

    python benchmarks/hostile_clients.py --part mcp --count 1000
    python benchmarks/hostile_clients.py --part clients --count 50 --seconds 30

`mcp` sends lines at random to the command's standard input: damaged requests, no JSON, deep JSON, bytes, unknown
methods and wrong arguments. After every tenth the server must answer a ping within 5 s; it may grow by 5 % at most.
`clients` connects many clients to one server, each of which sends frames at 10 Hz without waiting for answers. Every
client must get answers, the slowest at least half as many as the fastest; what the server cannot analyse it must drop
and count, and its memory must not grow while they send.
"""

from __future__ import annotations

import argparse
import json
import queue
import random
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import httpx
import numpy as np
from websockets.sync.client import connect

from hostile import SLOW_ANSWER, mutated
from mien.server.frame_codec import encode

VERSION = "2024-11-05"

SERVE = """
import uvicorn
from mien.server import ServerConfig, app
from mien.server.http_timeout import TimeoutHTTPProtocol
from mien.server.websocket_protocol import LimitedWebSocketProtocol
config = ServerConfig(clients={most})
uvicorn.run(app(config), port={port}, log_level="error", http=TimeoutHTTPProtocol, ws=LimitedWebSocketProtocol,
            ws_max_size=config.frame)
"""


class Conversation:
    """One `mien mcp` and its answers by id; the language server that it names does not exist."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "mien.cli", "mcp", "--server", "http://127.0.0.1:9"]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE)
        self.replies: queue.Queue[dict] = queue.Queue()
        self.words: list[bytes] = []
        threading.Thread(target=self._read, daemon=True).start()
        threading.Thread(target=lambda: self.words.extend(self.process.stderr), daemon=True).start()

    def _read(self) -> None:
        for line in self.process.stdout:
            self.replies.put(json.loads(line))  # whatever is no JSON ends the benchmark: no answer follows

    def send(self, line: bytes) -> None:
        self.process.stdin.write(line.replace(b"\n", b" ") + b"\n")
        self.process.stdin.flush()

    def ask(self, number: int, method: str, params: dict) -> float:
        """s until the answer with this number comes; raises queue.Empty after a minute."""
        self.send(json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode())
        began = time.perf_counter()
        while self.replies.get(timeout=60).get("id") != number:
            pass
        return time.perf_counter() - began


def hostile_line(rng: random.Random) -> bytes:
    good = json.dumps({"jsonrpc": "2.0", "id": f"h{rng.randrange(9)}", "method": "tools/call",
                       "params": {"name": "person_now", "arguments": {"language": "en"}}}).encode()
    return rng.choice((
        mutated(good, rng), rng.randbytes(200), b"[" * 20_000, b"{" * 500, b"null", b"[]", b"[" + good + b"]",
        b'"text"', good.replace(b"person_now", b"../../etc/passwd"), good.replace(b'"en"', b"[1,2,{}]"),
        good.replace(b'"en"', b'"' + b"a" * 100_000 + b'"'), good.replace(b"tools/call", b"shutdown"),
        good.replace(b"tools/call", b"resources/read"), good.replace(b"2.0", b"9.9"), b'{"jsonrpc":"2.0","id":1e999}',
        b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"h1"}}',
        b'{"jsonrpc":"2.0","id":"x","result":{}}', b'{"jsonrpc":"2.0","id":null,"method":"ping"}'))


def mcp(count: int) -> bool:
    talk, rng, slowest = Conversation(), random.Random(0), 0.0
    try:
        talk.ask(-1, "initialize", {"protocolVersion": VERSION, "capabilities": {},
                                    "clientInfo": {"name": "hostile", "version": "1"}})
        talk.send(b'{"jsonrpc":"2.0","method":"notifications/initialized"}')
        for _ in range(count // 5):  # warm
            talk.send(hostile_line(rng))
        talk.ask(-2, "ping", {})
        before = memory_of(talk.process.pid)
        for number in range(count):
            talk.send(hostile_line(rng))
            if number % 10 == 9:
                slowest = max(slowest, talk.ask(number, "ping", {}))
        after = memory_of(talk.process.pid)
        traces = b"".join(talk.words).count(b"Traceback")
        alive = talk.process.poll() is None
        print(f"{count} messages: slowest answer {slowest:.2f} s; memory {before:.0f} -> {after:.0f} MiB "
              f"({after / before - 1:+.1%}); tracebacks on standard error {traces}; alive {alive}")
    finally:
        talk.process.kill()
        talk.process.wait()
    return alive and slowest < SLOW_ANSWER and after < 1.05 * before and not traces


def client(address: str, seconds: float, counts: list[tuple[int, int]]) -> None:
    """Send frames at 10 Hz; note how many were answered, and how many the server says it dropped."""
    picture, answered, dropped = np.full((120, 160, 3), 120, np.uint8), 0, 0
    with connect(f"ws://{address}/v1/stream?frames=true", open_timeout=60) as ws:
        def read() -> None:
            nonlocal answered, dropped
            for text in ws:
                message = json.loads(text)
                answered += message["type"] == "frame"
                dropped = message.get("dropped", dropped)

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        for number in range(round(10 * seconds)):
            ws.send(encode(number / 10, picture))
            time.sleep(0.1)
        time.sleep(2)
    counts.append((answered, dropped))


class LargeServer:
    """A server that lets in as many clients of one address as wanted; `mien serve` lets in 32."""

    def __init__(self, most: int) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.address = f"127.0.0.1:{port}"
        self.process = subprocess.Popen([sys.executable, "-c", SERVE.format(most=most, port=port)])
        until = time.monotonic() + 120
        while time.monotonic() < until:
            with suppress(httpx.TransportError):
                if httpx.get(f"http://{self.address}/healthz", timeout=60).status_code == 200:
                    return
            time.sleep(0.2)
        raise SystemExit("the server does not answer")


def memory_of(process: int) -> float:
    """Resident MiB."""
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def clients(count: int, seconds: float) -> bool:
    server = LargeServer(count)
    counts: list[tuple[int, int]] = []
    try:
        running = [threading.Thread(target=client, args=(server.address, seconds, counts)) for _ in range(count)]
        for thread in running:
            thread.start()
        time.sleep(seconds / 2)
        middle = memory_of(server.process.pid)
        time.sleep(seconds / 2)
        end = memory_of(server.process.pid)
        for thread in running:
            thread.join()
    finally:
        server.process.kill()
        server.process.wait()
    answered, dropped = (np.array(each) for each in zip(*counts, strict=True))
    print(f"{len(counts)} clients of {count}: answered frames {answered.min()} to {answered.max()}, median "
          f"{np.median(answered):.0f}; dropped and counted {dropped.sum()} of {round(10 * seconds) * count}; memory "
          f"{middle:.0f} -> {end:.0f} MiB in the second half")
    return len(counts) == count and answered.min() > 0 and answered.min() >= answered.max() / 2 and end < 1.05 * middle


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("mcp", "clients"), required=True)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=30.0)
    given = parser.parse_args()
    good = mcp(given.count) if given.part == "mcp" else clients(given.count, given.seconds)
    raise SystemExit(0 if good else 1)
