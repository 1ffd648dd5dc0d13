import numpy as np
import pytest

spacy = pytest.importorskip("spacy")

from eventtag.article import Article  # noqa: E402
from eventtag.span import Span  # noqa: E402
from eventtag.tagging.spacy_component import SpacyComponent  # noqa: E402
from eventtag.tagging.tagged import TaggedArticle  # noqa: E402
from eventtag.tagging.tagger import Tagger  # noqa: E402


def test_docs_get_the_spans_and_scores_of_the_tagger(checkpoint):
    nlp = spacy.blank("en")
    nlp.add_pipe("eventtag", config={"checkpoint": str(checkpoint), "set_ents": True})
    texts = ["Police arrested Miners in Lima .", "Nothing here .", "Rebels blocked Reuters in Perth ."]
    tagger = Tagger.load(checkpoint)
    for doc, text in zip([nlp(texts[0]), *nlp.pipe(texts[1:], batch_size=2)], texts, strict=True):
        expected = tagger.tag(text)
        assert [(s.start_char, s.end_char, s.label_) for s in doc.spans["eventtag"]] == [
            (s.start, s.end, s.label) for s in expected
        ]
        assert doc.spans["eventtag"].attrs["scores"] == pytest.approx([s.score for s in expected], abs=1e-5)
        assert list(doc.ents) == list(doc.spans["eventtag"])


def test_a_span_inside_a_token_is_widened_and_ents_keep_the_longer():
    class Fixed:
        def tag_many(self, texts):
            for text in texts:
                spans = (Span(0, 4, "ACTOR", 0.5), Span(0, 12, "LOCATION", 0.25))
                yield TaggedArticle(Article("a", text), spans, np.zeros((0, 2), dtype=np.int64))

    doc = SpacyComponent(Fixed(), spans_key="x", set_ents=True)(spacy.blank("en")("Kyivans fell ."))
    assert [(span.text, span.label_) for span in doc.spans["x"]] == [("Kyivans", "ACTOR"), ("Kyivans fell", "LOCATION")]
    assert [(span.text, span.label_) for span in doc.ents] == [("Kyivans fell", "LOCATION")]


def test_status_and_links_stand_beside_the_scores(linked_run):
    text = "Police arrested Miners in Lima ."
    nlp = spacy.blank("en")
    nlp.add_pipe("eventtag", config={"checkpoint": str(linked_run)})
    group = nlp(text).spans["eventtag"]
    (tagged,) = Tagger.load(linked_run).tag_many([text])
    assert tagged.links
    assert group.attrs["statuses"] == [span.status for span in tagged.spans]
    spans = tagged.spans
    assert [(spans[l["event"]], spans[l["participant"]], l["role"]) for l in group.attrs["links"]] == [  # noqa: E741
        (link.event, link.participant, link.role) for link in tagged.links
    ]
