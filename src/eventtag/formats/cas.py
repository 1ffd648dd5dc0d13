"""UIMA CAS as XMI and as JSON 0.4, as INCEpTION exports them: one file an article.

    <xmi:XMI xmlns:type="http:///de/tudarmstadt/ukp/dkpro/core/api/ner/type.ecore" xmi:version="2.0" ...>
      <type:NamedEntity xmi:id="3" sofa="1" begin="0" end="4" value="LOC"/>
      <cas:Sofa xmi:id="1" sofaNum="1" sofaID="_InitialView" mimeType="text/plain" sofaString="Kyiv fell"/>
    </xmi:XMI>

    {"%TYPES": {...}, "%FEATURE_STRUCTURES": [
      {"%ID": 1, "%TYPE": "uima.cas.Sofa", "sofaNum": 1, "sofaID": "_InitialView", "mimeType": "text", "sofaString": "Kyiv fell"},
      {"%ID": 2, "%TYPE": "de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity", "@sofa": 1, "begin": 0, "end": 4, "value": "LOC"}],
     "%VIEWS": {...}}

Annotations of a layer (a type) with a feature become spans, and relations between these links from their Governor, the event, to their
Dependent. Beside XMI files lies their `TypeSystem.xml`; JSON holds it. Reading and writing is dkpro-cassis's, which turns UIMA's UTF-16
offsets into code points: `pip install 'eventtag[cas]'`. XML with a document type is refused before it sees it.

Sources: https://docs.oasis-open.org/uima/v1.0/uima-v1.0.html, https://github.com/apache/uima-uimaj-io-jsoncas,
https://github.com/dkpro/dkpro-cassis
"""

from __future__ import annotations

import functools
import warnings
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from eventtag.article import Article
from eventtag.errors import DataError, EventtagError, FormatError
from eventtag.formats.extras import load_extra
from eventtag.formats.file_names import write_files
from eventtag.formats.layers import LINK_LAYER, NAMED_ENTITY, STATUS, Choice, Layers, choose, exported_files, is_tools, role
from eventtag.formats.links import Relation, links_between, role_of
from eventtag.formats.mentions import Mentions
from eventtag.formats.tokenised import note_parts
from eventtag.formats.xml_tree import read_xml, xml_text
from eventtag.ledger import LossLedger
from eventtag.span import STATUSES, Span

TYPE_SYSTEM = "TypeSystem.xml"
_ARRAY = "uima.cas.StringArray"
_LABELS = {_ARRAY, *(f"uima.cas.{name}" for name in ("String", "Boolean", "Integer", "Long", "Short", "Byte", "Float", "Double"))}
"""Types of features that can hold labels; others point to annotations."""


def read_xmi(
    path: Path,
    *,
    ledger: LossLedger,
    layer: str | None = None,
    feature: str | None = None,
    annotator: str | None = None,
    typesystem_file: str | None = None,
) -> Iterator[Article]:
    """Stream the articles of one file, or of all `*.xmi` under a folder; the id is the file's path relative to the folder.

    `layer` and `feature`: where the labels stand; by default what the annotations of all files show (`formats.layers`). `annotator`:
    of an INCEpTION export only this person's files. `typesystem_file`: by default the TypeSystem.xml beside each file or above it.
    Raises FormatError, SettingsError where dkpro-cassis is not installed.
    """
    cassis = load_extra("cassis", "cas")

    def load(file: Path) -> Any:
        system_file = Path(typesystem_file) if typesystem_file else _find_type_system(file, path)
        read_xml(system_file)  # only to see that it is safe
        types = _annotated_types(file)
        system = _load(system_file, cassis.load_typesystem)
        for name, count in types.items():
            if not system.contains_type(name, match_exactly=True):
                ledger.remark(f"{file.name}: {count} annotations of {name} are not read, as {system_file.name} does not have it")
        return _load(file, functools.partial(cassis.load_cas_from_xmi, typesystem=system, lenient=True))

    files = exported_files(path, ".xmi", annotator=annotator, ledger=ledger)
    yield from _articles(files, load, path=path, layer=layer, feature=feature, ledger=ledger)


def read_cas_json(
    path: Path, *, ledger: LossLedger, layer: str | None = None, feature: str | None = None, annotator: str | None = None
) -> Iterator[Article]:
    """Stream the articles of one file, or of all `*.json` under a folder, as `read_xmi`."""
    cassis = load_extra("cassis", "cas")
    files = exported_files(path, ".json", annotator=annotator, ledger=ledger, ignored=("exportedproject.json",))
    load = functools.partial(_load, function=cassis.load_cas_from_json)
    yield from _articles(files, load, path=path, layer=layer, feature=feature, ledger=ledger)


