"""INCEpTION's exports (WebAnno TSV, CAS XMI, CAS JSON): which of their files are read, and which layer and feature hold the mentions.

Files are `annotation/DOCUMENT/ANNOTATOR.tsv` and `curation/DOCUMENT/CURATION_USER.tsv`; XMI and JSON lie in the same way, with the
annotator's name once more as a folder where a zip archive was unpacked. The layer and the feature are one choice for all documents.
A single document does not show it: exports leave out what a document does not use, and type systems have layers that nobody used.
So the layers of all documents are looked at first (`Layers`), then `choose` takes one, and says which and what it leaves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from eventtag.errors import FormatError
from eventtag.formats.file_names import article_files
from eventtag.ledger import LossLedger
from eventtag.span import STATUSES

NAMED_ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
USUAL_FEATURES = ("value", "label")
USUAL_ROLES = ("role", *USUAL_FEATURES)
STATUS = "status"
"""The feature of a span layer that holds the status of events, where its values are those."""
LINK_LAYER = "webanno.custom.EventLink"
"""The relation layer that writers make, with the feature `role`."""
IDENTIFIER = "identifier"
"""NamedEntity's link to a knowledge base, which is not a label."""
MAX_VALUES = 50
"""Different values of a feature that are kept to see what it holds."""
_OTHERS = re.compile(
    r"uima\.|de\.tudarmstadt\.ukp\.(?!dkpro\.core\.api\.ner\.)|org\.dkpro\.|de\.tudarmstadt\.ukp\.clarin\.|.*\.tc\.type\."
)
"""Layers of tools: tokens, sentences, parts of speech, lemmas, syntax, coreference. They are read only where they are asked for."""
INITIAL = "INITIAL_CAS"
"""The document as it was imported, before anybody annotated it; it is not an annotation."""
_DOCUMENT = re.compile(r"(?:^|/)(?:annotation|curation)/([^/]+)/")
_NO_LABEL = re.compile(r"true|false|[-+]?\d+(?:\.\d+)?|https?://\S*|\*|", re.IGNORECASE)


def exported_files(
    path: Path, suffix: str, *, annotator: str | None, ledger: LossLedger, ignored: tuple[str, ...] = ()
) -> list[tuple[Path, str]]:
    """(file, article id) as `file_names.article_files` gives them, without files called `ignored` and documents as imported.

    `annotator`: only the files of that name (`CURATION_USER` for curated documents). Without it every annotator's file is an article
    of its own, and where documents have several, a remark says so. Raises FormatError where no file is left.
    """
    found = article_files(path, suffix, remedy="give the folder with the exported files, or the exported zip")
    if path.is_dir():
        found = [(file, name) for file, name in found if file.name not in ignored]
    exported = [(file, name) for file, name in found if file.stem != INITIAL]
    if exported and len(exported) < len(found):
        ledger.remark(f"files called {INITIAL} are left out: they are the documents as imported")
        found = exported
    if annotator is not None:
        names = sorted({file.stem for file, _ in found})
        found = [(file, name) for file, name in found if file.stem == annotator]
        if not found:
            raise FormatError(f"holds no file of the annotator {annotator!r}; there are: {', '.join(names[:20])}", path=path)
    documents = Counter(match[1] for _, name in found if (match := _DOCUMENT.search(f"{path.name}/{name}")))
    if several := sum(count > 1 for count in documents.values()):
        ledger.remark(
            f"{several} documents have files of several annotators; each is an article of its own: annotator=NAME reads one "
            "person's, annotator=CURATION_USER the curated ones"
        )
    return found


@dataclass
class Layers:
    """The layers of spans of all documents: what is declared and what is used.

    `subtypes` are those whose annotations count for another as well, `unusable` annotated ones of other kinds (relations, chains), with the
    layers that they join.
    """

    features: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """Of each layer, in the order of declaration, the features that may hold labels, with some of their values."""
    annotated: set[str] = field(default_factory=set)
    subtypes: set[str] = field(default_factory=set)
    unusable: dict[str, set[str]] = field(default_factory=dict)

    def declare(self, layer: str, features: Iterable[str]) -> None:
        """The layer has these features, used or not."""
        known = self.features.setdefault(layer, {})
        for name in features:
            known.setdefault(name, set())

    def add(self, layer: str, values: Iterable[tuple[str, str]]) -> None:
        """The layer has an annotation with these values of its features."""
        known = self.features.setdefault(layer, {})
        self.annotated.add(layer)
        for name, value in values:
            found = known.setdefault(name, set())
            if len(found) < MAX_VALUES:
                found.add(value)


