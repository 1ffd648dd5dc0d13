"""A checkpoint's model in the form that a faster engine runs, written beside it with a verdict.

CHECKPOINT/export_PRECISION/model.onnx or model.xml, model.bin    fp32 and int8 for ONNX Runtime, bf16 for OpenVINO
                            links.safetensors                     the layers over pairs and status, where it has a link head
                            export.json                           checkpoint, verdict, validation articles, versions
                            manifest.json                         sha256 and size of these

The checkpoint's own files, its manifest and so its fingerprint do not change.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.engines.backend import Backend
from eventtag.engines.choice import EXPORT_FILE, LIBRARIES, export_folder, open_export, tokens_per_second
from eventtag.engines.torch_backend import TorchBackend
from eventtag.errors import EventtagError, ExportError
from eventtag.evaluation import evaluate
from eventtag.exporting.gate import Verdict, judge
from eventtag.labels import LabelSet
from eventtag.links.network import write_pair_network
from eventtag.manifest import write_manifest
from eventtag.models.checkpoint import Checkpoint, load_checkpoint
from eventtag.staging import require_absent, staged_folder, write_json
from eventtag.tagging.tagger import Tagger

log = logging.getLogger(__name__)

ROUNDS = 2
"""How often the two speeds are measured in turn; the best of each counts."""


def export_checkpoint(
    path: Path, precision: str, articles: Sequence[Article], labels: LabelSet, *, data: Mapping[str, Any] | None = None
) -> Verdict:
    """Export a checkpoint for a precision (fp32, bf16 or int8), judged on validation `articles` with gold of `labels`.

    `data` describes the articles in export.json. Raises ExportError if the export is refused or cannot be made, OutputError if the
    checkpoint has one already, CheckpointError as `load_checkpoint` does.
    """
    checkpoint = load_checkpoint(path)
    target = export_folder(path, precision)
    require_absent(target)
    if not TorchBackend(checkpoint.model).head.tags_words:
        raise ExportError(
            f"{path}: its head scores no tags of words and cannot be exported; it runs with torch, in fp32 or bf16, without an export"
        )
    with staged_folder(target) as folder:
        plain = TorchBackend(checkpoint.model)
        try:
            _write_model(checkpoint, folder, precision)
            if plain.pair_network is not None:
                write_pair_network(plain.pair_network, folder)
            exported = open_export(folder, precision, checkpoint.info)
            speed, exported_speed = _speeds((plain, exported), checkpoint.info.window.max_length)
        except EventtagError:
            raise
        except Exception as error:  # the libraries' errors are of many kinds
            first = (str(error).strip().splitlines() or [""])[0].partition("\x1b")[0].strip()[:200]  # without colours
            raise ExportError(
                f"{precision}: this model cannot be exported with torch {version('torch')} and {LIBRARIES[precision]} "
                f"{version(LIBRARIES[precision])} ({type(error).__name__}: {first})\nnothing is written; fp32 and bf16 run with torch "
                "without an export"
            ) from error
        before, after = (evaluate(_tagger(checkpoint, backend), articles, labels=labels) for backend in (plain, exported))
        verdict = judge(before, after, speed=speed, exported_speed=exported_speed)
        verdict.require_accepted(precision)
        record = {
            "checkpoint": checkpoint.sha256,
            "precision": precision,
            "verdict": asdict(verdict),
            "data": dict(data or {}),
            "versions": {name: version(name) for name in ("torch", "onnx", LIBRARIES[precision])},
        }
        write_json(folder / EXPORT_FILE, record)
        write_manifest(folder)
    return verdict


def _write_model(checkpoint: Checkpoint, folder: Path, precision: str) -> None:
    """Write the model's files. Raises ExportError if a library is missing."""
    missing = [name for name in ("onnx", "onnxscript", "onnxruntime", LIBRARIES[precision]) if not _installed(name)]
    if missing:
        raise ExportError(f"{precision}: needs {missing[0]}; run `pip install {missing[0]}`")
    from eventtag.exporting.onnx_export import export_fp32, export_int8

    plain = folder / "model.onnx"
    export_fp32(checkpoint.model, plain, max_length=checkpoint.info.window.max_length)
    if precision == "int8":
        export_int8(plain, folder / "int8.onnx")
        (folder / "int8.onnx").replace(plain)
    elif precision == "bf16":
        from eventtag.engines.openvino_backend import to_openvino

        to_openvino(plain, folder / "model.xml")
        plain.unlink()


def _installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


def _speeds(backends: Sequence[Backend], max_length: int) -> list[float]:
    """Tokens a second of each backend, measured in turn."""
    found = [[tokens_per_second(backend, max_length) for backend in backends] for _ in range(ROUNDS)]
    return [max(column) for column in zip(*found, strict=True)]


def _tagger(checkpoint: Checkpoint, backend: Backend) -> Tagger:
    info = checkpoint.info
    return Tagger(
        backend, checkpoint.tokenizer, info.labels, info.window,
        calibration=info.calibration, crosses_lines=info.crosses_lines, cuts_strings=info.cuts_strings, links=info.links,
    )  # fmt: skip
