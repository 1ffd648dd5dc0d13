"""Which engine and precision run a checkpoint.

    fp32   ONNX Runtime if the checkpoint was exported so (`eventtag export`), else torch
    bf16   OpenVINO if the checkpoint was exported so, else torch, all of the model in bfloat16
    int8   ONNX Runtime, from a checkpoint exported so, which its quality gate has let through
    auto   the fastest on this machine of float32, with which the checkpoint was evaluated, and the forms that found nearly the same spans
           on the validation articles (exports by their quality gate, torch's bfloat16 by the checkpoint's own record). A short
           measurement decides and is kept in the user's cache folder.

If ONNX Runtime or OpenVINO runs the model, neither torch nor transformers is imported.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from eventtag.encoding.tokens import read_tokenizer
from eventtag.engines.backend import Backend
from eventtag.engines.trial import require_scores
from eventtag.errors import CheckpointError, SettingsError
from eventtag.heads.tag_decoding import TagDecoder
from eventtag.links.network import read_pair_network
from eventtag.manifest import check_manifest, read_json
from eventtag.models.accepted import require_own_tokenizer
from eventtag.models.checkpoint import EXPORT_PREFIX, WEIGHTS_FILE, CheckpointInfo, load_checkpoint, read_info
from eventtag.settings import InferencePrecision
from eventtag.stored_json import read_stored

log = logging.getLogger(__name__)

EXPORT_FILE = "export.json"
LIBRARIES = {"fp32": "onnxruntime", "bf16": "openvino", "int8": "onnxruntime"}
"""The library that runs an export of each precision."""
LEAST_AGREEMENT = 0.995
"""Share of float32's spans that another precision must have found on the validation articles for `auto` to choose it."""
LEAST_SPANS = 100
"""Spans that such a share must come from."""


@dataclass(frozen=True)
class Loaded:
    """A checkpoint behind its backend; `sha256` is the checkpoint's."""

    backend: Backend
    tokenizer: Any
    info: CheckpointInfo
    sha256: str


def export_folder(path: Path, precision: str) -> Path:
    """Where a checkpoint's exported model of a precision lies."""
    return path / f"{EXPORT_PREFIX}{precision}"


def load_backend(path: Path, precision: str, *, device: str | None = None, threads: int | None = None) -> Loaded:
    """Load a checkpoint for a precision (a name of `InferencePrecision`).

    `device` is torch's, and keeps the model from ONNX Runtime; `threads` is for arithmetic on a CPU (None: the engine's default).
    Raises CheckpointError for files that are damaged or do not belong together, SettingsError for a precision that is unknown, that
    the checkpoint was not exported for, or whose library is missing.
    """
    precision = choose_precision(path, precision, device=device, threads=threads)
    if _is_exported(path, precision, device):
        return _load_export(path, precision, threads)
    return _load_torch(path, precision, device, threads)


def choose_precision(path: Path, precision: str, *, device: str | None = None, threads: int | None = None) -> str:
    """fp32, bf16 or int8: `precision` itself; for `auto`, the fastest that was checked against float32. The log names it and the reason.
    Arguments and errors as in `load_backend`.
    """
    if precision not in InferencePrecision.__members__:
        raise SettingsError(f"precision={precision} is not allowed: one of {', '.join(InferencePrecision.__members__)}")
    if precision == "int8":
        _require_int8(path, device)
    if precision != "auto":
        return precision
    info, sha256 = read_info(path, unread=(WEIGHTS_FILE,))
    problems = {name: _why_not(path, info, name, device) for name in LIBRARIES}
    choices = [name for name, problem in problems.items() if problem is None]
    not_taken = "".join(f"; not {name}: {problem}" for name, problem in problems.items() if problem is not None)
    if choices == ["fp32"]:
        log.info("precision=auto: fp32, with which the checkpoint was evaluated%s", not_taken)
        return "fp32"
    remembered = _cache_file([sha256, choices, device, threads])
    try:
        chosen = read_stored(remembered)["precision"]
        if chosen in choices:
            log.info("precision=auto: %s, the fastest here when it was measured%s", chosen, not_taken)
            return str(chosen)
    except (OSError, ValueError, LookupError, TypeError):
        pass
    speeds = {}
    for name in choices:
        loaded = load_backend(path, name, device=device, threads=threads)
        speeds[name] = tokens_per_second(loaded.backend, loaded.info.window.max_length)
    chosen = max(speeds, key=speeds.__getitem__)
    measured = ", ".join(f"{name} {speed:,.0f} tokens/s" for name, speed in speeds.items())
    log.info("precision=auto: %s, the fastest here (%s)%s", chosen, measured, not_taken)
    _remember(remembered, {"precision": chosen, "tokens_per_second": speeds})
    return chosen


