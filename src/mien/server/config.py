"""Options of the server and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from mien.core.settings import Settings
from mien.reporting.llm.templates import languages

MIB = 2**20

START = 120.0
"""s within which a child must start and check a video. Our choice: a slow machine needs 20 s to load all libraries."""

TIME_LIMIT_FACTOR, UNSTATED_LENGTH = 20.0, 3600.0
"""Longest time of an analysis beyond `START`, as a multiple of the video's duration, and the duration in s of a video
that states none. Our choice: every usable machine is faster, and few videos are longer."""


def analysis_limit(seconds: float | None) -> float:
    """Longest time in s that a child may need for a video of this duration in s; None if it states none."""
    return START + TIME_LIMIT_FACTOR * (UNSTATED_LENGTH if seconds is None else seconds)


def with_reserve(limit: int) -> int:
    """The limit for all addresses together: a quarter above that of one address, so that none keeps others out."""
    return limit + max(1, limit // 4)


@dataclass(frozen=True)
class ServerConfig:
    """Options of the server. All limits are our choice: a laptop keeps up with them.

    Args:
        host: Address to bind.
        port: Port to bind.
        token: Every request needs it unless it is "". It is required when `host` is reachable from other machines.
        settings: Settings of the analysis.
        source: The server's own camera, as in `mien stream`; "" for none.
        language: Language of the sentences.
        llm: Address of an OpenAI-compatible server up to its /v1; "" for none.
        llm_key: Key of that server.
        origins: Other origins that may send requests to this server.
        reuse: As in `load_live_model`.
        workers: Number of threads that analyse frames.
        upload: Largest upload in bytes.
        seconds: Longest uploaded video in s.
        memory: Most memory in bytes of the child process that analyses uploads.
        pixels: Largest frame in pixels.
        clients: Most WebSocket clients of one address at a time. A quarter more is for other addresses.
        jobs: Most uploads of one address that wait or run. A quarter more is for other addresses. Also the number of
            finished ones that are kept.
        chats: Most requests of one address at a time that wait for the language server. A quarter more is for others.
        keep: s until a finished upload is deleted.
        rate: HTTP requests a second and client.
        burst: HTTP requests at once.
        body: Largest body of all other requests in bytes.
        idle: s without a frame, or without a byte of a request, until the server closes a connection.
        slowest: Least rate of a request's body in bytes a second, after the first 10 s.
        receive: Longest time for a request's body in s.

    Raises:
        ValueError: A value is out of range, or a needed token is missing or too short.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    token: str = field(default="", repr=False)
    settings: Settings = field(default_factory=lambda: Settings(pictures=False))
    source: str = ""
    language: str = "en"
    llm: str = ""
    llm_key: str = field(default="", repr=False)
    origins: tuple[str, ...] = ()
    reuse: bool = False
    workers: int = 2
    upload: int = 500 * MIB
    seconds: float = 900.0
    memory: int = 6 * 1024 * MIB
    pixels: int = 1920 * 1080
    clients: int = 32
    jobs: int = 4
    chats: int = 16
    keep: float = 3600.0
    rate: float = 30.0
    burst: int = 90
    body: int = 32 * MIB
    idle: float = 60.0
    slowest: float = 32 * 1024
    receive: float = 1800.0

    def __post_init__(self) -> None:
        if not self.local and len(self.token) < 16:
            raise ValueError(f"--host {self.host}: expected a token of 16 characters or more, since others can reach "
                             "it, got none or a shorter one; set MIEN_TOKEN or leave --host out")
        if not 0 <= self.port < 65536:
            raise ValueError(f"--port: expected 0 to 65535, got {self.port}")
        if self.llm and not self.llm.startswith(("http://", "https://")):
            raise ValueError(f"--llm: expected an address such as http://127.0.0.1:11434/v1, got {self.llm!r}")
        if self.language not in languages():
            raise ValueError(f"--language: expected {' or '.join(languages())}, got {self.language!r}")
        for name in ("workers", "upload", "seconds", "memory", "pixels", "clients", "jobs", "chats", "keep", "rate",
                     "burst", "body", "idle", "slowest", "receive"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected more than 0, got {getattr(self, name)}")

    @property
    def local(self) -> bool:
        """Whether only this machine can reach the server."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:  # a host name, which may resolve to any address
            return False

    @property
    def frame(self) -> int:
        """Size of the largest message in bytes: a raw picture with its header."""
        return 3 * self.pixels + 64
