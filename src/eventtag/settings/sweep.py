"""Settings of `eventtag sweep`; as in `eventtag.settings`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from eventtag.settings.commands import TrainSettings
from eventtag.settings.data import require_setting as _require


@dataclass
class SweepSettings(TrainSettings):
    """`eventtag sweep`: the settings of `train`, and the values to try for some of them."""

    space: dict[str, Any] = field(default_factory=dict)
    """Keys of `train` with the values to try: a list of them, or `{low: 3e-5, high: 3e-4, log: true}` (also `step: 2`); see
    configs/space/."""
    trials: int = 20
    """Candidates to try in total, including those of an earlier start of this sweep."""
    seeds: int = 3
    """Runs of each candidate, with the seeds `seed`, `seed` + 1, ...; their mean is its score."""
    workers: int = 1
    """Candidates that are trained at once, each in a separate process with its share of the threads."""
    prune_below: float | None = 0.5
    """A candidate is stopped after an epoch if its best validation score so far is below this quantile of the finished candidates
    (from the second epoch on, when four have finished); null never stops one."""
    keep_checkpoints: bool = False
    """Keep the checkpoint of every finished run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require(self.export is not True, "export", self.export, "a sweep exports nothing; leave it out")
        _require(self.base is None, "base", self.base, "the candidates of a sweep train from the encoder; leave it out")
        for key in ("trials", "seeds", "workers"):
            _require(getattr(self, key) >= 1, key, getattr(self, key), "at least 1")
        _require(bool(self.space), "space", self.space, "name at least one key of train with the values to try")
        _require(
            self.prune_below is None or 0 < self.prune_below < 1,
            "prune_below",
            self.prune_below,
            "a share between 0 and 1, or null",
        )
