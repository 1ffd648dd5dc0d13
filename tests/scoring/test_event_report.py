"""The report's part about links and status: what is scored, what is left out and said, and how systems are compared."""

import json
import random
from dataclasses import replace

import pytest
from conftest import make_article

import eventtag
from eventtag.article import Article
from eventtag.labels import LabelSet
from eventtag.link import Link
from eventtag.reporting.console import render_event_comparison, render_table
from eventtag.reporting.html import render_page
from eventtag.reporting.markdown import render_scores_table
from eventtag.run_folder import SCORE_FILES
from eventtag.scoring.compare_events import compare_events, headline_scores, tally_events
from eventtag.scoring.report import analyse_articles
from eventtag.scoring.status import count_status
from eventtag.span import STATUSES, Span

LABELS = LabelSet()
QUICK = {"resamples": 200}


def article(number, *, statuses=("asserted", "negated"), links=True):
    plain = make_article(f"n{number}", "Police/ACTOR arrested/EVENT men/ACTOR in Lyon/LOCATION , who/ACTOR fled/EVENT .")
    spans = list(plain.spans)
    for place, status in zip((1, 5), statuses, strict=True):
        spans[place] = replace(spans[place], status=status)
    police, arrest, men, lyon, who, fled = spans
    own = (Link(arrest, police, "AGENT"), Link(arrest, men, "TARGET"), Link(arrest, lyon, "PLACE"), Link(fled, who, "AGENT"))
    return replace(plain, spans=tuple(spans), links=own if links else None, meta={"desk": "ab"[number % 2], "number": number})


GOLD = [article(n) for n in range(12)]


def predicted(gold, *, keep=1.0, asserted=False, seed=0):
    """The gold with each link kept by chance; all events asserted or as in gold."""
    rng = random.Random(seed)
    found = []
    for one in gold:
        spans = tuple(replace(s, status=s.status and ("asserted" if asserted else s.status)) for s in one.spans)
        links = None if one.links is None else tuple(link for link in one.links if rng.random() < keep)
        found.append(replace(one, spans=spans, links=links))
    return found


def score(found, gold=GOLD, **more):
    """Each article for itself, although their texts are the same."""
    return eventtag.score(found, gold, clusters="number", evaluation=QUICK, **more)


def test_gold_against_itself_is_perfect_and_said_to_be_on_gold_spans():
    events = score(GOLD).report.events
    assert {row.f1 for row in events.links.measures.values()} == {1.0}
    assert events.links.on_gold_spans
    assert events.status.accuracy.accuracy == 1.0
    assert events.status.baseline.accuracy == 0.5
    assert events.notes == ()


def test_links_that_are_gone_lower_recall_alone_and_the_interval_holds_the_score():
    found = score(predicted(GOLD, keep=0.6)).report.events.links
    strict = found.measures["strict"]
    assert strict.precision == 1.0
    assert 0.3 < strict.recall < 0.9
    assert strict.intervals["recall"].low < strict.recall < strict.intervals["recall"].high
    assert found.roles["strict"]["micro"].recall == strict.recall
    assert found.roles["strict"]["PLACE"].support == 12
    assert found.errors.to_json()["missed"]["cases"] == strict.support - round(strict.recall * strict.support)
    assert {(part.dimension, part.value) for part in found.slices} >= {("sentence", "same sentence"), ("meta.desk", "a")}


def test_always_asserted_gains_nothing_over_itself():
    status = score(predicted(GOLD, asserted=True)).report.events.status
    assert status.accuracy.accuracy == status.baseline.accuracy == 0.5
    assert status.gains["accuracy"].difference == 0.0
    assert status.confusion["negated"] == {"asserted": 12, "negated": 0, "future": 0, "possible": 0, "none": 0}
    assert status.rows["asserted"].f1 == pytest.approx(2 / 3)
    assert status.rows["macro"].f1 == pytest.approx(1 / 3)  # of the two statuses that occur in gold


def test_status_counts_are_those_of_brute_force():
    rng = random.Random(1)
    gold = [article(n, statuses=[rng.choice([None, *STATUSES]) for _ in range(2)]) for n in range(20)]
    pairs = [
        (a, [replace(s, status=s.status and rng.choice([None, *STATUSES])) for s in a.spans if rng.random() < 0.8]) for a in gold
    ]
    counts = count_status(pairs, events=frozenset({"EVENT"}))
    for row, one in enumerate((*STATUSES, None)):
        for column, other in enumerate((*STATUSES, None)):
            number = sum(
                g.status == one and g.label == "EVENT" and (g.start, g.end, g.label) == (p.start, p.end, p.label)
                and p.status == other
                for a, spans in pairs for g in a.spans for p in spans
            )  # fmt: skip
            if one is not None:
                assert counts.confusion[:, row, column].sum() == number
    assert counts.events.sum() == sum(s.status is not None for a in gold for s in a.spans)
    assert counts.unmarked == sum(s.status is None and s.label == "EVENT" for a in gold for s in a.spans)
    micro = counts.tally.counts("status")
    assert micro.gold_correct == sum(counts.confusion[:, k, k].sum() for k in range(4))
    assert micro.support == counts.confusion.sum()


