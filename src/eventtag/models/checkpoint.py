"""Checkpoints: a directory with everything that evaluation and inference need.

    config.json, model.safetensors          the model, as Hugging Face saves it
    tokenizer.json, tokenizer_config.json   its tokenizer
    eventtag.json                           labels, windows, temperatures and thresholds of the scores, a CRF's transition scores, the
                                            link head's roles, temperatures and thresholds, and what trained it
    seen.json                               hashes of the articles that it learnt from or was chosen by (`eventtag.corpus.seen`)
    README.md                               the model card
    manifest.json                           sha256 and size of each of the other files, written last

`transformers.pipeline("token-classification", DIR)` loads it too; with casing, a scalar mix or a CRF it needs
`import eventtag.models.network` first.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from eventtag.corpus.seen import Seen, write_seen
from eventtag.errors import CheckpointError, EventtagError
from eventtag.labels import LabelSet
from eventtag.links.calibration import LinkInfo, info_from_json
from eventtag.manifest import MANIFEST_FILE, check_manifest, read_json, sha256_of, write_manifest
from eventtag.models.accepted import (
    CONFIG_FILE,
    INDEX_FILE,
    require_fitting,
    require_known_kind,
    require_own_tokenizer,
    require_own_weights,
)
from eventtag.settings import WindowSettings
from eventtag.staging import staged_folder, write_json

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

SCHEMA = 1
INFO_FILE = "eventtag.json"
WEIGHTS_FILE = "model.safetensors"
CARD_FILE = "README.md"
"""For people to edit."""
EXPORT_PREFIX = "export_"


def find_checkpoint(path: str | os.PathLike[str]) -> Path | None:
    """The checkpoint that a path stands for: the folder itself, or the one inside a run's directory; None if it is neither."""
    for folder in (Path(path), Path(path) / "checkpoint"):
        if (folder / INFO_FILE).is_file():
            return folder
    return None


def checkpoint_folder(path: str | os.PathLike[str]) -> Path:
    """The checkpoint that a path stands for; the path itself if there is none, so that the reader's error says what is missing."""
    return find_checkpoint(path) or Path(path)


@dataclass(frozen=True)
class Calibration:
    """By label: the temperature of its scores, the calibrated score below which its spans are left out, and the one below which they are
    left out if they overlap a more probable span.

    `fitted_on` describes the validation articles that all of it comes from, by their `sha256` among others. `cross_fitted_ece` is the error
    of temperatures fitted on other folds of them, `cross_fitted_expected` that error by chance alone. `targets` says what the thresholds
    were chosen for and reach there. `cross_fitted` holds, by label, micro and macro, the precision, recall and F1 there with thresholds
    fitted on other folds.
    """

    temperatures: Mapping[str, float] = field(default_factory=dict)
    thresholds: Mapping[str, float] = field(default_factory=dict)
    fitted_on: Mapping[str, Any] = field(default_factory=dict)
    cross_fitted_ece: float | None = None
    targets: Mapping[str, Any] = field(default_factory=dict)
    overlapping: Mapping[str, float] = field(default_factory=dict)
    cross_fitted: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    cross_fitted_expected: float | None = None


@dataclass(frozen=True)
class CheckpointInfo:
    """A checkpoint's record: the labels in tag order, the windows, `training` (encoder, data, seed, versions, scores), the calibration of
    its scores, and the learnt transition scores [C, C] of a CRF head, so that decoding needs no torch.

    `agreement`, by precision: the share of float32's spans that torch found in it on the validation articles, the number of `spans` and
    `articles`, and the kind of `device` (cpu, cuda). A precision that is missing was not checked.
    `crosses_lines`: whether a span that it learnt crosses the end of a line, so that it may find such spans. `cuts_strings`: whether it may
    find spans that begin or end inside a string of a text whose strings are words (`eventtag.text.strings`). `links`: what
    its link head knows and how its scores are calibrated; None for a checkpoint without one.
    """

    labels: LabelSet
    window: WindowSettings
    training: Mapping[str, Any] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)
    transitions: npt.NDArray[np.float64] | None = None
    agreement: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    crosses_lines: bool = True
    cuts_strings: bool = True
    links: LinkInfo | None = None


