"""docs/reference/report.md documents what to_json gives, docs/reference/scoring.md the kinds of errors."""

import re
from pathlib import Path

from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.link import ROLES, Link
from eventtag.scoring.error_kinds import KINDS
from eventtag.scoring.link_errors import LINK_ERRORS
from eventtag.scoring.report import SCHEMA_VERSION, analyse_articles
from eventtag.span import STATUSES, Span

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
DOCS = (REFERENCE / "report.md").read_text(encoding="utf-8")
SCORING = (REFERENCE / "scoring.md").read_text(encoding="utf-8")


def full_report():
    police, came = Span(0, 6, "ACTOR"), Span(7, 11, "EVENT", status="asserted")
    links = (Link(came, police, "AGENT"),)
    spans = [Span(0, 5, "ACTOR", 0.5), Span(7, 11, "EVENT", 0.9, "negated", 0.5)]
    return analyse_articles(
        [(Article(str(n), "Police came.", (police, came), meta={"topic": n % 2}, links=links), spans) for n in range(4)],
        LabelSet(),
        links={str(n): () for n in range(4)},
        resamples=50,
    ).to_json()


def keys(value):
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner)


def test_every_key_of_the_report_is_documented():
    section = DOCS.split("## report.json")[1].split("\n## ")[0]
    documented = set(re.findall(r"`(\w+)`", section))
    names = {*KINDS, *LINK_ERRORS, *STATUSES, *ROLES, *LabelSet().labels, *full_report()["intervals"]["schemes"]}
    bins = {"low", "high", "count", "confidence", "precision", "threshold"}
    undocumented = set(keys(full_report())) - documented - names - bins
    assert undocumented == set()
    first = {row.split("`")[1].partition(".")[0] for row in section.splitlines() if row.startswith("| `")}
    assert first <= set(full_report()) | {"macro"}


def test_the_documented_version_is_the_one_written():
    assert full_report()["schema_version"] == SCHEMA_VERSION
    assert f"`schema_version` is {SCHEMA_VERSION}." in DOCS


def test_every_error_kind_is_documented():
    assert all(f"| {kind} |" in SCORING for kind in (*KINDS, *LINK_ERRORS))