def test_what_was_not_marked_is_left_out_and_said():
    gold = [*GOLD[:9], article(9, links=False), article(10, links=False), article(11, statuses=("future", None))]
    everything = [replace(a, links=b.links) for a, b in zip(gold, GOLD, strict=True)]
    events = score(everything, gold).report.events
    assert (events.links.articles, events.links.measures["strict"].precision) == (10, 1.0)
    assert events.links.measures["strict"].support == 40
    assert events.status.events == 23
    assert "links: 2 of 12 articles were not marked for links and are not scored" in events.notes
    assert "status: 1 of 24 gold events have no status and are not scored" in events.notes


def test_a_gold_link_outside_the_annotated_regions_is_counted_as_left_out():
    gold = [replace(a, annotated=((0, a.text.index("in")),)) for a in GOLD]
    events = score(GOLD, gold).report.events
    assert events.links.measures["strict"].support == 24
    assert "links: 24 of 48 gold links are not scored, because one of their spans is not in an annotated region" in events.notes
    assert events.status.events == 12


def test_an_event_that_is_not_found_has_no_status_and_one_that_is_silent_is_wrong():
    first = replace(GOLD[0], spans=tuple(s for s in GOLD[0].spans if s.label != "EVENT"), links=())
    second = replace(GOLD[1], spans=tuple(replace(s, status=None) for s in GOLD[1].spans))
    events = score([first, second, *GOLD[2:]]).report.events
    assert (events.status.found, events.status.accuracy.accuracy) == (22, pytest.approx(20 / 22))
    assert events.status.confusion["negated"]["none"] == 1
    assert "status: 2 of 24 gold events with a status were not found exactly and are not scored" in events.notes
    assert "status: the predictions say none for 2 of 22 events that were found, which counts as wrong" in events.notes


def plain(found):
    return [Article(a.id, a.text, tuple(Span(s.start, s.end, s.label) for s in a.spans), meta=a.meta) for a in found]


def test_predictions_that_say_nothing_of_links_or_status_are_not_scored_and_that_is_said():
    report = score(plain(GOLD)).report
    assert (report.events.links, report.events.status) == (None, None)
    shown = render_table(report)
    assert "no score for links: 12 gold articles have 48 links, the predictions have none" in shown
    assert "no score for status: 24 gold events have a status, the predictions have none" in shown
    some = score([*plain(GOLD[:3]), *GOLD[3:]]).report.events
    assert some.links.measures["strict"].recall == 0.75
    assert "links: the predictions say nothing of links in 3 of 12 articles, which counts as no link" in some.notes


def test_without_gold_there_is_no_section_but_a_remark_on_what_was_predicted():
    assert score(plain(GOLD), plain(GOLD)).report.events is None
    report = score(GOLD, plain(GOLD)).report
    assert (report.events.links, report.events.status) == (None, None)
    assert "no gold article was marked for links, so that the 48 predicted links are not scored" in report.notes
    assert "no gold event has a status, so that the predicted ones are not scored" in report.notes
    assert 'id="events-title"' not in render_page(report, [(a, a.spans) for a in GOLD])


def test_files_and_screens_show_links_and_status(tmp_path):
    hostile = [replace(a, links=(*a.links[:3], Link(a.spans[5], a.spans[4], "<script>"))) for a in GOLD]
    result = score(predicted(hostile, keep=0.5), hostile, run_dir=tmp_path / "o")
    report = json.loads((tmp_path / "o" / "report.json").read_text())
    assert report["events"]["links"]["measures"]["strict"]["recall"] == result.report.events.links.measures["strict"].recall
    assert {path.name for path in (tmp_path / "o").iterdir()} == set(SCORE_FILES)
    cases = [json.loads(line) for line in (tmp_path / "o" / "link_errors.jsonl").read_text().splitlines()]
    assert len(cases) == report["events"]["links"]["errors"]["missed"]["cases"]
    assert {case["gold"]["event"]["text"] for case in cases} == {"arrested", "fled"}
    page = (tmp_path / "o" / "report.html").read_text()
    assert 'id="events-title"' in page
    assert "<script>" not in page.split("</style>")[1].split('<script type="application/json"')[0]
    assert "&lt;script&gt;" in page
    markdown = render_scores_table(result.report)
    assert "### Links and records" in markdown
    assert "<script>" not in markdown
    shown = render_table(result.report)
    for words in ("whole records", "unlabelled, spans found", "always asserted", "gold / predicted"):
        assert words in shown
    again = score(tmp_path / "o", hostile).report
    assert again.events.links.measures == result.report.events.links.measures
    table = result.to_pandas().set_index(["scheme", "label"])
    assert table.recall["links, strict", "micro"] == report["events"]["links"]["measures"]["strict"]["recall"]
    assert table.support["status", "negated"] == 12


