"""What UIMA CAS XMI and JSON have in common; reading and writing is dkpro-cassis's, an optional dependency.

Annotations of a layer (a type) with a feature become spans. cassis turns UIMA's UTF-16 offsets into code points.
Sources: https://docs.oasis-open.org/uima/v1.0/uima-v1.0.html, https://github.com/dkpro/dkpro-cassis
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError, EventtagError, FormatError
from eventtag.formats.extras import load_extra
from eventtag.formats.layers import NAMED_ENTITY, Choice, Layers, choose
from eventtag.formats.tokenised import note_parts
from eventtag.ledger import LossLedger
from eventtag.span import Span

_ARRAY = "uima.cas.StringArray"
_LABELS = {_ARRAY, *(f"uima.cas.{name}" for name in ("String", "Boolean", "Integer", "Long", "Short", "Byte", "Float", "Double"))}
"""Types of features that can hold labels; others point to annotations."""
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def load(path: Path, function: Callable[[Any], Any]) -> Any:
    """The CAS that `function` reads from the opened file; raises FormatError for anything that it raises."""
    try:
        with path.open("rb") as file, warnings.catch_warnings():
            # What cassis warns of is dealt with: features called `type` and `self` keep their names (`_features`), and annotations of
            # unknown types are named in a remark (`read_xmi`).
            warnings.filterwarnings("ignore", category=UserWarning, module="cassis")
            return function(file)
    except EventtagError:
        raise
    except Exception as error:
        raise FormatError(f"cannot be read as a UIMA CAS ({type(error).__name__}: {str(error)[:200]})", path=path) from error


def articles_of(
    files: Sequence[tuple[Path, str]],
    load_file: Callable[[Path], Any],
    *,
    path: Path,
    layer: str | None,
    feature: str | None,
    ledger: LossLedger,
) -> Iterator[Article]:
    """The articles of all (file, article id), of the layer and feature that `formats.layers` chooses for them together.

    The files are read twice, so that one document at a time is held. Raises FormatError.
    """
    layers = Layers()
    kept: Any = None
    for file, _ in files:
        kept = load_file(file)
        with _named(file):
            _survey(kept, layers, ledger)
    choice = choose(layers, layer=layer, feature=feature, path=path, ledger=ledger)
    for file, name in files:
        cas = kept if len(files) == 1 else load_file(file)
        with _named(file):
            article = _article(cas, name, choice, ledger)
        yield article


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Make a FormatError with the file of every error."""
    try:
        yield
    except DataError as error:
        raise FormatError(str(error), path=path) from error
    except Exception as error:
        raise FormatError(f"holds what is no annotation ({type(error).__name__}: {str(error)[:200]})", path=path) from error


def _view(cas: Any) -> Any:
    """The view whose text is the article: the initial one, or the only one with a text."""
    with_text = [sofa.sofaID for sofa in cas.sofas if isinstance(sofa.sofaString, str)]
    if isinstance(cas.sofa_string, str):
        return cas
    if len(with_text) != 1:
        raise DataError(f"has no text (sofa string) in its first view; views with a text: {', '.join(with_text) or 'none'}")
    return cas.get_view(with_text[0])


def _survey(cas: Any, layers: Layers, ledger: LossLedger) -> None:
    """Add to `layers` what the type system declares and the document uses."""
    view = _view(cas)
    for kind in cas.typesystem.get_types():
        features = _features(kind)
        if not _is_relation(features) and any(feature.name == "begin" for feature in kind.all_features):
            layers.layer(kind.name).declare(name for name, feature in features.items() if feature.rangeType.name in _LABELS)
    for annotation in view.select_all_annotations():
        features = _features(annotation.type)
        if _is_relation(features):
            layers.unusable.add(annotation.type.name)
            continue
        own, top = annotation.type.name, _top(annotation.type).name
        if own != top:
            layers.subtypes.add(own)
        for seen in {name: layers.layer(name) for name in (own, top)}.values():
            seen.annotations += 1
            for name, feature in features.items():
                for value in _values(annotation, feature):
                    seen.add(name, value)
    others = [sofa.sofaID for sofa in cas.sofas if sofa is not view.get_sofa() and isinstance(sofa.sofaString, str)]
    if others:
        ledger.remark(f"only the view {view.get_sofa().sofaID} is read; other views with a text: {', '.join(others)}")


