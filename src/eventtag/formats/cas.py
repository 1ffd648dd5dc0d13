"""What UIMA CAS XMI and JSON have in common; reading and writing is dkpro-cassis's, an optional dependency.

Annotations of a layer (a type) with a feature become spans. cassis turns UIMA's UTF-16 offsets into code points.
Sources: https://docs.oasis-open.org/uima/v1.0/uima-v1.0.html, https://github.com/dkpro/dkpro-cassis
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from eventtag.articles import Article
from eventtag.errors import DataError, EventtagError, FormatError
from eventtag.formats.extras import load_extra
from eventtag.formats.tokenised import note_parts
from eventtag.ledger import LossLedger
from eventtag.spans import Span

NAMED_ENTITY = "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity"
FEATURES = ("value", "label")
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def load(path: Path, function: Callable[[Any], Any]) -> Any:
    """The CAS that `function` reads from the opened file; raises FormatError for anything that it raises."""
    try:
        with path.open("rb") as file:
            return function(file)
    except EventtagError:
        raise
    except Exception as error:
        raise FormatError(f"cannot be read as a UIMA CAS ({type(error).__name__}: {str(error)[:200]})", path=path) from error


def article_of(cas: Any, path: Path, layer: str | None, feature: str | None, ledger: LossLedger) -> Article:
    """The article of a CAS's first text; raises FormatError for a layer or feature that is not there, or is not given where needed."""
    try:
        text = cas.sofa_string
        if not isinstance(text, str):
            raise DataError("has no text (sofa string)")
        wanted = _layer(cas, layer)
        name = path.stem
        spans: dict[Span, None] = {}
        for annotation in cas.select(wanted):
            ledger.seen += 1
            span = Span(int(annotation.begin), int(annotation.end), _label(annotation, wanted, feature))
            if not 0 <= span.start < span.end <= len(text):
                ledger.add_span(name, "reading", "dropped", "is empty or outside the text", span)
                continue
            if span in spans:
                ledger.add_span(name, "reading", "merged", "is marked twice", span)
            spans[span] = None
        return Article(id=name, text=text, spans=tuple(spans))
    except DataError as error:
        raise FormatError(str(error), path=path) from error
    except Exception as error:
        raise FormatError(f"holds what is no annotation ({type(error).__name__}: {str(error)[:200]})", path=path) from error


def _layer(cas: Any, layer: str | None) -> str:
    names = sorted({annotation.type.name for annotation in cas.select_all_annotations()})
    known = sorted({kind.name for kind in cas.typesystem.get_types()})
    if layer is not None:
        fitting = [name for name in known if name == layer or name.endswith(f".{layer}")]
        if len(fitting) != 1:
            raise DataError(f"which layer is {layer!r}? with annotations there are: {', '.join(names) or 'none'}")
        return str(fitting[0])
    if NAMED_ENTITY in known:
        return NAMED_ENTITY
    custom = [name for name in names if name.startswith(("webanno.custom.", "custom."))]
    if len(custom) != 1:
        raise DataError(f"which layer holds the mentions? there are: {', '.join(names) or 'none'}; name it with layer")
    return str(custom[0])


def _label(annotation: Any, layer: str, feature: str | None) -> str:
    names = [feature] if feature is not None else list(FEATURES)
    for name in names:
        value = getattr(annotation, name, None)
        if isinstance(value, str) and value:
            return value
    if feature is not None and not hasattr(annotation, feature):
        raise DataError(f"the layer {layer} has no feature {feature!r}")
    if feature is None and not any(hasattr(annotation, name) for name in FEATURES):
        texts = [f.name for f in annotation.type.all_features if isinstance(getattr(annotation, f.name, None), str)]
        if texts:
            return str(getattr(annotation, sorted(texts)[0]))
    return layer.rpartition(".")[2]


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
