"""Settings of articles: one corpus, or several mixed. The other settings are in `eventtag.settings`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any

from eventtag.errors import SettingsError

MISSING: Any = "???"
"""OmegaConf's mark for a value that must be given."""
SPLITS = ("train", "validation", "test")


def require_setting(condition: bool, key: str, value: object, allowed: str) -> None:
    """Raise SettingsError with the key, its value and what is allowed, unless the condition holds."""
    if not condition:
        raise SettingsError(f"{key}={value} is not allowed: {allowed}")


def require_given(key: str, value: str | None) -> None:
    """Raise SettingsError for a name of a file, folder or field that is blank, as an unset shell variable makes it."""
    require_setting(
        value is None or bool(value.strip()), key, repr(value), "it is blank; give a name (is a shell variable unset?)"
    )


def require_names(key: str, names: Sequence[str] | None, *, among: Sequence[str] | None = None) -> None:
    """Raise SettingsError for a list of names that is empty, or has a blank name, a name twice, or a name that is not `among` those
    allowed.
    """
    if names is None:
        return
    allowed = "different names, one at least" + ("" if among is None else f", of {', '.join(among)}")
    require_setting(bool(names) and all(name.strip() for name in names), key, list(names), allowed)
    require_setting(len(set(names)) == len(names), key, list(names), allowed)
    unknown = [name for name in names if among is not None and name not in among]
    require_setting(not unknown, key, ", ".join(unknown), allowed)


def require_labels(key: str, labels: Sequence[str] | None) -> None:
    """Raise SettingsError for labels that cannot be a label set."""
    require_names(key, labels)
    for label in labels or ():
        plain = label != "O" and not any(character.isspace() for character in label)
        require_setting(plain, key, repr(label), "a label is a word without white space other than O")


class Overlaps(Enum):
    """Which of overlapping gold spans are learnt (a word has one tag). Scores count all of them."""

    error = "error"
    """none: training stops with an error"""
    longest = "longest"
    innermost = "innermost"
    priority = "priority"
    """by label, in the order of `overlap_priority`"""


@dataclass
class CorpusSettings:
    """Which articles, in which format, with which labels, and which of them are train, validation and test."""

    name: str = "corpus"
    """A short name for reports."""
    path: str | None = MISSING
    """File or folder with the articles."""
    format: str = "auto"
    """Annotation format (docs/reference/formats.md); `auto` recognises it by content."""
    options: dict[str, Any] = field(default_factory=dict)
    """Options of the format's reader, for example `sentences` of CAT XML."""
    labels: list[str] | None = None
    """Labels to learn and to score, in the order of every report; null: those of the checkpoint that is evaluated, else those that the
    articles have."""
    label_map: dict[str, str | None] = field(default_factory=dict)
    """The corpus's labels (or patterns such as `HUMAN_PART*`), each with the label that replaces it; null drops a label. Empty: labels
    stay as they are. `role:` before a name makes it a role of links (`role:Attacker: AGENT`); roles that are not named stay."""
    annotated_labels: list[str] | None = None
    """Labels that annotators looked for, if the corpus does not say so itself; null: all of them."""
    split_field: str | None = None
    """Metadata field that holds an article's split."""
    splits: dict[str, list[str]] = field(default_factory=dict)
    """Values of `split_field` for train, validation and test; `"*"` is any other value. Empty: the values are `train`, `validation`
    and `test`."""
    validation: str | None = None
    """Another file or folder with the validation articles."""
    test: str | None = None
    """Another file or folder with the test articles."""
    validation_share: float = 0.15
    """Share of articles drawn for validation, if no key above gives the validation articles."""
    test_share: float = 0.15
    """Share of articles drawn for test, if no key above gives the test articles."""
    split_seed: int = 13
    """Seed of that draw. It is not `seed`, so that runs with several seeds share their splits."""
    overlaps: Overlaps = Overlaps.error
    """Which of overlapping gold spans are learnt."""
    overlap_priority: list[str] = field(default_factory=list)
    """Labels for `overlaps=priority`, the strongest first."""
    max_loss: float = 0.0
    """Share of gold spans that may be lost without your asking, in reading or on the way to word tags. If more are lost, the
    command stops before anything is computed; `losses.jsonl` in the run directory names them all."""
    cluster_field: str | None = None
    """Metadata field (such as topic or source) whose values are resampled together for intervals."""
    licence: str | None = None
    """Licence of the corpus, for the model card."""

    def __post_init__(self) -> None:
        require_setting(
            bool(self.path and self.path.strip()), "data.path", repr(self.path), "give a file or folder with articles"
        )
        require_labels("data.labels", self.labels)
        require_names("data.annotated_labels", self.annotated_labels)
        for key in ("name", "format", "split_field", "validation", "test", "cluster_field"):
            require_given(f"data.{key}", getattr(self, key))
        require_setting(0 <= self.split_seed < 2**32, "data.split_seed", self.split_seed, "0 <= split_seed < 2**32")
        for key in ("validation_share", "test_share"):
            require_setting(0 <= getattr(self, key) < 1, f"data.{key}", getattr(self, key), "0 <= share < 1")
        shares = self.validation_share + self.test_share
        require_setting(
            shares < 1, "data.validation_share + data.test_share", shares, "below 1, so that articles remain for training"
        )
        for name in self.splits:
            require_setting(name in SPLITS, "data.splits", name, f"a split is one of {', '.join(SPLITS)}")
            require_names(f"data.splits.{name}", self.splits[name])
        require_setting(
            not self.splits or self.split_field is not None, "data.splits", list(self.splits), "needs data.split_field"
        )
        by_priority = self.overlaps is Overlaps.priority
        require_setting(
            bool(self.overlap_priority) is by_priority, "data.overlap_priority", self.overlap_priority,
            "data.overlaps=priority needs the labels in their order, and only it",
        )  # fmt: skip
        if by_priority:
            require_names("data.overlap_priority", self.overlap_priority, among=self.labels)
        require_setting(0 <= self.max_loss <= 1, "data.max_loss", self.max_loss, "a share, 0 <= max_loss <= 1")


