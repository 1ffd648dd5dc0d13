"""Whether a checkpoint finds the same spans in bfloat16 as in float32, with which it is evaluated. `precision=auto` needs to know."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch

from eventtag.engines.torch_backend import TorchBackend, cpu_has_bf16
from eventtag.evaluation import tag_annotated
from eventtag.exporting.gate import agreement
from eventtag.models.checkpoint import Calibration
from eventtag.tagging.tagged import TaggedArticle
from eventtag.tagging.tagger import Tagger

log = logging.getLogger(__name__)


def check_precisions(
    tagger: Tagger, tagged: Sequence[TaggedArticle], calibration: Calibration
) -> Mapping[str, Mapping[str, Any]]:
    """By precision, how well its spans on the validation articles agree with float32's (`CheckpointInfo.agreement`).

    `tagged` is what `tagger`, a torch model in float32, found there with `calibration`. If this machine has no arithmetic for bfloat16,
    nothing is checked or recorded.
    """
    network: Any = tagger.model
    if not _has_bf16(network.device.type):
        log.info(
            "bfloat16 is not checked against float32, as this machine has no instructions for it; precision=auto will mean fp32"
        )
        return {}
    other = type(network)(copy.deepcopy(network.config))
    other.load_state_dict(network.state_dict())
    backend = TorchBackend(other, precision="bf16", device=str(network.device))
    rounded = tag_annotated(replace(tagger, model=backend, calibration=calibration), [item.article for item in tagged])
    found = {
        "agreement": agreement(tagged, rounded),
        "spans": sum(len(item.spans) for item in tagged),
        "articles": len(tagged),
        "device": network.device.type,
    }
    log.info("bfloat16 finds %.1f %% of float32's %d spans on the validation articles", 100 * found["agreement"], found["spans"])
    return {"bf16": found}


def _has_bf16(device: str) -> bool:
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    return cpu_has_bf16()