def _is_exported(path: Path, precision: str, device: str | None) -> bool:
    """Whether a checkpoint's export of this precision is to be run rather than torch."""
    return device is None and export_folder(path, precision).is_dir() and _installed(LIBRARIES[precision]) and not may_have_gpu()


def _why_not(path: Path, info: CheckpointInfo, precision: str, device: str | None) -> str | None:
    """Why `auto` may not choose a precision; None if it may."""
    if _is_exported(path, precision, device):
        verdict = _read_record(path, precision)["verdict"]
        few = None if precision == "fp32" else _too_few(int(verdict.get("spans", 0)))
        return few or _too_little(float(verdict["agreement"]))
    if precision == "fp32":
        return None
    if precision == "int8":
        return "there is no export to run here"
    record = info.agreement.get(precision)
    here = (device or ("cuda" if may_have_gpu() else "cpu")).partition(":")[0]
    if record is None:
        return "the checkpoint does not record that its spans were checked against float32's"
    if record["device"] != here:
        return f"its spans were checked against float32's on {record['device']}, and this is {here}"
    return _too_few(int(record["spans"])) or _too_little(float(record["agreement"]))


def _too_few(spans: int) -> str | None:
    return (
        None
        if spans >= LEAST_SPANS
        else f"its spans were checked against only {spans} of float32's, and {LEAST_SPANS} are asked for"
    )


def _too_little(agreement: float) -> str | None:
    if agreement >= LEAST_AGREEMENT:
        return None
    found, least = f"{100 * agreement:.1f} %", f"{100 * LEAST_AGREEMENT:.1f} %"
    return f"it found {found} of float32's spans on the validation articles, and {least} are asked for"


def _require_int8(path: Path, device: str | None) -> None:
    if device is not None:
        raise SettingsError(f"precision=int8 is for ONNX Runtime on the CPU and cannot be run on device={device}")
    if not export_folder(path, "int8").is_dir():
        read_info(path, unread=(WEIGHTS_FILE,))
        raise SettingsError(
            f"precision=int8: {path} was not exported so; run `eventtag export {path} --precision int8`, or use bf16 or fp32"
        )
    if not _installed(LIBRARIES["int8"]):
        raise SettingsError("precision=int8: needs ONNX Runtime; run `pip install onnxruntime`")


def _read_record(path: Path, precision: str) -> dict[str, Any]:
    """An export's record; raises CheckpointError if it is damaged."""
    file = export_folder(path, precision) / EXPORT_FILE
    record = read_json(file, then="remove its folder and export again")
    try:
        return {"checkpoint": str(record["checkpoint"]), "verdict": dict(record["verdict"])}
    except (ValueError, LookupError, TypeError) as error:
        raise CheckpointError(f"{file}: is damaged ({error}); remove its folder and export again") from error


