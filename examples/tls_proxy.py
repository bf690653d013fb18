"""TLS in front of mien serve, with Python alone: for a laboratory; on the internet use a proxy such as nginx.

    openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost -keyout key.pem -out cert.pem
    MIEN_TOKEN=... mien serve --origin https://localhost:8443
    python examples/tls_proxy.py cert.pem key.pem --port 8443 --to 8765

Every connection carries one request or one WebSocket. The server gets the name 127.0.0.1, the only one that it accepts.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import ssl
from contextlib import suppress

HEAD, LARGEST = 10.0, 64 * 1024
"""s and bytes within which the head of a request must arrive."""


def rewritten(head: bytes, port: int) -> bytes:
    """The head of a request, for this server and, unless it opens a WebSocket, without a second request after it."""
    lines = [line for line in head.split(b"\r\n") if not re.match(rb"host\s*:", line, re.IGNORECASE)]
    if not re.search(rb"^upgrade\s*:\s*websocket", head, re.IGNORECASE | re.MULTILINE):
        lines = [line for line in lines if not re.match(rb"(connection|keep-alive)\s*:", line, re.IGNORECASE)]
        lines.insert(1, b"Connection: close")
    lines.insert(1, b"Host: 127.0.0.1:%d" % port)
    return b"\r\n".join(lines)


async def pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    """Copy until the source ends or either side is gone."""
    with suppress(OSError):
        while piece := await source.read(65536):
            target.write(piece)
            await target.drain()


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Serve one connection."""
    try:
        async with asyncio.timeout(HEAD):
            head = await reader.readuntil(b"\r\n\r\n")
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            inner_writer.write(rewritten(head, port))
            request = asyncio.create_task(pump(reader, inner_writer))
            await pump(inner_reader, writer)  # the server closes when the answer is complete
            request.cancel()
        finally:
            inner_writer.close()
    except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        pass  # a client that left or sent no request; a server that does not run
    finally:
        writer.close()


async def main(certificate: str, key: str, host: str, port: int, to: int) -> None:
    """Listen until the program is stopped."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = await asyncio.start_server(lambda reader, writer: carry(reader, writer, to), host, port, ssl=context,
                                        limit=LARGEST)
    print(f"https://{host}:{server.sockets[0].getsockname()[1]}/", flush=True)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("certificate")
    parser.add_argument("key")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8443)
    parser.add_argument("--to", type=int, default=8765, help="port of mien serve on this machine")
    given = parser.parse_args()
    with suppress(KeyboardInterrupt):
        asyncio.run(main(given.certificate, given.key, given.host, given.port, given.to))
