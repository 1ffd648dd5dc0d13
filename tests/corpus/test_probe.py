"""The probe passages measure taggers that have never read them."""

from collections import Counter

import pytest
from conftest import REPOSITORY

from eventtag.api.lint import lint
from eventtag.corpus.near_duplicates import crossing_pairs, find_near_duplicates
from eventtag.formats.registry import read_articles
from eventtag.ledger import LossLedger

PROBE = REPOSITORY / "data" / "probe.jsonl"
RUN = 7
"""Words in a row that no invented passage shares with an article by chance."""


def read(path):
    return list(read_articles(path, ledger=LossLedger()))


@pytest.fixture(scope="module")
def probe():
    return read(PROBE)


@pytest.fixture(scope="module")
def sample():
    return read(REPOSITORY / "data" / "sample" / "articles.jsonl")


def runs_of_words(text):
    words = "".join(c if c.isalnum() else " " for c in text.lower()).split()
    return {tuple(words[at : at + RUN]) for at in range(max(len(words) - RUN + 1, 1))}


def test_no_config_trains_on_the_probe_and_the_package_does_not_hold_it():
    configs = sorted((REPOSITORY / "configs").rglob("*.yaml"))
    assert REPOSITORY / "configs" / "data" / "sample.yaml" in configs
    for path in [*configs, REPOSITORY / "pyproject.toml"]:
        assert "data/probe" not in path.read_text(encoding="utf-8"), path


def test_no_passage_stands_in_the_sample(probe, sample):
    taken = {article.id for article in sample}
    assert not taken & {article.id for article in probe}
    found = find_near_duplicates([*sample, *probe])
    split_of = {article.id: "sample" for article in sample} | {article.id: "probe" for article in probe}
    assert list(crossing_pairs(found, split_of)) == []
    known = set().union(*(runs_of_words(article.text) for article in sample))
    for article in probe:
        assert not runs_of_words(article.text) & known, article.id


def test_each_kind_has_passages_and_says_what_it_tests(probe):
    assert len(probe) == len({article.text for article in probe}) == 150
    kinds = Counter(article.meta["kind"] for article in probe)
    assert all(count >= 8 for count in kinds.values()), kinds
    for article in probe:
        assert article.meta["tempting"] in ("right", "wrong", "mixed"), article.id
        assert article.meta["note"], article.id
        assert (article.meta["kind"] == "no_span") == (not article.spans), article.id
        assert not any("\n" in article.mention(span) for span in article.spans), article.id


def test_lint_finds_nothing_to_mend():
    assert [f for f in lint(PROBE).findings if f.severity in ("error", "warning")] == []
