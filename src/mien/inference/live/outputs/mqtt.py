"""MQTT: events, the sentence and whether mien runs, on three topics of a broker."""

from __future__ import annotations

import json
import os
import threading
from typing import Any
from urllib.parse import unquote

from mien.inference.live.event import LiveEvent
from mien.inference.live.outputs.output import OutputError, require, split_address

EXAMPLE = "mqtt://host/topic or mqtts://user@host:8883/topic"
TIMEOUT = 10.0
"""s within which the broker must answer at the start and take the last messages at the end. Our choice."""


class MqttOutput:
    """Publishes `TOPIC/event` (JSON), `TOPIC/text` and `TOPIC/status` ("online", or "offline" also when mien dies).

    The broker keeps the newest text and status for clients that come later. If the connection is lost, it is made
    again in the background; events of that time are not sent.

    Args:
        address: mqtt://host/topic; `mqtts` for TLS; `user@host` for a name, with its password in the environment
            variable MIEN_MQTT_PASSWORD.

    Raises:
        ValueError: The address has no host or no topic, or paho-mqtt is missing.
        OutputError: The broker does not answer or refuses.
    """

    def __init__(self, address: str) -> None:
        parts = split_address(address, EXAMPLE)
        self._topic = unquote(parts.path).strip("/")
        if not self._topic or set(address) & set("+#"):  # wildcards of MQTT
            raise ValueError(f"--to: expected an address such as {EXAMPLE}, got {address!r}")
        client = require("paho.mqtt.client", parts.scheme)
        self._client = client.Client(client.CallbackAPIVersion.VERSION2)
        self._last_text = ""
        if parts.username:
            self._client.username_pw_set(unquote(parts.username), os.environ.get("MIEN_MQTT_PASSWORD"))
        port = 1883
        if parts.scheme == "mqtts":
            self._client.tls_set()
            port = 8883
        self._client.will_set(f"{self._topic}/status", "offline", qos=1, retain=True)
        self._client.on_connect = self._on_connect
        self._connect(parts.hostname or "", parts.port or port, client.error_string)

    def _connect(self, host: str, port: int, error_string: Any) -> None:
        self._answered = threading.Event()
        self._refusal = ""
        self._client.connect_timeout = TIMEOUT
        try:
            self._client.connect(host, port)
        except OSError as error:
            raise OutputError(f"--to: expected an MQTT broker at {host}:{port}, got: {error}; check that it "
                              "runs") from error
        self._client.loop_start()
        answered = self._answered.wait(TIMEOUT)
        if not answered or self._refusal:
            self._client.loop_stop()
            raise OutputError(f"--to: expected an MQTT broker at {host}:{port} that lets mien in, got: "
                              f"{self._refusal or 'no answer'}")

    def _on_connect(self, client: Any, _data: Any, _flags: Any, reason: Any, _properties: Any) -> None:
        """Called by paho's thread at each connection."""
        if reason.is_failure:
            self._refusal = str(reason)
        else:
            client.publish(f"{self._topic}/status", "online", qos=1, retain=True)
        self._answered.set()

    def send(self, event: LiveEvent) -> None:
        """Publish one event."""
        if not self._client.is_connected():
            return
        data = json.dumps(event.json(), ensure_ascii=False)
        self._client.publish(f"{self._topic}/event", data)
        if event.text != self._last_text:
            self._last_text = event.text
            self._client.publish(f"{self._topic}/text", event.text, qos=1, retain=True)

    def close(self) -> None:
        """Publish "offline" and disconnect."""
        if self._client.is_connected():
            self._client.publish(f"{self._topic}/status", "offline", qos=1, retain=True).wait_for_publish(TIMEOUT)
        self._client.disconnect()
        self._client.loop_stop()


def open_mqtt(address: str, classes: tuple[str, ...]) -> MqttOutput:
    """Open mqtt://host/topic. Raises as `MqttOutput` does."""
    return MqttOutput(address)