def _top(kind: Any) -> Any:
    """The type's furthest ancestor that is not UIMA's own: DKPro's Person is a NamedEntity."""
    while kind.supertype is not None and not kind.supertype.name.startswith("uima."):
        kind = kind.supertype
    return kind


def _features(kind: Any) -> dict[str, Any]:
    """The features of a type by their own names, without those that every annotation has; cassis renames `type` to `type_`."""
    named = {feature.name[:-1] if feature._has_reserved_name else feature.name: feature for feature in kind.all_features}
    return {name: feature for name, feature in named.items() if name not in ("sofa", "begin", "end")}


def _is_relation(features: Collection[str]) -> bool:
    """Whether a layer with these features is one of relations (INCEpTION's Governor and Dependent) or of links of a chain."""
    return {"Governor", "Dependent"} <= set(features) or "next" in features


def _values(annotation: Any, feature: Any) -> list[str]:
    """The feature's texts: none, one, or those of an array. Numbers and truth values are texts, other annotations are none."""
    value = getattr(annotation, feature.name, None)
    items = getattr(value, "elements", value) if feature.rangeType.name == _ARRAY else value
    return [
        str(item).lower() if isinstance(item, bool) else str(item)
        for item in (items if isinstance(items, list) else [items])
        if isinstance(item, str | int | float) and str(item)
    ]


def _article(cas: Any, name: str, choice: Choice, ledger: LossLedger) -> Article:
    view = _view(cas)
    text = view.sofa_string
    spans: dict[Span, None] = {}
    known = choice.layer is not None and cas.typesystem.contains_type(choice.layer, match_exactly=True)
    for annotation in view.select(choice.layer) if known else []:
        feature = _features(annotation.type).get(choice.feature or "")
        for label in (_values(annotation, feature) if feature is not None else []) or [annotation.type.short_name]:
            ledger.seen += 1
            span = Span(int(annotation.begin), int(annotation.end), label)
            if not 0 <= span.start < span.end <= len(text):
                ledger.add_span(name, "reading", "dropped", "is empty or outside the text", span)
                continue
            if span in spans:
                ledger.add_span(name, "reading", "merged", "is marked twice", span)
            spans[span] = None
    return Article(id=name, text=text, spans=tuple(spans))


def cas_of(article: Article, stage: str, ledger: LossLedger) -> Any:
    """A CAS with the article's text and its spans in the NamedEntity layer."""
    cassis = load_extra("cassis", "cas")
    note_parts(article, stage, ledger=ledger)
    text = _UNWRITABLE.sub("\ufffd", article.text)
    if text != article.text:
        ledger.note(article.id, stage, "text", "characters that XML cannot hold become U+FFFD")
    cas = cassis.Cas(typesystem=typesystem())
    cas.sofa_string = text
    cas.sofa_mime = "text/plain"
    entity = cas.typesystem.get_type(NAMED_ENTITY)
    for span in article.spans:
        cas.add(entity(begin=span.start, end=span.end, value=_UNWRITABLE.sub("\ufffd", span.label)))
    return cas


def typesystem() -> Any:
    """A type system with DKPro's NamedEntity."""
    cassis = load_extra("cassis", "cas")
    system = cassis.TypeSystem()
    entity = system.create_type(NAMED_ENTITY, supertypeName="uima.tcas.Annotation")
    for feature in ("value", "identifier"):
        system.create_feature(entity, feature, "uima.cas.String")
    return system
