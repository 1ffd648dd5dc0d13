"""Settings of a run as a file that `eventtag train experiment=NAME` takes."""

from __future__ import annotations

from typing import Any

import yaml

from eventtag.settings import TrainSettings
from eventtag.training.record import plain

GROUPS = {"data": "corpus", "model": "minilm", "trainer": "default", "evaluation": "default"}
"""Choices with empty mappings, because a file's entries are added to a mapping and do not replace it."""


def render_experiment(settings: TrainSettings, *, comment: str) -> str:
    """The text of `experiment/NAME.yaml`: all settings but the run's directory; `comment` is one line."""
    content: dict[str, Any] = plain(settings)
    for key in ("run_dir", "resume"):
        del content[key]
    defaults = {"defaults": [{f"override /{group}": choice} for group, choice in GROUPS.items()]}
    body = yaml.safe_dump(defaults, sort_keys=False) + "\n" + yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    return f"# @package _global_\n# {comment}\n{body}"