def _find_type_system(file: Path, root: Path) -> Path:
    """The type system beside the file or above it, up to the folder that is read, or one folder above a single file."""
    above = root if root.is_dir() else file.parent.parent
    for folder in file.parents:
        if (folder / TYPE_SYSTEM).is_file():
            return folder / TYPE_SYSTEM
        if folder in (above, above.parent):
            break
    raise FormatError(f"there is no {TYPE_SYSTEM} beside it or above; name it with typesystem_file", path=file)


def _annotated_types(file: Path) -> Counter[str]:
    """How many annotations an XMI file has of each type, as a reader that knows no types sees them."""
    root = read_xml(file)
    spaces = {key.removeprefix("xmlns:"): value for key, value in root.attributes.items() if key.startswith("xmlns:")}
    found: Counter[str] = Counter()
    for element in root.children:
        if "begin" in element.attributes and "end" in element.attributes:
            prefix, _, local = element.name.rpartition(":")
            space = spaces.get(prefix, "").removeprefix("http:///").removesuffix(".ecore").replace("/", ".")
            found[local if space in ("", "uima.noNamespace") else f"{space}.{local}"] += 1
    return found


def _load(path: Path, function: Callable[[Any], Any]) -> Any:
    """What `function` reads from the opened file; raises FormatError for anything that it raises."""
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


def _articles(
    files: list[tuple[Path, str]],
    load: Callable[[Path], Any],
    *,
    path: Path,
    layer: str | None,
    feature: str | None,
    ledger: LossLedger,
) -> Iterator[Article]:
    """The articles of all (file, article id), of one layer and feature. Files are read twice, so that one at a time is held."""
    layers = Layers()
    kept: Any = None
    for file, _ in files:
        kept = load(file)
        with _named(file):
            _survey(kept, layers, ledger)
    choice = choose(layers, layer=layer, feature=feature, path=path, ledger=ledger)
    for file, name in files:
        cas = kept if len(files) == 1 else load(file)
        with _named(file):
            article = _article(cas, choice, Mentions(name, ledger))
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
            layers.declare(kind.name, (name for name, feature in features.items() if feature.rangeType.name in _LABELS))
    for annotation in view.select_all_annotations():
        features = _features(annotation.type)
        if _is_relation(features):
            joined = layers.unusable.setdefault(annotation.type.name, set())
            for end in ("Governor", "Dependent"):
                if (kind := getattr(getattr(annotation, end, None), "type", None)) is not None:
                    joined.update((kind.name, _top(kind).name))
            continue
        own, top = annotation.type.name, _top(annotation.type).name
        if own != top:
            layers.subtypes.add(own)
        values = [(name, value) for name, feature in features.items() for value in _values(annotation, feature)]
        for layer in dict.fromkeys((own, top)):
            layers.add(layer, values)
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


def _slots(annotation: Any, features: Mapping[str, Any]) -> Iterator[Any]:
    """The links of an annotation's slot features, which have a `target` and a `role`."""
    for feature in features.values():
        if feature.rangeType.name not in _LABELS:
            value = getattr(annotation, feature.name, None)
            items = getattr(value, "elements", value)
            yield from (item for item in (items if isinstance(items, list) else ()) if getattr(item, "target", None) is not None)


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


def _article(cas: Any, choice: Choice, mentions: Mentions) -> Article:
    view = _view(cas)
    text = view.sofa_string
    spans: dict[Any, Span | None] = {}
    known = choice.layer is not None and cas.typesystem.contains_type(choice.layer, match_exactly=True)
    for annotation in view.select(choice.layer) if known else []:
        feature = _features(annotation.type).get(choice.feature or "")
        for label in (_values(annotation, feature) if feature is not None else []) or [annotation.type.short_name]:
            span = Span(int(annotation.begin), int(annotation.end), label, status=_status(annotation, choice))
            inside = 0 <= span.start < span.end <= len(text)
            spans.setdefault(id(annotation), span if inside else None)
            if inside:
                mentions.add(span)
            else:
                mentions.drop(span, "is empty or outside the text")
    links = links_between(mentions.article_id, _relations(view, spans), spans, ledger=mentions.ledger)
    return Article(id=mentions.article_id, text=text, spans=mentions.spans, links=links)


