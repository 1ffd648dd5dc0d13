"""Keys of earlier versions, and what to write in their place."""

from __future__ import annotations

UNEVEN = "for uneven labels set evaluation.target_recall or target_precision by label (docs/how-to/training.md)"
NO_GAIN = "leave it out; it gained nothing that could be measured (docs/evidence/results.md)"
FORMER = {
    "model.primer": "write model.intermediate, with the same keys below it",
    "data@model.primer.data": "write data@model.intermediate.data",
    "trainer.loss": f"the head decides the loss (model.head); {UNEVEN}",
    "trainer.class_weights": UNEVEN,
    "trainer.focal_gamma": UNEVEN,
    "trainer.outside_share": UNEVEN,
    "trainer.label_smoothing": NO_GAIN,
    "trainer.rdrop": NO_GAIN,
    "trainer.averaging": NO_GAIN,
    "trainer.augmentation": NO_GAIN,
    "trainer.layer_decay": "leave it out; trainer.learning_rate is that of all layers of the encoder",
    "trainer.casing_learning_rate": "leave it out; trainer.head_learning_rate is that of all new weights",
}


def explain_former(key: str) -> str | None:
    """Two lines about a key that an earlier version had, or about one below it; None for any other key. A leading `+` is
    ignored.
    """
    plain = key.lstrip("+~").removeprefix("settings.")
    for former, instead in FORMER.items():
        if plain == former or plain.startswith(f"{former}."):
            return f"{plain}: is a key of an earlier version of eventtag\n{instead}"
    return None