@dataclass(frozen=True, slots=True)
class Choice:
    """Where the labels stand. Without a layer no document has a mention; without a feature the layer's name is the label."""

    layer: str | None
    feature: str | None
    status: str | None = None
    """The feature that holds the status of events."""

    @property
    def default_label(self) -> str:
        """The label of an annotation without a value."""
        return (self.layer or "").rpartition(".")[2]


def choose(layers: Layers, *, layer: str | None, feature: str | None, path: Path, ledger: LossLedger) -> Choice:
    """The layer and the feature to read, as given, or the ones that the documents use; a remark in the ledger says which.

    The layer: the only annotated one that is not a tool's (tokens, parts of speech); of several NamedEntity. The feature: `value` or
    `label` where it has values, else the first whose values can be labels (no truth values, numbers or addresses). Raises FormatError
    naming what there is where that gives none or several.
    """
    annotated = [name for name in layers.features if name in layers.annotated]
    with_feature = [name for name, features in layers.features.items() if feature is None or feature in features]
    if layer is not None:
        fitting = [name for name in layers.features if name == layer or name.endswith(f".{layer}")]
        if len(fitting) != 1:
            there = ", ".join(annotated) or "none"
            raise FormatError(f"which layer is {layer!r}? with annotations there are: {there}; give its full name", path=path)
        chosen = fitting[0]
        if chosen not in with_feature:
            has = ", ".join(layers.features[chosen]) or "none"
            raise FormatError(f"the layer {chosen} has no feature {feature!r} that can hold labels; there are: {has}", path=path)
    else:
        mentions = [name for name in with_feature if not _OTHERS.match(name) and name not in layers.subtypes]
        used = [name for name in mentions if name in annotated] or (mentions if len(mentions) == 1 else [])
        used = [NAMED_ENTITY] if NAMED_ENTITY in (used or mentions) else used
        if len(used) > 1 or (not used and annotated):
            about = f" with a feature {feature!r}" if feature else ""
            there = ", ".join(name for name in annotated if name in with_feature) or "none"
            raise FormatError(f"which span layer holds the mentions? there are{about}: {there}; name it with layer", path=path)
        if not used and layers.unusable:
            there = ", ".join(sorted(layers.unusable))
            raise FormatError(f"only relations or chains are annotated ({there}); annotate a layer of spans", path=path)
        if not used:
            ledger.remark("no layer has annotations, so that no article has a span")
            return Choice(None, None)
        chosen = used[0]
    features = dict(layers.features[chosen])
    status = next((name for name, values in features.items() if name != feature and _is_status(name, values)), None)
    if status is not None and len(features) > 1:
        del features[status]
    else:
        status = None
    name = feature if feature is not None else _feature(features)
    unread = [other for other in annotated if other not in {chosen, *layers.subtypes} and not _OTHERS.match(other)]
    unread += sorted(other for other, bases in layers.unusable.items() if chosen not in bases and not _OTHERS.match(other))
    more = [other for other in features if other not in (name, IDENTIFIER) and features[other] - {"", "*"}]
    ledger.remark(
        (f"labels are the feature {name!r} of the layer {chosen}" if name else f"labels are the name of the layer {chosen}")
        + ("" if chosen in layers.annotated else ", which has no annotations")
        + (f"; not read are its features {', '.join(more)}" if more else "")
        + (f"; not read are the layers {', '.join(unread)}" if unread else "")
    )
    return Choice(chosen, name, status)


def _is_status(name: str, values: Iterable[str]) -> bool:
    found = {value.casefold() for value in values} - {"", "*"}
    return name.casefold() == STATUS and bool(found) and found <= set(STATUSES)


def role(values: Mapping[str, str | None], layer: str) -> str:
    """The role that a relation's features say: `role`, `value` or `label`, else the first that is filled, else the layer's name."""
    filled = {name: value for name, value in values.items() if value}
    return next((filled[name] for name in (*USUAL_ROLES, *filled) if name in filled), layer.rpartition(".")[2])


def is_tools(layer: str) -> bool:
    """Whether a layer is one of tools, such as syntax."""
    return _OTHERS.match(layer) is not None


def _feature(features: Mapping[str, Iterable[str]]) -> str | None:
    """`value` or `label`, or the first: of the features whose values can be labels, or else of all."""
    names = [name for name in features if name != IDENTIFIER]
    usable = [name for name in names if _can_be_labels(features[name])]
    return next((name for among in (usable, names) for name in (*USUAL_FEATURES, *among) if name in among), None)


def _can_be_labels(values: Iterable[str]) -> bool:
    return any(not _NO_LABEL.fullmatch(value) for value in values)
