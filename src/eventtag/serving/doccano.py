"""Automatic labelling in doccano (https://doccano.github.io/doccano/advanced/auto_labelling_config/), by its "Custom REST Request".

    POST /doccano {"text": "Kyiv fell"}
    [{"label": "LOCATION", "start_offset": 0, "end_offset": 4}]

doccano keeps no overlapping spans, so of these the most probable are answered.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from starlette.requests import Request

from eventtag.heads.span_decoding import most_probable_disjoint
from eventtag.serving.answers import JSONAnswer
from eventtag.serving.refusals import new_article, parse_object
from eventtag.serving.service import service_of
from eventtag.span import Span, score_of


async def label_text(request: Request) -> JSONAnswer:
    """The spans of one text."""
    service = service_of(request)
    asked = parse_object(await service.body(request))
    _, (found,) = await service.tag(request, [new_article("text", asked.get("text"), "`text`")])
    return JSONAnswer([{"label": span.label, "start_offset": span.start, "end_offset": span.end} for span in flat(found.spans)])


def flat(spans: Sequence[Span]) -> list[Span]:
    """The most probable of spans that overlap, in the order of the text."""
    edges = np.array([(span.start, span.end - 1) for span in spans], dtype=np.int64).reshape(-1, 2)
    scores = np.array([score_of(span) for span in spans])
    return [spans[index] for index in most_probable_disjoint(edges[:, 0], edges[:, 1], scores)]