def tallies(found):
    links = {a.id: a.links for a in found}
    return tally_events([(g, list(f.spans)) for g, f in zip(GOLD, found, strict=True)], links, LABELS)


HOW = {"clusters": None, "level": 0.95, "trials": 500, "seed": 1}


def test_the_system_with_more_links_and_better_status_is_named():
    systems = {
        "weak": tallies(predicted(GOLD, keep=0.3, asserted=True)),
        "strong": tallies(predicted(GOLD, keep=0.9)),
        "silent": tallies(plain(GOLD)),
    }
    found = compare_events(systems, **HOW)
    assert found.links.systems == found.roles.systems == found.status.systems == ("weak", "strong")
    strict = found.links.pairs[0].difference("strict", "micro")
    assert strict.verdict == "second"
    assert strict.low < strict.difference < strict.high
    assert found.status.pairs[0].difference("status", "micro", "recall").difference == 0.5
    shown = render_event_comparison(found)
    assert "links, whole records" in shown
    assert "strong is better" in shown
    assert "silent: no score for links" in shown
    assert "links are compared only between systems that predict links, not silent" in shown
    json.dumps(found.to_json(), allow_nan=False)


def test_a_role_that_one_system_alone_predicts_is_compared_too():
    other = [replace(a, links=(*a.links[:3], replace(a.links[3], role="WITNESS"))) for a in GOLD]
    found = compare_events({"a": tallies(GOLD), "b": tallies(other)}, **HOW)
    assert {d.row for d in found.roles.pairs[0].differences} == {"AGENT", "TARGET", "PLACE", "WITNESS", "micro", "macro"}
    assert found.roles.pairs[0].difference("strict", "micro", "precision").difference == pytest.approx(-0.25)


def test_recipes_are_compared_over_their_seeds():
    systems = {
        "one": tuple(tallies(predicted(GOLD, keep=0.3, seed=n)) for n in range(3)),
        "other": tuple(tallies(predicted(GOLD, keep=0.9, seed=n)) for n in range(3)),
    }
    found = compare_events(systems, **HOW)
    assert found.links.runs == (3, 3)
    scores = [headline_scores(run) for run in systems["one"]]
    assert [row["links.strict"] for row in scores] == [
        pytest.approx(score(predicted(GOLD, keep=0.3, seed=n)).report.events.links.measures["strict"].f1) for n in range(3)
    ]
    assert {row["status.accuracy"] for row in scores} == {row["status.asserted"] for row in scores} == {1.0}
    assert found.links.pairs[0].difference("strict", "micro").verdict == "second"


def test_compare_reads_links_from_files(tmp_path):
    from eventtag.formats.jsonl import json_line

    for name, articles in (("gold", GOLD), ("a", predicted(GOLD, keep=0.3)), ("b", predicted(GOLD, keep=0.9))):
        (tmp_path / f"{name}.jsonl").write_text("".join(json_line(a) + "\n" for a in articles))
    result = eventtag.compare(
        tmp_path / "a.jsonl", tmp_path / "b.jsonl", gold=tmp_path / "gold.jsonl", clusters="number", resamples=200
    )
    pair = result.to_json()["events"]["links"]["pairs"][0]
    assert next(d for d in pair["differences"] if (d["scheme"], d["metric"]) == ("strict", "f1"))["difference"] > 0.3


def test_clusters_are_resampled_together():
    clusters = {a.id: a.meta["desk"] for a in GOLD}
    pairs = [(a, list(a.spans)) for a in predicted(GOLD, keep=0.5)]
    links = {a.id: a.links[:2] for a in GOLD}
    events = analyse_articles(pairs, LABELS, words=None, links=links, clusters=clusters, resamples=100).events
    assert events.links.units == 2


def test_one_article_has_scores_without_intervals():
    report = score(GOLD[:1], GOLD[:1]).report
    assert report.events.links.measures["strict"].intervals["f1"] is None
    assert "no interval for strict" in render_table(report)
