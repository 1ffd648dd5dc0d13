"""The server's own API: articles in, tagged articles out; corrections, and training on them. `eventtag.serving.openapi` describes it.

Articles are those of the project's JSONL (`eventtag.formats.jsonl`): offsets are code points, half-open.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import Any

from anyio import to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from eventtag.article import Article
from eventtag.errors import EventtagError
from eventtag.formats.jsonl import article_from_json, json_line
from eventtag.jobs.reading.inputs import SUFFIXES, read_rows
from eventtag.jobs.reading.streams import BUFFER, COMPRESSED, DAMAGED, open_stream, plain_suffix
from eventtag.printable import printable
from eventtag.serving.answers import JSONAnswer
from eventtag.serving.metrics import Sample, render
from eventtag.serving.openapi import describe
from eventtag.serving.refusals import MAX_ARTICLE, MAX_ARTICLES, RequestError, kind, list_of, parse_body, parse_object, text_of
from eventtag.serving.service import Service, service_of
from eventtag.serving.store import Correction, key_part
from eventtag.span import Span

log = logging.getLogger(__name__)

JSONL = "application/jsonl"
EVENTS = "Eventtag-Events"
"""The header that says how many corrections and deletions there were; sent back as `since`, it finds what came meanwhile."""
PAGE = "page"
"""The source of corrections that come by this API."""
ANNOTATIONS = ("spans", "rejected", "links", "annotated", "labels")
PAGE_SECONDS = 5.0
"""Seconds that reading a page may take: twenty times what a long newspaper page needs. Other pages wait meanwhile."""
MAX_UNPACKED = 64 * 4 * MAX_ARTICLE
"""Bytes that a file that is sent may have when it is unpacked: a thousand times as many can be packed into a body."""


async def health(request: Request) -> JSONAnswer:
    """That the server is there, and nothing else: no token is needed for it."""
    del request
    return JSONAnswer({"status": "UP"})


async def about(request: Request) -> JSONAnswer:
    """The model in use, its labels, and how many corrections there are."""
    service = service_of(request)
    tagger = service.model.tagger
    return JSONAnswer(
        {
            "model_version": service.model.version,
            "labels": list(service.labels),
            "thresholds": dict(tagger.calibration.thresholds),
            "overlapping_spans": tagger.decoder.overlap,
            "corrections": len(service.corrections),
            "limits": {"article_characters": MAX_ARTICLE, "body_bytes": service.max_body},
        }
    )


async def openapi(request: Request) -> JSONAnswer:
    """The description of these addresses."""
    return JSONAnswer(describe(service_of(request).model.version))


async def metrics(request: Request) -> PlainTextResponse:
    """Figures for Prometheus."""
    service = service_of(request)
    batches, requests = service.batches, service.requests
    answered: Iterator[Sample] = (
        ({"path": path, "status": str(status)}, count) for (path, status), count in sorted(requests.answered.items())
    )
    seconds: Iterator[Sample] = (({"path": path}, total) for path, total in sorted(requests.seconds.items()))
    corrections: Iterator[Sample] = (
        ({"source": source}, count) for source, count in sorted(service.corrections.counts().items())
    )
    text = render(
        [
            ("requests_total", "counter", "Requests answered.", answered),
            ("request_seconds_total", "counter", "Seconds from a request to the end of its answer.", seconds),
            ("articles_total", "counter", "Articles tagged.", [({}, batches.articles)]),
            ("spans_total", "counter", "Spans found in them.", [({}, batches.spans)]),
            ("batches_total", "counter", "Batches in which they were tagged.", [({}, batches.batches)]),
            ("waiting_characters", "gauge", "Characters of text that wait to be tagged.", [({}, batches.waiting)]),
            ("corrections", "gauge", "Corrections that are kept.", corrections),
            ("training", "gauge", "1 while a training goes on.", [({}, int(service.trainings.running))]),
            ("model_info", "gauge", "The model in use.", [({"version": service.model.version}, 1)]),
        ]
    )
    return PlainTextResponse(text, media_type="text/plain; version=0.0.4")


async def tag(request: Request) -> Response:
    """Articles with spans and links, one per line in the order of the request. `certainty` adds each one's certainty to its metadata."""
    service = service_of(request)
    articles, certainty = _asked(request, await service.body(request))
    model, found = await service.tag(request, articles, certainty=certainty)
    lines = []
    for item in found:
        meta = dict(item.article.meta) | ({} if item.certainty is None else {"certainty": round(item.certainty, 6)})
        lines.append(
            json_line(replace(item.article, spans=item.spans, annotated=None, labels=None, meta=meta, links=item.links)) + "\n"
        )
    return Response("".join(lines), media_type=JSONL, headers={"Eventtag-Model-Version": model.version})


