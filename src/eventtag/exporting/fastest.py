"""At the end of training: the form of the model with which CPUs tag fastest, left in the checkpoint if it finds nearly the same spans."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.engines.choice import may_have_gpu
from eventtag.engines.torch_backend import cpu_has_bf16
from eventtag.errors import ExportError
from eventtag.exporting.export import export_checkpoint
from eventtag.labels import LabelSet

log = logging.getLogger(__name__)

WIDTHS = range(128, 769)
"""Widths of encoders that are exported without being asked: narrower ones are fast as they are, wider ones take gigabytes."""


def export_fastest(
    path: Path, articles: Sequence[Article], labels: LabelSet, *, data: Mapping[str, Any], wanted: bool | None, width: int
) -> None:
    """Export a checkpoint as bf16, for OpenVINO, which `precision=auto` then prefers if it is faster and finds nearly the same spans.

    `articles` are the validation articles, with gold of `labels`, which `data` describes. `width` is that of the encoder's layers. `wanted`
    is the setting `export`: False does nothing; None does nothing where it would be of little use: on a machine with a GPU, on a processor
    without instructions for bfloat16 (float32 is hardly faster exported), and for encoders outside WIDTHS. The log says what was made, or
    why it was refused. Raises ExportError if `wanted` is True and it was.
    """
    usual = cpu_has_bf16() and not may_have_gpu() and width in WIDTHS
    if wanted is False or (wanted is None and not usual):
        return
    log.info("exporting the model as bf16, with which CPUs tag faster (export=false leaves that out)")
    started = time.perf_counter()
    try:
        verdict = export_checkpoint(path, "bf16", articles, labels, data=data)
    except ExportError as error:
        reason = str(error).partition("\n")[0]
        if wanted:
            raise ExportError(f"export=true: {reason}\nthe run is finished, and its checkpoint tags with torch") from error
        log.info("not exported: %s", reason)
        return
    log.info(
        "exported in %.0f s: %.1f %% of the spans are the same; %.1f times as many tokens a second of CPU time as with torch in float32",
        time.perf_counter() - started, 100 * verdict.agreement, verdict.exported_speed / verdict.speed,
    )  # fmt: skip