@dataclass
class MixedCorpusSettings(CorpusSettings):
    """One of several corpora."""

    weight: float = 1.0
    """Weight of each of its words in the loss, relative to the words of the other corpora."""


@dataclass
class DataSettings(CorpusSettings):
    """One corpus, or several mixed."""

    corpora: dict[str, MixedCorpusSettings] = field(default_factory=dict)
    """Several corpora by name instead of one `path`, each with all of the keys of `data` above and a `weight`
    (docs/how-to/several-corpora.md). `data=mix data.corpora=[sample,re3d]` takes them from their configurations."""
    scored: list[str] | None = None
    """The corpora whose validation articles choose the checkpoint and whose test articles are scored; null: all."""

    def __post_init__(self) -> None:
        if not self.corpora:
            super().__post_init__()
            return
        require_labels("data.labels", self.labels)
        given = CorpusSettings()
        for name in CORPUS_KEYS:
            require_setting(
                getattr(self, name) in (getattr(given, name), None), f"data.{name}", getattr(self, name),
                f"several corpora have their own; set data.corpora.NAME.{name}",
            )  # fmt: skip
        for name, corpus in self.corpora.items():
            require_setting(
                name == name.strip() and "/" not in name, "data.corpora", repr(name), "a name without / and outer spaces"
            )
            require_setting(
                0 < corpus.weight < math.inf, f"data.corpora.{name}.weight", corpus.weight, "above 0; or leave the corpus out"
            )
            unknown = [label for label in corpus.labels or () if self.labels is not None and label not in self.labels]
            require_setting(not unknown, f"data.corpora.{name}.labels", corpus.labels, f"data.labels has {self.labels}")
        unknown = [name for name in self.scored or () if name not in self.corpora]
        require_setting(
            self.scored is None or (bool(self.scored) and not unknown and len(set(self.scored)) == len(self.scored)), "data.scored",
            self.scored,
            f"name some of {', '.join(self.corpora)}, or null for all",
        )  # fmt: skip


CORPUS_KEYS = (
    "path", "format", "options", "label_map", "annotated_labels", "split_field", "splits", "validation", "test", "validation_share",
    "test_share", "split_seed", "overlaps", "overlap_priority", "max_loss", "cluster_field",
)  # fmt: skip
"""Keys that only a single corpus has, not a mix."""


def data_dir() -> str:
    """The folder of the sample corpus: inside the installed package, or in the source tree's data folder."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "data"
    return str(inside if inside.is_dir() else package.parent.parent / "data")


def sample_file() -> str:
    """The articles of the sample corpus."""
    return f"{data_dir()}/sample/articles.jsonl"


def sample_data() -> DataSettings:
    """The sample corpus that comes with eventtag; `data=sample` on the command line."""
    return DataSettings(name="sample", path=sample_file(), format="jsonl", split_field="split", licence="CC BY 4.0")
