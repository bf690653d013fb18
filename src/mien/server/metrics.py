"""Counters of the server in Prometheus' format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class ServerMetrics:
    """Counters of one server. No counter identifies a person or a client."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.frames = Counter("mien_frames", "Analysed frames.", registry=registry)
        self.dropped = Counter("mien_frames_dropped", "Frames that arrived faster than they could be analysed.",
                               registry=registry)
        self.skipped = Counter("mien_steps_skipped", "Steps that ended while the model was busy.", registry=registry)
        self.malformed = Counter("mien_frames_malformed", "Messages that could not be decoded as a frame.",
                                 registry=registry)
        self.events = Counter("mien_events", "Events, by the reason for a missing expression.", ["reason"],
                              registry=registry)
        self.latency = Histogram("mien_latency_seconds", "Time from a frame's arrival to its event.", buckets=BUCKETS,
                                 registry=registry)
        self.clients = Gauge("mien_clients", "Clients that send frames now.", registry=registry)
        self.jobs = Counter("mien_jobs", "Uploads that ended, by status.", ["status"], registry=registry)
        self.chats = Counter("mien_chats", "Requests to the language model, by status.", ["status"],
                             registry=registry)
        self.failures = Counter("mien_failures", "Internal errors of mien.", registry=registry)

    def text(self) -> bytes:
        """All counters in Prometheus' text format."""
        return generate_latest(self.registry)