def _asked(request: Request, body: bytes) -> tuple[list[Article], bool]:
    """The articles that a request names, by `text`, `texts` or `articles`, or one on each line; and whether it asks for their certainty."""
    media = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media in (JSONL, "application/x-ndjson", "application/x-jsonlines"):
        lines = [parse_body(line) for line in body.splitlines() if line.strip()]
        return _articles(list_of(lines, "the body"), "line"), request.query_params.get("certainty") in ("1", "true")
    asked = parse_object(body)
    given = [key for key in ("text", "texts", "articles") if key in asked]
    if len(given) != 1:
        raise RequestError('give one of `text`, `texts` and `articles`, such as {"text": "Police arrested five men in Lyon."}')
    unknown = sorted(asked.keys() - {*given, "certainty"})
    if unknown:
        raise RequestError(f"unknown field {unknown[0]!r}; allowed: text, texts or articles, and certainty")
    if not isinstance(asked.get("certainty", False), bool):
        raise RequestError("`certainty` must be true or false")
    value = asked[given[0]]
    if given == ["articles"]:
        articles = _articles(list_of(value, "`articles`"), "article")
    else:
        texts = [value] if given == ["text"] else list_of(value, "`texts`")
        articles = [Article(str(number), text_of(text, f"text {number}")) for number, text in enumerate(texts, start=1)]
    return articles, bool(asked.get("certainty"))


def _articles(records: Sequence[object], what: str) -> list[Article]:
    """The articles of JSON objects as they are in the project's JSONL; `id` may be missing, and annotations count for nothing."""
    articles = []
    for number, record in enumerate(records, start=1):
        if isinstance(record, Mapping):
            text_of(record.get("text"), f"{what} {number}: `text`")
            record = {
                "id": str(number),
                **{key: value for key, value in record.items() if key not in ANNOTATIONS},
            }
        try:
            articles.append(article_from_json(record))
        except EventtagError as error:
            raise RequestError(f"{what} {number}: {error}") from error
    return articles


async def read(request: Request) -> JSONAnswer:
    """The articles in a file of any kind that `eventtag predict` reads, not tagged: `?name=news.html`, and the file as the body.

    Only the suffix of the name is used. Rows that cannot be read are named under `problems`.
    """
    service = service_of(request)
    body = await service.body(request)
    articles, problems = await to_thread.run_sync(_read_file, body, request.query_params.get("name", ""), limiter=service.readers)
    return JSONAnswer({"articles": [_record(article) for article in articles], "problems": problems})


def _read_file(body: bytes, name: str) -> tuple[list[Article], list[str]]:
    given = Path(name.lower())
    packed = given.suffix if given.suffix in COMPRESSED else ""
    suffix = plain_suffix(given) if plain_suffix(given) in SUFFIXES else ""
    shown = printable(PurePath(name).name, one_line=True) or "the file"
    articles: list[Article] = []
    problems: list[str] = []
    characters = 0
    with tempfile.TemporaryDirectory(prefix="eventtag-") as folder:
        file = Path(folder) / f"articles{suffix}"
        try:
            if packed:
                _unpack(body, Path(folder) / f"packed{packed}", file, shown)
            else:
                file.write_bytes(body)
            for row in read_rows(str(file), max_row_bytes=4 * MAX_ARTICLE, page_seconds=PAGE_SECONDS):
                if row.article is None:
                    where = shown if row.place.line is None else f"{shown}:{row.place.line}"
                    problems.append(f"{where}: {row.problem}")
                else:
                    article = replace(row.article, id=shown) if row.article.id == file.name else row.article
                    characters += len(article.text)
                    articles.append(article)
                if characters > 64 * MAX_ARTICLE or len(articles) + len(problems) > MAX_ARTICLES:
                    raise RequestError(
                        f"{shown} holds more than {64 * MAX_ARTICLE:,} characters or {MAX_ARTICLES:,} articles; tag it by eventtag predict",
                        status=413,
                    )
        except RequestError:
            raise
        except EventtagError as error:
            raise RequestError(str(error).replace(str(file), shown)) from error
    return articles, problems