@dataclass(frozen=True)
class Checkpoint:
    """A loaded checkpoint; `sha256` is that of its manifest and so a fingerprint of all its files."""

    path: Path
    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    info: CheckpointInfo
    sha256: str


def save_checkpoint(
    path: Path,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    info: CheckpointInfo,
    *,
    model_card: str,
    seen: Seen | None = None,
) -> None:
    """Write a checkpoint, which appears under its name when it is complete. Without `seen`, it is not known what it learnt from.

    Raises OutputError if `path` exists.
    """
    with staged_folder(path) as folder:
        model.save_pretrained(folder)
        save_tokenizer(tokenizer, folder)
        content = {
            "schema": SCHEMA,
            "labels": list(info.labels.labels),
            "window": asdict(info.window),
            "training": info.training,
            "calibration": asdict(info.calibration),
            "transitions": None if info.transitions is None else info.transitions.tolist(),
            "agreement": info.agreement,
            "crosses_lines": info.crosses_lines,
            "cuts_strings": info.cuts_strings,
            **({} if info.links is None else {"links": info.links.to_json()}),
        }
        write_json(folder / INFO_FILE, content)
        (folder / CARD_FILE).write_text(model_card, encoding="utf-8")
        if seen is not None:
            write_seen(seen, folder)
        write_manifest(folder)


