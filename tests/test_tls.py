"""The example of a reverse proxy with TLS, started as its page says."""

from __future__ import annotations

import json
import shutil
import ssl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from websockets.exceptions import InvalidStatus

import live_server
from live_server import CEILING, connect
from mien.server.frame_codec import encode

EXAMPLE = Path(__file__).parents[1] / "examples" / "tls_proxy.py"
TOKEN = "a-token-for-the-tests-only"

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate; it is not here")


@contextmanager
def proxied(folder, port):
    """The example in front of a port -> its address and a context that trusts its certificate."""
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", folder / "key.pem", "-out",
                    folder / "cert.pem"], check=True, capture_output=True, timeout=CEILING)
    process = subprocess.Popen([sys.executable, EXAMPLE, folder / "cert.pem", folder / "key.pem", "--port", "0", "--to",
                                str(port)], stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip().rstrip("/").removeprefix("https://")
        context = ssl.create_default_context(cafile=folder / "cert.pem")
        yield address, context
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def test_the_server_is_reached_through_tls_and_still_asks_for_its_token(tmp_path):
    with live_server.mien(token=TOKEN, origins=("https://mien.example",), workers=1) as (inner, _), \
            proxied(tmp_path, int(inner.rpartition(":")[2])) as (address, context):
        with httpx.Client(base_url=f"https://{address}", verify=context, timeout=CEILING) as client:
            assert client.get("/healthz", headers={"host": "mien.example"}).status_code == 200
            assert client.get("/v1/now").status_code == 401
            client.headers["authorization"] = f"Bearer {TOKEN}"
            assert client.get("/v1/now").status_code == 200
            assert client.post("/v1/analyze", content=b"x" * 100_000).status_code == 415
            foreign = {"origin": "https://evil.example"}
            assert client.post("/v1/analyze", content=b"x", headers=foreign).status_code == 403
        stream = f"wss://{address}/v1/stream?frames=true&token={TOKEN}"
        with connect(stream, ssl=context, origin="https://mien.example") as ws:
            assert json.loads(ws.recv(timeout=CEILING))["type"] == "hello"
            ws.send(encode(1.0, np.zeros((64, 64, 3), np.uint8)))
            assert json.loads(ws.recv(timeout=CEILING))["type"] == "frame"
        with pytest.raises(InvalidStatus):
            connect(stream, ssl=context, origin="https://evil.example")
        with pytest.raises((httpx.TransportError, OSError)):
            httpx.get(f"http://{address}/healthz", timeout=CEILING)  # no answer without TLS