def _status(annotation: Any, choice: Choice) -> str | None:
    feature = _features(annotation.type).get(choice.status or "")
    values = [value.casefold() for value in _values(annotation, feature)] if feature is not None else []
    return next((value for value in values if value in STATUSES), None)


def _relations(view: Any, spans: Collection[object]) -> Iterator[Relation]:
    """The relations of which an end is one of the annotations, which are named by their Python ids, and what fills their slots."""
    for annotation in view.select_all_annotations():
        features = _features(annotation.type)
        if id(annotation) in spans:
            for link in _slots(annotation, features):
                yield Relation(id(annotation), id(link.target), role_of(getattr(link, "role", None)))
        if not {"Governor", "Dependent"} <= features.keys() or is_tools(annotation.type.name):
            continue
        event, participant = id(annotation.Governor), id(annotation.Dependent)
        if event in spans or participant in spans:
            others = {name: feature for name, feature in features.items() if name not in ("Governor", "Dependent")}
            values = {name: next(iter(_values(annotation, feature)), None) for name, feature in others.items()}
            yield Relation(event, participant, role(values, annotation.type.name))


def write_xmi(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write a folder with one XMI file an article and their TypeSystem.xml, spans in the NamedEntity layer.

    `annotated`, `labels` and `meta` go to the ledger. Raises OutputError for an id that cannot be a file name.
    """
    seen: set[str] = set()

    def content(article: Article) -> str:
        seen.update(_extras(article))
        return str(_cas(article, "writing xmi", ledger).to_xmi())

    write_files(articles, path, ".xmi", content, **{TYPE_SYSTEM: lambda: str(_typesystem(seen).to_xml())})


def write_cas_json(articles: Iterable[Article], path: Path, *, ledger: LossLedger) -> None:
    """Write a folder with one JSON file an article, as `write_xmi`."""
    write_files(articles, path, ".json", lambda article: str(_cas(article, "writing cas_json", ledger).to_json()))


def _cas(article: Article, stage: str, ledger: LossLedger) -> Any:
    note_parts(article, stage, ledger=ledger, kept=("status", *(("links",) if article.links else ())))
    extras = _extras(article)
    cas = load_extra("cassis", "cas").Cas(typesystem=_typesystem(extras))
    cas.sofa_string = xml_text(article.text)
    if cas.sofa_string != article.text:
        ledger.note(article.id, stage, "text", "characters that XML cannot hold become U+FFFD")
    names = {span.label for span in article.spans} | {link.role for link in article.links or ()}
    if changed := sorted(name for name in names if xml_text(name) != name):
        reason = "characters of labels and roles that XML cannot hold become U+FFFD"
        ledger.note(article.id, stage, "spans", reason, detail=", ".join(map(repr, changed)))
    cas.sofa_mime = "text/plain"
    entity = cas.typesystem.get_type(NAMED_ENTITY)
    made = {}
    for span in article.spans:
        status = {STATUS: span.status} if STATUS in extras else {}
        made[span] = entity(begin=span.start, end=span.end, value=xml_text(span.label), **status)
        cas.add(made[span])
    for link in article.links or ():
        event, other = made[link.event], made[link.participant]
        ends = {"begin": other.begin, "end": other.end, "Governor": event, "Dependent": other}
        cas.add(cas.typesystem.get_type(LINK_LAYER)(**ends, role=xml_text(link.role)))
    return cas


def _extras(article: Article) -> set[str]:
    """What the article needs beside NamedEntity: its feature `status`, the relation layer."""
    with_status = any(span.status is not None for span in article.spans)
    return ({STATUS} if with_status else set()) | ({LINK_LAYER} if article.links else set())


def _typesystem(extras: Collection[str]) -> Any:
    """A type system with DKPro's NamedEntity, and with what articles need beside it (`_extras`)."""
    system = load_extra("cassis", "cas").TypeSystem()
    entity = system.create_type(NAMED_ENTITY, supertypeName="uima.tcas.Annotation")
    for feature in ("value", "identifier", *({STATUS} & set(extras))):
        system.create_feature(entity, feature, "uima.cas.String")
    if LINK_LAYER not in extras:
        return system
    relation = system.create_type(LINK_LAYER, supertypeName="uima.tcas.Annotation")
    for end in ("Governor", "Dependent"):
        system.create_feature(relation, end, NAMED_ENTITY)
    system.create_feature(relation, "role", "uima.cas.String")
    return system
