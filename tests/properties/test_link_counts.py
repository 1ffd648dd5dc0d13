"""Counts of links against brute force, on hostile articles."""

import random
from dataclasses import replace

from articles_strategy import articles, corpora
from hypothesis import given, settings
from hypothesis import strategies as st

from eventtag.labels import LabelSet
from eventtag.link import Link
from eventtag.scoring.link_errors import LINK_ERRORS, find_link_errors
from eventtag.scoring.links import MEASURES, event_labels, scored_links, tally_links

LABELS = LabelSet()


def brute(item, role=None):
    """(right, gold, predicted) links by comparing every pair of them field by field."""

    def key(link):
        return [(s.start, s.end, s.label) for s in (link.event, link.participant)] + [link.role]

    gold, predicted = ([key(x) for x in side if role in (None, x.role)] for side in (item.gold, item.predicted))
    return sum(one == other for one in gold for other in predicted), len(gold), len(predicted)


def predictions(rng, article):
    """Some of an article's spans and links, some links with other roles, and links of its own."""
    spans = [span for span in article.spans if rng.random() < 0.8]
    possible = [replace(link, role=rng.choice([link.role, "AGENT", "TARGET"])) for link in article.links or ()]
    if spans:
        possible += [Link(rng.choice(spans), rng.choice(spans), rng.choice(["AGENT", "PLACE"])) for _ in range(rng.randrange(4))]
    return spans, [link for link in possible if {link.event, link.participant} <= set(spans)]


@settings(max_examples=15)
@given(corpora(links=True), st.integers(0, 9999))
def test_counts_are_those_of_brute_force_and_errors_add_up(corpus, seed):
    rng = random.Random(seed)
    articles = [a for a in corpus if a.links is not None]
    predicted = {a.id: predictions(rng, a) for a in articles}
    items = [scored_links((a, predicted[a.id][0]), predicted[a.id][1], LABELS) for a in articles]
    if not items:
        return
    tally = tally_links(items, event_labels(articles))
    errors = find_link_errors(items, tally.roles.labels)
    for row, item in enumerate(items):
        strict = tally.overall.values[row, MEASURES.index("strict"), 0]
        assert (strict[0], strict[:4].sum(), strict[4:].sum()) == brute(item)
        for column, role in enumerate(tally.roles.labels):
            by_role = tally.roles.values[row, 0, column]
            assert (by_role[0], by_role[:4].sum(), by_role[4:].sum()) == brute(item, role)
    found = errors.to_json()
    assert set(found) == set(LINK_ERRORS)
    for column, role in enumerate(tally.roles.labels):
        right, _, _, missed, also, _, _, spurious = tally.roles.values[:, 0, column].sum(axis=0)
        assert right == also
        assert sum(kind["gold"][role] for kind in found.values()) == missed
        assert sum(kind["predicted"][role] for kind in found.values()) == spurious


@settings(max_examples=15)
@given(articles(links=True, regions=False).filter(lambda article: article.links), st.integers(0, 15))
def test_without_some_links_recall_alone_is_lower(gold, chosen):
    kept = [link for place, link in enumerate(gold.links) if chosen >> place & 1]
    before, after = (
        tally_links([scored_links((gold, gold.spans), links, LABELS)], event_labels([gold])).overall.values[0, :, 0]
        for links in (gold.links, kept)
    )
    assert (before[:, 0] == before[:, :4].sum(axis=1)).all()
    assert (before[:, 4] == before[:, 4:].sum(axis=1)).all()
    strict, records, credit = (after[MEASURES.index(name)] for name in ("strict", "records", "records_credit"))
    assert (strict[4], strict[7]) == (len(kept), 0)
    assert (strict[0], strict[3]) == (len(kept), len(gold.links) - len(kept))
    assert records[0] <= credit[0] <= credit[:4].sum()