def _load_export(path: Path, precision: str, threads: int | None) -> Loaded:
    info, sha256 = read_info(path, unread=(WEIGHTS_FILE,))
    folder = export_folder(path, precision)
    check_manifest(folder)
    record = _read_record(path, precision)
    if record["checkpoint"] != sha256:
        raise CheckpointError(
            f"{folder}: was exported from another checkpoint ({record['checkpoint'][:12]}, this is {sha256[:12]}); "
            f"remove it and run `eventtag export {path} --precision {precision}`"
        )
    tokenizer = read_tokenizer(path)
    require_own_tokenizer(path, tokenizer, max_length=info.window.max_length)
    try:
        backend = open_export(folder, precision, info, threads=threads)
        require_scores(backend, tokenizer, info.labels, None if info.links is None else info.links.scheme)
    except Exception as error:  # the sha256 is right, yet these versions of the libraries may not read or run the files
        reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
        raise CheckpointError(
            f"{folder}: cannot be loaded ({reason})\nremove it and run `eventtag export {path} --precision {precision}`"
        ) from error
    return Loaded(backend, tokenizer, info, sha256)


def open_export(folder: Path, precision: str, info: CheckpointInfo, *, threads: int | None = None) -> Backend:
    """The backend of the exported model in a folder."""
    decoder = TagDecoder(info.transitions)
    network = None if info.links is None else read_pair_network(folder, info.links.scheme.allowed(info.labels))
    if precision == "bf16":
        from eventtag.engines.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(folder / "model.xml", precision=precision, decoder=decoder, threads=threads, pair_network=network)
    from eventtag.engines.onnx_backend import OnnxBackend

    return OnnxBackend(folder / "model.onnx", precision=precision, decoder=decoder, threads=threads, pair_network=network)


def _load_torch(path: Path, precision: str, device: str | None, threads: int | None) -> Loaded:
    checkpoint = load_checkpoint(path)
    import torch

    from eventtag.engines.torch_backend import TorchBackend

    if threads is not None:
        torch.set_num_threads(threads)
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    backend = TorchBackend(checkpoint.model, precision=precision, device=device)
    return Loaded(backend, checkpoint.tokenizer, checkpoint.info, checkpoint.sha256)


def as_backend(model: Any) -> Backend:
    """`model` itself if it is a backend, else a torch backend for it."""
    if isinstance(model, Backend):
        return model
    from eventtag.engines.torch_backend import TorchBackend

    return TorchBackend(model)


def _installed(library: str) -> bool:
    return importlib.util.find_spec(library) is not None


def may_have_gpu() -> bool:
    """Whether torch is worth asking for a GPU."""
    return Path("/dev/nvidiactl").exists() or Path("/dev/kfd").exists()


def tokens_per_second(backend: Backend, max_length: int, *, rounds: int = 4) -> float:
    """Tokens that the backend reads in a second of this process's CPU time, on windows of random tokens; the best of some rounds."""
    windows = max(1, backend.batch_tokens // max_length)
    ids = np.random.default_rng(0).integers(0, 100, (windows, max_length))
    casing = np.zeros_like(ids)
    words = np.tile(np.arange(max_length), (windows, 1))  # every token counts as a word
    backend.emissions(ids[:1], casing[:1], words[:1])
    best = 0.0
    for _ in range(rounds):
        started = time.process_time()
        backend.emissions(ids, casing, words)
        best = max(best, ids.size / max(time.process_time() - started, 1e-9))
    return best


def _cache_file(asked: list[Any]) -> Path:
    """The file that keeps the choice for `asked` on this machine with these versions."""
    versions = [version(name) for name in ("torch", "onnxruntime", "openvino") if _installed(name)]
    cpu: list[str] = [platform.machine()]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu += sorted({line for line in lines if line.startswith(("model name", "flags"))})
    except OSError:
        pass  # another system than Linux
    facts = [asked, versions, cpu, os.cpu_count(), os.environ.get("OMP_NUM_THREADS")]
    name = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:24]
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "eventtag" / "precision"
    return folder / f"{name}.json"


def _remember(file: Path, content: Mapping[str, Any]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        staging = file.with_suffix(f".{os.getpid()}")
        staging.write_text(json.dumps(content), encoding="utf-8")
        staging.replace(file)
    except OSError:
        log.debug("%s: the choice of precision cannot be remembered", file)
