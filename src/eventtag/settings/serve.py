"""Settings of `eventtag serve`."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from eventtag.settings.commands import InferencePrecision, require_thresholds
from eventtag.settings.data import MISSING, require_given, require_setting

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""Addresses that only programs on this machine reach."""


@dataclass
class ServeSettings:
    """`eventtag serve`."""

    checkpoint: str = MISSING
    """Checkpoint directory, or the run that made it. Training on corrections needs the run."""
    port: int = 8000
    """Port to listen on; 0: any free port, which the log names."""
    host: str = "127.0.0.1"
    """Address to listen on. At any address other than 127.0.0.1, ::1 and localhost, requests need a token
    (docs/how-to/serve.md)."""
    annotations: str = "annotations"
    """Folder that keeps the corrections and the checkpoints that are trained on them."""
    precision: InferencePrecision = InferencePrecision.auto
    """How exactly the model is computed (docs/how-to/speed.md)."""
    thresholds: dict[str, float] = field(default_factory=dict)
    """By label, the score below which spans are left out, in place of the checkpoint's thresholds."""
    threads: int | None = None
    """Threads of tagging; null: the engine's default."""
    max_body_mb: float = 64
    """Largest size of a request in megabytes; larger ones are refused. INCEpTION sends several megabytes in one request."""
    max_waiting_mb: float = 64
    """Requests are refused while this many megabytes of text wait to be tagged."""

    def __post_init__(self) -> None:
        for key in ("checkpoint", "host", "annotations"):
            require_given(key, getattr(self, key))
        require_setting(0 <= self.port < 2**16, "port", self.port, "0 to 65535")
        require_setting(self.threads is None or self.threads >= 1, "threads", self.threads, "at least 1, or null")
        for key in ("max_body_mb", "max_waiting_mb"):
            require_setting(0 < getattr(self, key) < math.inf, key, getattr(self, key), "above 0")
        require_thresholds(self.thresholds)

    @property
    def is_local(self) -> bool:
        """Whether only programs on this machine reach the address."""
        return self.host in LOOPBACK
