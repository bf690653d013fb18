"""What the server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

BUCKETS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Meters:
    """Counters of one server, none of which names a person or a client."""

    def __init__(self) -> None:
        self.registry = to = CollectorRegistry()
        self.frames = Counter("mien_frames", "Frames that were read.", registry=to)
        self.dropped = Counter("mien_frames_dropped", "Frames that came faster than they could be read.", registry=to)
        self.skipped = Counter("mien_steps_skipped", "Steps that ended while the model was busy.", registry=to)
        self.malformed = Counter("mien_frames_malformed", "Messages that were no frame.", registry=to)
        self.events = Counter("mien_events", "Events, by why no expression was read.", ["reason"], registry=to)
        self.latency = Histogram("mien_latency_seconds", "From a frame's arrival to its event.", buckets=BUCKETS,
                                 registry=to)
        self.clients = Gauge("mien_clients", "Clients that send frames now.", registry=to)
        self.jobs = Counter("mien_jobs", "Uploads that came to an end, by how.", ["status"], registry=to)
        self.chats = Counter("mien_chats", "Requests to the language model, by status.", ["status"], registry=to)
        self.failures = Counter("mien_failures", "Faults of our own.", registry=to)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)