def save_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Write the files of a tokenizer, so that transformers' own pipeline reads `[SEP]` or `[MASK]` in a text as text, as eventtag does.

    Where the vocabulary itself holds control tokens as pieces of words (`<s>` of XLM-RoBERTa's), a pipeline reads these as control tokens.
    """
    tokenizer.split_special_tokens = tokenizer.init_kwargs["split_special_tokens"] = True  # classes save the one or the other
    tokenizer.save_pretrained(folder)


def load_checkpoint(path: Path) -> Checkpoint:
    """Load a checkpoint for inference, in float32. Every file is checked against the manifest.

    Raises CheckpointError, which names the file, if something is missing, damaged or of another kind.
    """
    info, sha256 = read_info(path)
    import torch
    from transformers import AutoModelForTokenClassification

    from eventtag.models.encoders import load_tokenizer, quiet_loading

    require_known_kind(read_json(path / CONFIG_FILE, then="copy the checkpoint again"), str(path / CONFIG_FILE), ours=True)
    try:
        tokenizer = load_tokenizer(str(path))
        with quiet_loading():
            model, loading = AutoModelForTokenClassification.from_pretrained(
                path, dtype=torch.float32, use_safetensors=True, trust_remote_code=False, output_loading_info=True
            )
        require_fitting(loading, f"checkpoint={path}")
        require_own_tokenizer(path, tokenizer, max_length=info.window.max_length)
    except EventtagError:
        raise
    except Exception as error:  # the sha256 is right, yet another version may have written the files
        raise _not_loadable(path, error) from error
    tags = [model.config.id2label[number] for number in sorted(model.config.id2label)]
    if tags != list(info.labels.tags):
        raise CheckpointError(
            f"{path}: {CONFIG_FILE} has the tags {', '.join(map(str, tags))}, {INFO_FILE} has {', '.join(info.labels.tags)}; "
            "the files do not belong together"
        )
    scheme = getattr(model.config, "links", None)
    if scheme != (None if info.links is None else read_json(path / INFO_FILE, then="copy it again")["links"]["scheme"]):
        raise CheckpointError(
            f"{path}: {CONFIG_FILE} and {INFO_FILE} do not describe the same link head; they do not belong together"
        )
    model.eval()
    return Checkpoint(path, model, tokenizer, info, sha256)


def read_info(path: Path, *, unread: Collection[str] = ()) -> tuple[CheckpointInfo, str]:
    """A checkpoint's record and the sha256 of its manifest, after its files are checked. Needs neither torch nor transformers.

    Files named in `unread` must exist, but their content is not checked. Raises CheckpointError as `load_checkpoint` does.
    """
    if not path.is_dir():
        raise CheckpointError(f"checkpoint={path}: no such directory; give the `checkpoint` directory of a finished run")
    if not (path / MANIFEST_FILE).is_file():
        nested = path / "checkpoint"
        hint = f"; did you mean {nested}?" if (nested / MANIFEST_FILE).is_file() else ""
        raise CheckpointError(
            f"checkpoint={path}: has no {MANIFEST_FILE}, so it is not a checkpoint of eventtag or is incomplete{hint}"
        )
    exports = [entry.name for entry in path.glob(f"{EXPORT_PREFIX}*") if entry.is_dir()]  # each has a manifest of its own
    listed = check_manifest(path, editable=(CARD_FILE, *unread), beside=(CARD_FILE, *exports))
    for name in (CONFIG_FILE, "tokenizer.json", INFO_FILE):
        if name not in listed:
            raise CheckpointError(
                f"{path / MANIFEST_FILE}: does not list {name}, without which there is no checkpoint; copy it again"
            )
    if not listed & {WEIGHTS_FILE, INDEX_FILE}:
        raise CheckpointError(f"{path / MANIFEST_FILE}: lists no weights ({WEIGHTS_FILE}); copy the checkpoint again")
    require_own_weights(path, listed=listed)
    file = path / INFO_FILE
    content = read_json(file, then="copy the checkpoint again")
    try:
        if content["schema"] != SCHEMA:
            raise CheckpointError(
                f"{file}: schema {content['schema']} is not {SCHEMA}; use the version of eventtag that wrote it"
            )
        labels = LabelSet(tuple(content["labels"]))
        calibration = Calibration(**content.get("calibration", {}))
        _check_calibration(calibration, labels, file)
        transitions = _read_transitions(content.get("transitions"), labels, file)
        info = CheckpointInfo(
            labels, WindowSettings(**content["window"]), content["training"], calibration, transitions, _read_agreement(content),
            crosses_lines=bool(content.get("crosses_lines", True)), cuts_strings=bool(content.get("cuts_strings", True)),
            links=None if content.get("links") is None else info_from_json(content["links"]),
        )  # fmt: skip
    except EventtagError:
        raise
    except Exception as error:
        raise _not_loadable(path, error) from error
    return info, sha256_of(path / MANIFEST_FILE)


def _not_loadable(path: Path, error: Exception) -> CheckpointError:
    reason = " ".join(f"{type(error).__name__}: {error}".split())[:300]
    return CheckpointError(
        f"checkpoint={path}: cannot be loaded ({reason})\n"
        "copy the checkpoint again; if nothing in it has changed, install the versions of the libraries that its README.md names"
    )


def _read_agreement(content: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
    """Raises ValueError, KeyError or TypeError for a record that is none."""
    record = content.get("agreement", {})
    for found in record.values():
        if not (
            0 <= float(found["agreement"]) <= 1 and int(found["spans"]) >= 0 and int(found["articles"]) >= 0 and found["device"]
        ):
            raise ValueError(f"agreement {found} is no share of spans")
    return record  # type: ignore[no-any-return]


def _read_transitions(value: Any, labels: LabelSet, file: Path) -> npt.NDArray[np.float64] | None:
    if value is None:
        return None
    transitions = np.array(value, dtype=np.float64)
    if transitions.shape != (len(labels.tags),) * 2 or not np.isfinite(transitions).all():
        raise CheckpointError(f"{file}: transitions are not a finite number for each pair of the {len(labels.tags)} tags")
    return transitions


def _check_calibration(calibration: Calibration, labels: LabelSet, file: Path) -> None:
    for label, temperature in calibration.temperatures.items():
        if label not in labels.labels or not 0 < temperature < math.inf:
            raise CheckpointError(
                f"{file}: temperature {temperature} of {label!r} is not above 0, or of no label of this checkpoint"
            )
    for label, threshold in (*calibration.thresholds.items(), *calibration.overlapping.items()):
        if label not in labels.labels or not 0 <= threshold <= 1:
            raise CheckpointError(f"{file}: threshold {threshold} of {label!r} is not 0 to 1, or of no label of this checkpoint")
