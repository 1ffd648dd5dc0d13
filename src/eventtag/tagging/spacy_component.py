"""A checkpoint as a component of a spaCy pipeline (https://spacy.io/usage/processing-pipelines#custom-components).

    nlp.add_pipe("eventtag", config={"checkpoint": "outputs/mine/checkpoint"})

The spans are in `doc.spans["eventtag"]`, their scores in `doc.spans["eventtag"].attrs["scores"]`. With a link head, `attrs` also has
`statuses`, that of each span, and `links`: objects with the places of `event` and `participant` in the group, `role` and `score`. spaCy's
spans consist of its tokens: a span that begins or ends inside a token is widened to the whole token.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from typing import Any

from spacy.language import Language
from spacy.tokens import Doc

from eventtag.span import Span, flatten
from eventtag.tagging.tagged import TaggedArticle
from eventtag.tagging.tagger import Tagger


class SpacyComponent:
    """Sets `doc.spans[spans_key]`, and with `set_ents` also `doc.ents`, which keeps the longer of two spans that overlap."""

    def __init__(self, tagger: Tagger, *, spans_key: str, set_ents: bool) -> None:
        self._tagger = tagger
        self._spans_key = spans_key
        self._set_ents = set_ents

    def __call__(self, doc: Doc) -> Doc:
        """The doc with its spans."""
        self._set(doc, next(iter(self._tagger.tag_many([doc.text]))))
        return doc

    def pipe(self, docs: Iterable[Doc], *, batch_size: int = 256) -> Iterator[Doc]:
        """The docs with their spans, `batch_size` tagged together."""
        docs = iter(docs)
        while batch := list(itertools.islice(docs, batch_size)):
            for doc, tagged in zip(batch, self._tagger.tag_many(doc.text for doc in batch), strict=True):
                self._set(doc, tagged)
                yield doc

    def _set(self, doc: Doc, tagged: TaggedArticle) -> None:
        found = [(doc.char_span(s.start, s.end, label=s.label, alignment_mode="expand"), s) for s in tagged.spans]
        own = [span for widened, span in found if widened is not None]
        group: Any = [(widened, span.score) for widened, span in found if widened is not None]
        doc.spans[self._spans_key] = [span for span, _ in group]
        attrs = doc.spans[self._spans_key].attrs
        attrs["scores"] = [score for _, score in group]
        if tagged.links is not None:
            place = {span: number for number, span in enumerate(own)}
            attrs["statuses"] = [span.status for span in own]
            attrs["links"] = [
                {"event": place[link.event], "participant": place[link.participant], "role": link.role, "score": link.score}
                for link in tagged.links
                if link.event in place and link.participant in place
            ]
        if self._set_ents:
            kept, _ = flatten(Span(s.start, s.end, s.label_, score) for s, score in group)
            doc.ents = tuple(next(span for span, _ in group if (span.start, span.end) == (k.start, k.end)) for k in kept)


@Language.factory(
    "eventtag", default_config={"spans_key": "eventtag", "set_ents": False, "precision": "fp32"}, assigns=["doc.spans"]
)
def build_component(
    nlp: Language,  # noqa: ARG001 - spaCy gives it
    name: str,  # noqa: ARG001
    checkpoint: str,
    spans_key: str,
    set_ents: bool,
    precision: str,
) -> SpacyComponent:
    """The component of a checkpoint directory; `precision` and errors are those of `Tagger.load`."""
    return SpacyComponent(Tagger.load(checkpoint, precision=precision), spans_key=spans_key, set_ents=set_ents)
