"""The model card of a checkpoint: what it is, how it was made, its scores and its limits.

The front matter follows the Hugging Face Hub's model cards (https://huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from eventtag.reporting.markdown import code, escape_cell, render_scores_table
from eventtag.scoring.report import EvaluationReport

PIPELINE = """It loads in `transformers.pipeline("token-classification", "PATH")` too, after `import eventtag.models.network` where
`config.json` says `"model_type": "eventtag"`; `eventtag export --plain` makes one that needs no eventtag. The pipeline cuts long
articles unless it is given a `stride`, and it can return tag sequences that IOB2 does not allow; eventtag does neither."""


def render_model_card(
    report: EvaluationReport,
    *,
    name: str,
    training: Mapping[str, Any],
    licence: str | None,
    calibration: Mapping[str, Any] | None = None,
    pipeline_note: str = "",
    in_pipeline: bool = True,
) -> str:
    """Markdown with front matter, in which no name, label or licence is markup. `report` is the checkpoint's on its validation
    articles, `training` and `calibration` are those of `CheckpointInfo`. `in_pipeline`: whether a pipeline of transformers reads the
    checkpoint, with the remark `pipeline_note`.
    """
    data, validation = training["data"], report.data
    front = {
        "library_name": "transformers",
        "pipeline_tag": "token-classification",
        "tags": ["eventtag", "token-classification", "event-extraction"],
    }
    spans = ", ".join(f"{count} {escape_cell(label)}" for label, count in data["spans"].items())
    strict = report.strict
    labels, encoder = ", ".join(map(escape_cell, report.labels)), code(training["encoder"])
    name, split, corpus, rule = map(escape_cell, (name, validation["split"], validation["name"], validation["split_rule"]))
    versions = ", ".join(escape_cell(f"{package} {version}") for package, version in training["versions"].items())
    return f"""---
{json.dumps(front, indent=2)}
---

# {name}

Tags {labels} in news articles. A fine-tuned token classifier over {encoder}, made with eventtag.

## How well

On {report.articles} {split} articles of {corpus} (split {rule}); a span is right when its
offsets and its label are exactly those of the gold annotation.

{render_scores_table(report)}

Micro F1 {strict.micro.f1:.4f}, macro F1 {strict.macro.f1:.4f}. Fingerprint of these articles: sha256 {code(validation["sha256"])}.

## How it was made

* Data: {escape_cell(data["name"])}, {data["articles"]} training articles with {spans} spans; sha256 {code(data["sha256"])};
  licence: {escape_cell(licence or "not stated")}.{_base(training.get("base"))}{_intermediate(training.get("intermediate"))}
* Encoder {encoder}, seed {training["seed"]}, best epoch {training["epoch"]:g}.
* Versions: {versions}.

## How to use it

```python
from eventtag import Tagger

for span in Tagger.load("PATH/TO/THIS/FOLDER").tag("Moscow accused Kyiv of shelling Donetsk."):
    print(span)
```

{pipeline_note if not in_pipeline else f"{PIPELINE} {pipeline_note}".strip()}

## Limits

It learned one corpus's idea of its labels, from the kinds of articles in it. Scores on other sources, topics and years are
lower; measure them on your own annotated articles with `eventtag evaluate`. {_scores(calibration)} It tags mentions: it does not
say that what an article reports is true.
"""


def _base(run: Mapping[str, Any] | None) -> str:
    """The checkpoint that the run continued, as an item of a list."""
    if run is None:
        return ""
    data = run["data"]
    return f"""
* It continues from a checkpoint (manifest sha256 {code(run["sha256"])}) that had learnt from {data["articles"]} articles of
  {escape_cell(data["name"])} (sha256 {code(data["sha256"])}; licence: {escape_cell(data["licence"] or "not stated")})."""


def _intermediate(run: Mapping[str, Any] | None) -> str:
    """The articles of intermediate fine-tuning, as an item of a list."""
    if run is None:
        return ""
    return f"""
* Before these it learnt from {run["articles"]} articles of {escape_cell(run["name"])} ({run["epochs"]:g} epochs; sha256
  {code(run["sha256"])}; licence: {escape_cell(run["licence"] or "not stated")})."""


def _scores(calibration: Mapping[str, Any] | None) -> str:
    """What a span's score means, in a sentence or three."""
    if not calibration or not calibration["temperatures"]:
        return "A span's score is the model's own probability, not a calibrated one."
    text = "Scores of spans are calibrated on the validation articles (temperature scaling per label)"
    if calibration["cross_fitted_ece"] is not None:
        text += f", with an expected calibration error of {calibration['cross_fitted_ece']:.3f} there, cross-fitted"
        if calibration.get("cross_fitted_expected") is not None:
            text += f" (chance alone: {calibration['cross_fitted_expected']:.3f})"
    text += "; on other sources they can be off."
    if calibration["thresholds"]:
        listed = ", ".join(
            f"{escape_cell(label)} below {threshold:.3f}" for label, threshold in calibration["thresholds"].items()
        )
        text += f" Spans with low scores are left out: {listed}."
    for label, target in calibration.get("targets", {}).items():
        if target.get("confidence") is not None:
            kind = "precision" if "target_precision" in target else "recall"
            text += (
                f" The threshold of {escape_cell(label)} keeps a {kind} of {target[f'target_{kind}']:g} or more on articles of this kind, "
                f"with {100 * target['confidence']:g} % confidence."
            )
    if calibration["overlapping"]:
        listed = ", ".join(
            f"{escape_cell(label)} below {threshold:.1f}" for label, threshold in calibration["overlapping"].items()
        )
        text += f" So are spans that overlap a more probable one: {listed}."
    return text
