"""Label sets and their IOB2 tags.

A label set of L labels has C = 2 L + 1 tags: `O` (tag id 0), then `B-` and `I-` of each label in order. In IOB2 every mention
opens with `B-` (Tjong Kim Sang and Veenstra 1999, https://aclanthology.org/E99-1023/).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from eventtag.errors import SettingsError

DEFAULT_LABELS = ("ACTOR", "EVENT", "LOCATION")


@dataclass(frozen=True)
class LabelSet:
    """The labels that a tagger knows, in a fixed order.

    Raises SettingsError when it is empty, holds a label twice, or a label is empty, has white space, or is `O`.
    """

    labels: tuple[str, ...] = DEFAULT_LABELS

    def __post_init__(self) -> None:
        if not self.labels:
            raise SettingsError("labels: empty; name at least one label, for example [ACTOR,EVENT,LOCATION]")
        if len(set(self.labels)) < len(self.labels):
            raise SettingsError(f"labels: a label occurs twice in {list(self.labels)}; name each label once")
        for label in self.labels:
            if not label or label == "O" or any(character.isspace() for character in label):
                raise SettingsError(f"labels: {label!r} cannot be a label; use a word without white space other than O")

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """The C tags; a tag's position is its tag id."""
        return ("O", *(f"{prefix}-{label}" for label in self.labels for prefix in "BI"))

    def begin_id(self, label: str) -> int:
        """Tag id of `B-label`; `I-label` is the next."""
        return 1 + 2 * self.labels.index(label)

    def label_of(self, tag_id: int) -> str | None:
        """The label that a tag id stands for; None for `O`."""
        return None if tag_id == 0 else self.labels[(tag_id - 1) // 2]

    @cached_property
    def legal_transitions(self) -> npt.NDArray[np.bool_]:
        """[C, C]: whether tag j may follow tag i. `I-X` follows only `B-X` or `I-X`."""
        legal = np.ones((len(self.tags), len(self.tags)), dtype=np.bool_)
        for inside in range(2, len(self.tags), 2):
            legal[:, inside] = False
            legal[[inside - 1, inside], inside] = True
        return legal

    @cached_property
    def legal_starts(self) -> npt.NDArray[np.bool_]:
        """[C]: whether a sequence may start with tag i: with every tag but the `I-` tags."""
        starts = np.ones(len(self.tags), dtype=np.bool_)
        starts[2::2] = False
        return starts
