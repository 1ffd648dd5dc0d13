"""Which layer and feature of UIMA annotations (WebAnno TSV, CAS XMI, CAS JSON) hold the mentions: one choice for all documents.

A single document does not show it: exports leave out what a document does not use, and type systems have layers that nobody used.
So the layers of all documents are looked at first (`Layers`), then `choose` takes one, and says which and what it leaves.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from eventtag.errors import FormatError
from eventtag.ledger import LossLedger

NAMED_ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
USUAL_FEATURES = ("value", "label")
IDENTIFIER = "identifier"
"""NamedEntity's link to a knowledge base, which is no label."""
MAX_VALUES = 50
"""Different values of a feature that are kept to see what it holds."""
_OTHERS = re.compile(
    r"uima\.|de\.tudarmstadt\.ukp\.(?!dkpro\.core\.api\.ner\.)|org\.dkpro\.|de\.tudarmstadt\.ukp\.clarin\.|.*\.tc\.type\."
)
"""Layers of tools: tokens, sentences, parts of speech, lemmas, syntax, coreference. They are read only where they are asked for."""
_NO_LABEL = re.compile(r"true|false|[-+]?\d+(?:\.\d+)?|https?://\S*|\*|", re.IGNORECASE)


@dataclass
class Layer:
    """What the documents show of a layer: how many annotations, and of each feature that may hold labels some of its values."""

    annotations: int = 0
    features: dict[str, set[str]] = field(default_factory=dict)
    """In the order in which they are declared."""

    def declare(self, features: Iterable[str]) -> None:
        """The layer has these features, used or not."""
        for name in features:
            self.features.setdefault(name, set())

    def add(self, feature: str, value: str) -> None:
        """An annotation has this value."""
        values = self.features.setdefault(feature, set())
        if len(values) < MAX_VALUES:
            values.add(value)


@dataclass
class Layers:
    """The layers of spans of all documents; `subtypes` are those whose annotations count for another as well, `unusable` annotated
    ones of other kinds (relations, chains).
    """

    found: dict[str, Layer] = field(default_factory=dict)
    subtypes: set[str] = field(default_factory=set)
    unusable: set[str] = field(default_factory=set)

    def layer(self, name: str) -> Layer:
        """The layer of that name."""
        return self.found.setdefault(name, Layer())


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the labels stand. Without a layer no document has a mention; without a feature the layer's name is the label."""

    layer: str | None
    feature: str | None

    @property
    def default_label(self) -> str:
        """The label of an annotation without a value."""
        return (self.layer or "").rpartition(".")[2]


def choose(layers: Layers, *, layer: str | None, feature: str | None, path: Path, ledger: LossLedger) -> Choice:
    """The layer and the feature to read, as given, or the ones that the documents use; a remark in the ledger says which.

    The layer: the only annotated one that is no tool's (tokens, parts of speech); of several NamedEntity. The feature: `value` or
    `label` where it has values, else the first whose values can be labels (no truth values, numbers or addresses). Raises FormatError
    naming what there is where that gives none or several.
    """
    annotated = [name for name, seen in layers.found.items() if seen.annotations]
    with_feature = [name for name, seen in layers.found.items() if feature is None or feature in seen.features]
    if layer is not None:
        fitting = [name for name in layers.found if name == layer or name.endswith(f".{layer}")]
        if len(fitting) != 1:
            raise FormatError(
                f"which layer is {layer!r}? with annotations there are: {_names(annotated)}; give its full name", path=path
            )
        chosen = fitting[0]
        if chosen not in with_feature:
            has = ", ".join(layers.found[chosen].features) or "none"
            raise FormatError(f"the layer {chosen} has no feature {feature!r} that can hold labels; there are: {has}", path=path)
    else:
        mentions = [name for name in with_feature if not _OTHERS.match(name) and name not in layers.subtypes]
        used = [name for name in mentions if name in annotated]
        if NAMED_ENTITY in used:
            used = [NAMED_ENTITY]
        elif not used:
            used = [NAMED_ENTITY] if NAMED_ENTITY in mentions else mentions if len(mentions) == 1 else []
        if len(used) > 1 or (not used and annotated):
            about = f" with a feature {feature!r}" if feature else ""
            there = [name for name in annotated if name in with_feature]
            raise FormatError(
                f"which span layer holds the mentions? there are{about}: {_names(there)}; name it with layer", path=path
            )
        if not used and layers.unusable:
            raise FormatError(
                f"only relations or chains are annotated ({_names(sorted(layers.unusable))}); annotate a layer of spans",
                path=path,
            )
        if not used:
            ledger.remark("no layer has annotations, so that no article has a span")
            return Choice(None, None)
        chosen = used[0]
    seen = layers.found[chosen]
    name = feature if feature is not None else _feature(seen)
    aside = {chosen, *layers.subtypes}
    unread = [other for other in annotated if other not in aside and not _OTHERS.match(other)]
    more = [other for other in seen.features if other != name and other != IDENTIFIER and _can_be_labels(seen.features[other])]
    ledger.remark(
        (f"labels are the feature {name!r} of the layer {chosen}" if name else f"labels are the name of the layer {chosen}")
        + ("" if seen.annotations else ", which has no annotations")
        + (f"; not read are its features {', '.join(more)}" if more else "")
        + (f"; not read are the layers {', '.join(unread)}" if unread else "")
    )
    return Choice(chosen, name)


def _feature(layer: Layer) -> str | None:
    names = [name for name in layer.features if name != IDENTIFIER]
    usable = [name for name in names if _can_be_labels(layer.features[name])]
    for among in (usable, names):
        for usual in USUAL_FEATURES:
            if usual in among:
                return usual
        if among:
            return among[0]
    return None


def _can_be_labels(values: Iterable[str]) -> bool:
    return any(not _NO_LABEL.fullmatch(value) for value in values)


def _names(layers: Iterable[str]) -> str:
    return ", ".join(layers) or "none"
