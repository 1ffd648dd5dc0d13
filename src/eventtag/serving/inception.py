"""An external recommender of INCEpTION: its documents come as UIMA CAS in XMI, and go back with predictions added.

Offsets in XMI count UTF-16, which cassis turns into code points. INCEpTION silently drops predictions whose edges are not those of its
tokens, so spans are widened to them. To train, it sends all documents of one user, however far that user has come: what counts as
annotated are the sentences that hold an annotation.

Source: https://inception-project.github.io/releases/36.1/docs/developer-guide.html#_external_recommender_api
"""

from __future__ import annotations

import logging
import re
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from eventtag.article import Article, Region
from eventtag.errors import DataError
from eventtag.formats.extras import load_extra
from eventtag.serving.answers import JSONAnswer
from eventtag.serving.refusals import RequestError, kind, list_of, new_article, parse_object
from eventtag.serving.service import Service, service_of
from eventtag.serving.store import Correction, key_part
from eventtag.span import Span, score_of

log = logging.getLogger(__name__)

SOURCE = "inception"
SEGMENTS = "de.tudarmstadt.ukp.dkpro.core.api.segmentation.type."
PREDICTED = "inception_internal_predicted"
MODES = ("tokens", "singleToken", "characters", "sentences")
_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")


@dataclass(frozen=True)
class Wish:
    """What a request asks for: the layer and its feature with the label, to what edges are widened, and where spans may lie."""

    layer: str
    feature: str
    anchoring: str
    cross_sentence: bool
    span: tuple[int, int] | None
    """In UTF-16, as Java counts."""
    project: str


def read_wish(asked: Mapping[str, Any]) -> Wish:
    """What the metadata of a request says; raises RequestError if something is missing."""
    metadata = asked.get("metadata")
    if not isinstance(metadata, Mapping):
        raise RequestError(f"`metadata` is {kind(metadata)}; it must be an object")
    layer, feature, anchoring = (metadata.get(key) for key in ("layer", "feature", "anchoringMode"))
    if not isinstance(layer, str) or not isinstance(feature, str):
        raise RequestError("`metadata` must have `layer` and `feature`")
    if anchoring not in MODES:
        raise RequestError(f"`anchoringMode` is {anchoring!r}; it must be one of {', '.join(MODES)}")
    place = metadata.get("range")
    span = None
    if isinstance(place, Mapping):
        begin, end = place.get("begin"), place.get("end")
        if not isinstance(begin, int) or not isinstance(end, int):
            raise RequestError("`range` must have whole numbers `begin` and `end`")
        span = (begin, end)
    return Wish(layer, feature, str(anchoring), metadata.get("crossSentence") is True, span, str(metadata.get("projectId")))


async def predict(request: Request) -> Response:
    """The document with a prediction for each span found in it."""
    service = service_of(request)
    asked = parse_object(await service.body(request))
    wish = read_wish(asked)
    document = asked.get("document")
    cas = await run_in_threadpool(_load, document, _type_system(asked), wish)
    _, (found,) = await service.tag(request, [new_article("document", cas.sofa_string, "the document")])
    return JSONAnswer({"document": await run_in_threadpool(_answer, cas, wish, found.spans)})


async def train(request: Request) -> Response:
    """Keep what a user annotated, and begin a training if that has changed anything: 204, or 429 while one is running."""
    service = service_of(request)
    asked = parse_object(await service.body(request))
    wish = read_wish(asked)
    documents = list_of(asked.get("documents"), "`documents`")
    await run_in_threadpool(_keep, documents, _type_system(asked), wish, service)
    if service.trainings.running:
        raise RequestError("a training is going on already; what you annotated is kept for the next one", status=429)
    try:
        await run_in_threadpool(service.trainings.start)
    except RequestError as refusal:
        log.info("INCEpTION: no training: %s", refusal)
    return Response(status_code=204)


def _type_system(asked: Mapping[str, Any]) -> str:
    text = asked.get("typeSystem")
    if not isinstance(text, str):
        raise RequestError(f"`typeSystem` is {kind(text)}; it must be a text")
    return text


def _load(document: object, type_system: str, wish: Wish) -> Any:
    """The CAS of a document. Raises RequestError for anything that is none, SettingsError if dkpro-cassis is not installed."""
    cassis = load_extra("cassis", "cas")
    xmi = document.get("xmi") if isinstance(document, Mapping) else None
    if not isinstance(xmi, str):
        raise RequestError("the document has no `xmi`")
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", category=UserWarning, module="cassis")
            system = cassis.load_typesystem(_harmless(type_system))
            cas = cassis.load_cas_from_xmi(_harmless(xmi), typesystem=system, lenient=True)
    except RequestError:
        raise
    except Exception as error:
        raise RequestError(f"the document cannot be read as a UIMA CAS ({type(error).__name__}: {str(error)[:200]})") from error
    if not isinstance(cas.sofa_string, str):
        raise RequestError("the document has no text")
    if not system.contains_type(wish.layer, match_exactly=True) or system.get_type(wish.layer).get_feature(wish.feature) is None:
        raise RequestError(f"the type system has no layer {wish.layer} with the feature {wish.feature}")
    return cas


def _harmless(xml: str) -> str:
    """The XML without its declaration, so that it is in the encoding that we give it. Raises RequestError for a document type."""
    xml = _DECLARATION.sub("", xml, count=1)
    if "<!DOCTYPE" in xml:
        raise RequestError("the XML has a document type, which is not read for safety")
    return xml


