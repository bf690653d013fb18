"""What may be chosen of a server; every limit that keeps it bounded."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address

from mien.prompt import languages
from mien.settings import Settings

MIB = 2**20


@dataclass(frozen=True)
class Options:
    """`host`, `port` to bind; `token`: needed from everybody when not '', and demanded when bound beyond this machine;
    `source`: a camera of the server's own, as in `mien stream`; `llm`: address of an OpenAI-compatible server up to its
    /v1, `llm_key` its key; `origins`: pages of other origins that may speak to this one; `reuse`: as in `live.eyes`.
    All limits are our choice: a laptop keeps up with them. ValueError for what cannot be.

    upload: bytes; seconds: length of an uploaded video; pixels: of a picture; clients: at a time, over WebSocket; jobs:
    that wait or run, and as many finished ones are kept for `keep` s; rate: HTTP requests a second and client, `burst`
    at once; body: bytes of other requests; idle: s without a frame until a client is let go.
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
    pixels: int = 1920 * 1080
    clients: int = 32
    jobs: int = 4
    keep: float = 3600.0
    rate: float = 30.0
    burst: int = 90
    body: int = 32 * MIB
    idle: float = 60.0

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
        for name in ("workers", "upload", "seconds", "pixels", "clients", "jobs", "keep", "rate", "burst", "body",
                     "idle"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}: expected more than 0, got {getattr(self, name)}")

    @property
    def local(self) -> bool:
        """Bound to this machine alone."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:  # a name: who knows where it leads
            return False

    @property
    def frame(self) -> int:
        """Bytes of the largest message: a raw picture with its head."""
        return 3 * self.pixels + 64
