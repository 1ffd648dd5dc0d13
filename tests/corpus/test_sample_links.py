"""The sample's links and status are whole and follow its guidelines, and its README says what the files give."""

from dataclasses import replace

import pytest
from conftest import REPOSITORY
from describe_links import AGREEMENT, SAMPLE, agreement_table, counts_table, read, shares

from eventtag.span import STATUSES

README = (REPOSITORY / "data" / "README.md").read_text(encoding="utf-8")
MAY_BE = {"AGENT": {"ACTOR"}, "TARGET": {"ACTOR", "LOCATION"}, "PLACE": {"LOCATION"}}


@pytest.fixture(scope="module")
def sample():
    return read(SAMPLE / "articles.jsonl")


@pytest.fixture(scope="module")
def twice():
    return [read(path) for path in AGREEMENT]


def test_every_event_has_a_status_and_nothing_else_has_one(sample, twice):
    for article in (*sample, *twice[0], *twice[1]):
        for span in article.spans:
            assert (span.status in STATUSES) == (span.label == "EVENT"), (
                f"{article.id}: {article.mention(span)!r} is {span.status}"
            )


def test_links_go_from_events_to_those_whom_their_role_allows_and_each_participant_has_one_role(sample, twice):
    for article in (*sample, *twice[0], *twice[1]):
        assert article.links, f"{article.id} has no links"
        for link in article.links:
            assert link.event.label == "EVENT", f"{article.id}: {link}"
            assert link.participant.label in MAY_BE[link.role], f"{article.id}: {link}"
        assert len({(link.event, link.participant) for link in article.links}) == len(article.links), article.id


def test_the_readme_gives_the_links_and_status_that_the_sample_has(sample):
    assert counts_table(sample) in README
    for name, share in shares(sample).items():
        assert f"{share:.1f} %" in README, name


def test_the_readme_gives_the_agreement_of_the_two_annotations(sample, twice):
    assert agreement_table(*twice) in README
    bare = {article.id: replace(article, spans=bare_spans(article), links=None, meta={}) for article in sample}
    for article in (*twice[0], *twice[1]):
        assert replace(article, spans=bare_spans(article), links=None) == bare[article.id], (
            f"{article.id} has other text or spans"
        )


def test_agreement_counts_what_differs(twice):
    (first, *rest), _ = twice
    fewer = replace(first, links=first.links[1:])
    rows = dict(line[2:].split(" | ")[:2] for line in agreement_table([first, *rest], [fewer, *rest]).splitlines()[2:])
    links = sum(len(article.links) for article in twice[0])
    assert rows["links with role, F1"] == f"{2 * (links - 1) / (2 * links - 1):.3f}"
    assert rows["status equal"] == "1.000"
    assert float(rows[f"{first.links[0].role}, F1"]) < 1


def bare_spans(article):
    return tuple(replace(span, status=None) for span in article.spans)