def _unpack(body: bytes, packed: Path, file: Path, shown: str) -> None:
    packed.write_bytes(body)
    size = 0
    try:
        with open_stream(packed) as stream, file.open("wb") as output:
            while piece := stream.read(BUFFER):
                size += len(piece)
                if size > MAX_UNPACKED:
                    raise RequestError(
                        f"{shown} holds more than {MAX_UNPACKED:,} bytes when it is unpacked; tag it by eventtag predict",
                        status=413,
                    )
                output.write(piece)
    except DAMAGED as error:
        raise RequestError(f"{shown}: cannot be unpacked ({error}); send it again, or as it is") from error


async def corrections(request: Request) -> Response:
    """All corrections as the project's JSONL, or those of one `?annotator=`; or keep one more."""
    service = service_of(request)
    if request.method == "POST":
        return await _correct(request, service)
    events = str(service.corrections.events)  # before they are read, as others may come meanwhile
    exported = service.corrections.exported(request.query_params.get("annotator"))
    lines = [json_line(article) + "\n" for article in exported]
    return Response("".join(lines), media_type=JSONL, headers={EVENTS: events})


async def _correct(request: Request, service: Service) -> JSONAnswer:
    asked = parse_object(await service.body(request))
    unknown = sorted(asked.keys() - {"annotator", "article", "rejected", "deleted", "since"})
    if unknown:
        raise RequestError(f"unknown field {unknown[0]!r}; allowed: annotator, article, rejected, deleted, since")
    since = asked.get("since")
    if since is not None and (not isinstance(since, int) or isinstance(since, bool)):
        raise RequestError(f"`since` is {kind(since)}; it must be a number that the header {EVENTS} gave")
    annotator = asked.get("annotator", "")
    if not isinstance(annotator, str):
        raise RequestError(f"`annotator` is {kind(annotator)}; it must be a name")
    try:
        article = article_from_json(asked.get("article"))
    except EventtagError as error:
        raise RequestError(str(error)) from error
    key = f"{PAGE}/{key_part(annotator)}/{article.id}"
    if asked.get("deleted") is True:
        deleted = await run_in_threadpool(service.corrections.delete, [key])
        return JSONAnswer({"deleted": deleted, "corrections": len(service.corrections)})
    text_of(article.text, "`article`")
    rejected = (*article.rejected, *_spans(asked.get("rejected") or [], article))
    spans = tuple(replace(span, score=None, status_score=None, unsure_roles=()) for span in article.spans)
    links = article.links and tuple(replace(link, score=None) for link in article.links)
    article = replace(article, spans=spans, rejected=(), links=links)
    for span in (*article.spans, *rejected):
        if span.label not in service.labels:
            raise RequestError(f"the label {span.label!r} is not one of the tagger's: {', '.join(service.labels)}")
    if both := set(rejected) & set(article.spans):
        raise RequestError(f"{min(both)} is both a mention and rejected")
    there = service.corrections.get(key)
    if there is not None and there.article.text != article.text:
        raise RequestError(
            f"a correction of another text with the id {article.id!r} is kept, and is not replaced; give this article an id of its own, or "
            'send the other with "deleted": true first',
            status=409,
        )
    correction = Correction(key, PAGE, annotator, article, rejected, document=f"{PAGE}/{article.id}")
    await run_in_threadpool(service.corrections.save, [correction], since=since)
    counts = {"saved": 1, "corrections": len(service.corrections)}
    return JSONAnswer(counts, 201, headers={EVENTS: str(service.corrections.events)})


def _spans(value: Any, article: Article) -> tuple[Span, ...]:
    record = {"id": article.id, "text": article.text, "spans": value}
    try:
        return tuple(replace(span, score=None) for span in article_from_json(record).spans)
    except EventtagError as error:
        raise RequestError(f"`rejected`: {error}") from error


async def training(request: Request) -> JSONAnswer:
    """What is known of all trainings; or begin one."""
    trainings = service_of(request).trainings
    if request.method == "POST":
        return JSONAnswer(await run_in_threadpool(trainings.start), 202)
    return JSONAnswer(await run_in_threadpool(trainings.state))


async def adopt(request: Request) -> JSONAnswer:
    """Put the checkpoint of a training into use, with any score: `{"number": 2}`; 0 is the checkpoint that the server was started
    with.
    """
    service = service_of(request)
    number = parse_object(await service.body(request)).get("number")
    if not isinstance(number, int) or isinstance(number, bool):
        raise RequestError("`number` must be the number of a training, or 0")
    return JSONAnswer(await run_in_threadpool(service.trainings.adopt, number))


def _record(article: Article) -> dict[str, Any]:
    return {"id": article.id, "text": article.text, "meta": dict(article.meta)}
