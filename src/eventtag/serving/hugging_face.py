"""The protocol of Hugging Face's inference API for token classifiers.

    POST /hf {"inputs": "Kyiv fell", "parameters": {"aggregation_strategy": "simple"}}
    [{"entity_group": "LOCATION", "score": 0.97, "word": "Kyiv", "start": 0, "end": 4}]

A list of texts gives a list of lists. Nothing is cut off, so `stride` changes nothing.
Source: https://huggingface.co/docs/inference-providers/tasks/token-classification
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.requests import Request

from eventtag.serving.answers import JSONAnswer
from eventtag.serving.batches import Found
from eventtag.serving.refusals import RequestError, kind, list_of, new_article, parse_object
from eventtag.serving.service import service_of

STRATEGIES = ("none", "simple", "first", "average", "max")


async def token_classification(request: Request) -> JSONAnswer:
    """Mentions of a text, or of each of several; with `none` the words of each mention with B- and I-."""
    service = service_of(request)
    asked = parse_object(await service.body(request))
    inputs, parameters = asked.get("inputs"), asked.get("parameters") or {}
    if not isinstance(parameters, Mapping):
        raise RequestError(f"`parameters` is {kind(parameters)}; it must be an object")
    strategy = parameters.get("aggregation_strategy") or "simple"
    if strategy not in STRATEGIES:
        raise RequestError(f"`aggregation_strategy` is {strategy!r}; it must be one of {', '.join(STRATEGIES)}")
    ignored = parameters.get("ignore_labels") or []
    if not isinstance(ignored, list):
        raise RequestError(f"`ignore_labels` is {kind(ignored)}; it must be a list of labels")
    texts = list_of(inputs, "`inputs`") if isinstance(inputs, list) else [inputs]
    articles = [new_article(str(number), text, f"`inputs` {number}") for number, text in enumerate(texts, start=1)]
    _, found = await service.tag(request, articles)
    answers = [_entities(item, strategy == "none", ignored) for item in found]
    return JSONAnswer(answers if isinstance(inputs, list) else answers[0])


def _entities(found: Found, by_word: bool, ignored: list[Any]) -> list[dict[str, Any]]:
    text = found.article.text
    entities: list[dict[str, Any]] = []
    for span in found.spans:
        if not by_word:
            if span.label not in ignored:
                place = {"word": text[span.start : span.end], "start": span.start, "end": span.end}
                entities.append({"entity_group": span.label, "score": span.score, **place})
            continue
        prefix = "B-"
        for start, end in found.words:
            if span.start <= start and end <= span.end:
                place = {"word": text[start:end], "start": start, "end": end, "index": len(entities)}
                if prefix + span.label not in ignored:
                    entities.append({"entity": prefix + span.label, "score": span.score, **place})
                prefix = "I-"
    return entities