def _answer(cas: Any, wish: Wish, spans: Sequence[Span]) -> str:
    layer = cas.typesystem.get_type(wish.layer)
    for annotation in list(cas.select(wish.layer)):
        if _is_predicted(annotation):
            cas.remove(annotation)
    declared = {feature.name for feature in layer.all_features}
    for span in place(spans, cas, wish):
        features = {wish.feature: span.label, PREDICTED: True, f"{wish.feature}_score": score_of(span)}
        known = {name: value for name, value in features.items() if name in declared}
        cas.add(layer(begin=span.start, end=span.end, **known))
    return str(cas.to_xmi())


def place(spans: Iterable[Span], cas: Any, wish: Wish) -> list[Span]:
    """The spans as INCEpTION keeps them: widened to its tokens or sentences, in one sentence unless they may cross, in the range that was
    asked for; of several with one place and label the most probable.
    """
    sentences = _places(cas, "Sentence")
    low, high = (0, len(cas.sofa_string)) if wish.span is None else _code_points(cas.sofa_string, wish.span)
    placed: dict[Span, Span] = {}
    for span in _widened(spans, cas, wish, sentences):
        if sentences and not wish.cross_sentence and len(_touched(sentences, span.start, span.end)) != 1:
            continue
        if low <= span.start < high and (span not in placed or score_of(placed[span]) < score_of(span)):
            placed[span] = span
    return sorted(placed.values())


def _widened(spans: Iterable[Span], cas: Any, wish: Wish, sentences: Sequence[Region]) -> Iterator[Span]:
    if wish.anchoring == "characters":
        yield from spans
        return
    units = sentences if wish.anchoring == "sentences" else _places(cas, "Token")
    for span in spans:
        touched = _touched(units, span.start, span.end)
        if touched and (wish.anchoring != "singleToken" or len(touched) == 1):
            yield replace(span, start=touched[0][0], end=touched[-1][1])


def _places(cas: Any, name: str) -> list[Region]:
    """The places of the document's tokens or sentences, sorted."""
    if not cas.typesystem.contains_type(SEGMENTS + name, match_exactly=True):
        return []
    return sorted((int(one.begin), int(one.end)) for one in cas.select(SEGMENTS + name) if one.begin < one.end)


def _touched(places: Sequence[Region], start: int, end: int) -> Sequence[Region]:
    """Those of sorted, disjoint places that share a character with [start, end)."""
    return places[bisect_right(places, start, key=lambda one: one[1]) : bisect_left(places, end, key=lambda one: one[0])]


def _code_points(text: str, span: tuple[int, int]) -> tuple[int, int]:
    data = text.encode("utf-16-le", "surrogatepass")
    begin, end = (len(data[: 2 * max(edge, 0)].decode("utf-16-le", "replace")) for edge in span)
    return begin, end


def _is_predicted(annotation: Any) -> bool:
    return bool(getattr(annotation, PREDICTED, None))


def _keep(documents: Sequence[object], type_system: str, wish: Wish, service: Service) -> None:
    """Keep the documents of the users that sent them in place of what they sent before; what has not changed is not written again."""
    changed: list[Correction] = []
    sent: set[str] = set()
    users: set[str] = set()
    for document in documents:
        cas = _load(document, type_system, wish)
        assert isinstance(document, Mapping)
        user = f"{SOURCE}/{key_part(wish.project)}/{key_part(str(document.get('userId')))}/"
        key = f"{user}{document.get('documentId')}"
        users.add(user)
        sent.add(key)
        article = _annotated(cas, f"{SOURCE}/{wish.project}/{document.get('documentId')}", wish, service.labels)
        before = service.corrections.get(key)
        if before is None or before.article != article:
            changed.append(Correction(key, SOURCE, str(document.get("userId")), article, document=article.id))
    service.corrections.save(changed)
    gone = [one.key for one in service.corrections if any(one.key.startswith(user) for user in users) and one.key not in sent]
    service.corrections.delete(gone)


def _annotated(cas: Any, name: str, wish: Wish, labels: Sequence[str]) -> Article:
    """The document's own annotations; annotated are the sentences that hold one, without sentences what they cover."""
    found = [
        (int(one.begin), int(one.end), getattr(one, wish.feature, None))
        for one in cas.select(wish.layer)
        if not _is_predicted(one) and one.begin < one.end
    ]
    if strange := sorted({str(label) for *_, label in found if label not in labels}):
        log.warning(
            "INCEpTION, document %s: annotations with %s are not kept; the labels are %s", name, ", ".join(strange), labels
        )
    spans = sorted({Span(begin, end, str(label)) for begin, end, label in found if label in labels})
    sentences = _places(cas, "Sentence")
    regions: list[Region] = []
    for span in spans:
        touched = _touched(sentences, span.start, span.end)
        start, end = (touched[0][0], touched[-1][1]) if touched else (span.start, span.end)
        start, end = min(start, span.start), max(end, span.end)
        if regions and start < regions[-1][1]:
            before = regions.pop()
            start, end = min(before[0], start), max(before[1], end)
        regions.append((start, end))
    try:
        return Article(name, new_article(name, cas.sofa_string, "the document").text, tuple(spans), annotated=tuple(regions))
    except DataError as error:
        raise RequestError(str(error)) from error
