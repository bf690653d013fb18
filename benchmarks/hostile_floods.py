"""Floods from one client of `mien serve`, and how long everybody else waits meanwhile.

    python benchmarks/hostile_floods.py --seconds 20

Each flood lasts until the server closes the connections, or for the time that `--seconds` gives. Meanwhile the slowest
answer of /healthz is measured. It may take 5 s, and the memory may grow by 25 % while a flood lasts.
"""

from __future__ import annotations

import argparse
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import httpx

from hostile import SLOW_ANSWER
from hostile_clients import memory_of

UPGRADE = (b"GET /v1/stream HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
CHAT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: %d\r\n\r\n%s"


def frame(first: int, payload: bytes) -> bytes:
    """A WebSocket frame of up to 125 bytes, masked with zeros."""
    return bytes([first, 0x80 | len(payload)]) + bytes(4) + payload


def values(value: bytes) -> bytes:
    """A conversation of nearly 32 MiB with as many values as fit."""
    body = b'{"messages":[' + (value + b",") * (32_700_000 // (len(value) + 1)) + b"0]}"
    return CHAT % (len(body), body)


FLOODS = {  # name -> connections, what each sends first, and what it repeats as WebSocket frames
    "pings whose answers are not read": (8, b"", 500 * frame(0x89, b"x" * 125)),
    "a message in parts of 2 bytes": (1, frame(0x02, b"ab"), 8000 * frame(0x00, b"ab")),
    "a message in empty parts": (1, frame(0x02, b"ab"), 8000 * frame(0x00, b"")),
    "empty messages": (1, b"", 8000 * frame(0x82, b"")),
    "a conversation of empty lists": (1, values(b"[]"), b""),
    "a conversation of empty objects": (1, values(b"{}"), b""),
    "a conversation of numbers": (1, values(b"1"), b""),
}


@contextmanager
def serving(llm: str) -> Iterator[tuple[int, int]]:
    """`mien serve` -> its process and its port."""
    process = subprocess.Popen([sys.executable, "-m", "mien.cli", "serve", "--port", "0", "--llm", llm],
                               stderr=subprocess.PIPE, text=True)
    try:
        port = int(re.search(r":(\d+)/", process.stderr.readline())[1])
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield process.pid, port
    finally:
        process.kill()
        process.wait()


def send(port: int, first: bytes, repeated: bytes, until: float) -> None:
    """Send and read nothing until the time is over or the server has closed the connection."""
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), 60) as raw:
        if repeated:
            raw.sendall(UPGRADE)
            raw.recv(1000)  # what comes before the server has agreed is no frame
        raw.sendall(first)
        if not repeated:
            raw.recv(1000)
        raw.settimeout(1.0)
        while repeated and time.monotonic() < until:
            with suppress(TimeoutError):
                raw.send(repeated)


def abandon(port: int, count: int) -> None:
    """Begin conversations and leave each before its answer."""
    for _ in range(count):
        with socket.create_connection(("127.0.0.1", port), 60) as raw:
            raw.sendall(CHAT % (15, b'{"messages":[]}'))
            time.sleep(0.05)


def measure(name: str, port: int, process: int, threads: list[threading.Thread]) -> bool:
    """Run a flood and print what it did to the others."""
    before, slowest, refused, began = memory_of(process), 0.0, 0, time.monotonic()
    peak = before
    for thread in threads:
        thread.start()
    while True:
        running = any(thread.is_alive() for thread in threads)
        since = time.monotonic()
        refused += httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=120).status_code != 200
        slowest, peak = max(slowest, time.monotonic() - since), max(peak, memory_of(process))
        if not running:
            break
        time.sleep(0.05)
    print(f"{name}: {time.monotonic() - began:.1f} s; others waited {slowest:.2f} s at most, {refused} were refused; "
          f"memory {before:.0f} to {peak:.0f} MiB", flush=True)
    return slowest < SLOW_ANSWER and not refused and peak < 1.25 * before


def main(seconds: float) -> bool:
    with socket.create_server(("127.0.0.1", 0), backlog=500) as silent, \
            serving(f"http://127.0.0.1:{silent.getsockname()[1]}/v1") as (process, port):
        httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=120)
        good = True
        for name, (connections, first, repeated) in FLOODS.items():
            until = time.monotonic() + seconds
            good &= measure(name, port, process, [
                threading.Thread(target=send, args=(port, first, repeated, until)) for _ in range(connections)])
        return measure("135 abandoned conversations", port, process, [
            threading.Thread(target=abandon, args=(port, 135))]) and good


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    raise SystemExit(0 if main(parser.parse_args().seconds) else 1)
