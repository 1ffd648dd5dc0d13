"""A sample says how likely each of its articles was, and can be extended without losing what was annotated."""

import json
from dataclasses import replace

import pytest

import eventtag
from eventtag.article import Article
from eventtag.corpus.seen import seen_articles, write_seen
from eventtag.errors import DataError, OutputError, SettingsError
from eventtag.span import Span


def tagged_pool(count=60, copies=3):
    """Tagged articles of five countries, the first of which stands there in several copies."""
    found = []
    for number in range(count):
        text = f"Police met miners. {' '.join(f'word{number}x{part}' for part in range(30))}."
        spans = (Span(7, 10, "EVENT", 0.75), Span(0, 6, "ACTOR", 0.9)) if number % 6 == 0 else ()
        found.append(Article(f"a{number}", text, spans, meta={"country": f"c{number % 5}"}))
    copied = [replace(found[0], id=f"copy{part}", text=f"{found[0].text} Reuters.", spans=()) for part in range(copies)]
    return [*found, *copied]


@pytest.fixture
def pool(tmp_path):
    path = tmp_path / "pool.jsonl"
    eventtag.write_articles(tagged_pool(), path)
    return path


def test_each_drawn_article_says_how_likely_it_was_and_nobody_has_annotated_it(pool, tmp_path):
    result = eventtag.sample(pool, tmp_path / "s.jsonl", n=20, by=["country"])
    written = list(eventtag.read_articles(tmp_path / "s.jsonl"))
    assert [a.id for a in written] == [a.id for a in result.articles]
    assert sum(row.drawn for row in result.strata) == 20
    assert all(a.annotated == () and a.spans == () for a in written)
    for article in written:
        row = next(row for row in result.strata if row.stratum == article.meta["sample_stratum"])
        assert article.meta["sample_probability"] == pytest.approx(row.drawn / row.units)
        assert article.meta["sample_unit"] == ("a0" if article.id.startswith("copy") else article.id)
    assert "63 articles are 60 units: near-duplicates together (4 articles in 1 units)" in result.notes


def test_fields_may_be_one_text_with_commas(pool, tmp_path):
    strata = [eventtag.sample(pool, tmp_path / f"{by}.jsonl", n=20, by=by).strata for by in ("country", "country, country")]
    assert strata[0] == strata[1] == eventtag.sample(pool, tmp_path / "s.jsonl", n=20, by=["country"]).strata


def test_near_duplicates_are_drawn_together_or_one_of_them(tmp_path):
    pool = tagged_pool(4)
    everything = eventtag.sample(pool, tmp_path / "all.jsonl", n=4)
    assert len(everything.articles) == 7
    one = eventtag.sample(pool, tmp_path / "one.jsonl", n=4, copies="one")
    assert sorted(a.meta["sample_unit"] for a in one.articles) == ["a0", "a1", "a2", "a3"]
    assert sorted(a.meta["sample_probability"] for a in one.articles) == [0.25, 1, 1, 1]
    apart = eventtag.sample(pool, tmp_path / "apart.jsonl", n=7, look_for_duplicates=False)
    assert {a.meta["sample_unit"] for a in apart.articles} == {a.id for a in pool}


def test_predicted_counts_make_an_article_likelier_by_the_sum_of_their_scores(pool, tmp_path):
    result = eventtag.sample(pool, tmp_path / "s.jsonl", n=12, counts=["EVENT"])
    table = result.to_pandas().set_index("id")["sample_probability"]
    with_event = [table[name] for name in table.index if name[0] == "a" and int(name[1:]) % 6 == 0]
    without = [table[name] for name in table.index if name[0] == "a" and int(name[1:]) % 6]
    assert with_event == pytest.approx([12 * (0.5 / 60 + 0.5 / 10)] * len(with_event))
    assert without == pytest.approx([12 * 0.5 / 60] * len(without))
    with pytest.raises(SettingsError, match=r"counts: no article of .* has a span of EVNT"):
        eventtag.sample(pool, tmp_path / "t.jsonl", n=12, counts=["EVNT"])


def test_the_draw_depends_on_the_seed_and_not_on_the_order_of_the_pool(tmp_path):
    articles = tagged_pool()
    first = eventtag.sample(articles, tmp_path / "a.jsonl", n=15, by=["country"])
    turned = eventtag.sample(articles[::-1], tmp_path / "b.jsonl", n=15, by=["country"])
    other = eventtag.sample(articles, tmp_path / "c.jsonl", n=15, by=["country"], seed=14)
    names = [{a.id for a in result.articles} for result in (first, turned, other)]
    assert names[0] == names[1] != names[2]


def annotate(tasks):
    """What Label Studio gives back after somebody has marked the first word of each open task."""
    for task in tasks:
        if not task["annotations"]:
            value = {"start": 0, "end": 6, "text": "Police", "labels": ["ACTOR"]}
            task["annotations"] = [
                {"result": [{"id": "x", "from_name": "label", "to_name": "text", "type": "labels", "value": value}]}
            ]
    return tasks


def test_a_sample_annotated_in_label_studio_is_extended_without_losing_anything(pool, tmp_path):
    first = eventtag.sample(pool, tmp_path / "s.json", n=10, counts=["EVENT"], output_format="label_studio")
    tasks = json.loads((tmp_path / "s.json").read_text())
    assert all(task["annotations"] == [] and task["predictions"] == [] for task in tasks)
    (tmp_path / "export.json").write_text(json.dumps(annotate(tasks)))
    done = {a.id: a for a in eventtag.read_articles(tmp_path / "export.json")}
    assert all(a.spans == (Span(0, 6, "ACTOR"),) and a.annotated is None for a in done.values())
    more = eventtag.sample(
        pool, tmp_path / "t.json", n=10, extend=tmp_path / "export.json", record=first.record, output_format="label_studio"
    )
    found = {a.id: a for a in eventtag.read_articles(tmp_path / "t.json")}
    assert {a.id for a in first.articles} == set(found) - more.new
    assert all(found[name].spans == article.spans for name, article in done.items())
    assert all(found[name].annotated == () for name in more.new)
    assert sum(row.drawn for row in more.strata) == pytest.approx(20, abs=2)
    at_once = eventtag.sample(pool, tmp_path / "once.jsonl", n=20, counts=["EVENT"], seed=99)
    once = {a.id: a.meta["sample_probability"] for a in at_once.articles}
    shared = [name for name in once if name in found]
    assert [found[name].meta["sample_probability"] for name in shared] == pytest.approx([once[name] for name in shared])
    again = eventtag.sample(pool, tmp_path / "u.jsonl", n=5, extend=tmp_path / "t.json")
    assert set(found) <= {a.id for a in again.articles}


def test_a_sample_is_extended_from_its_own_pool_only(pool, tmp_path):
    eventtag.sample(pool, tmp_path / "s.jsonl", n=10)
    with pytest.raises(DataError, match=r"the pool is another: 43 articles where the sample was drawn from 63"):
        eventtag.sample(tagged_pool(40), tmp_path / "t.jsonl", n=5, extend=tmp_path / "s.jsonl")
    with pytest.raises(SettingsError, match="the design is that of the earlier sample"):
        eventtag.sample(pool, tmp_path / "t.jsonl", n=5, extend=tmp_path / "s.jsonl", by=["country"])
    with pytest.raises(DataError, match=r"none\.sample\.json: there is no such record of a sample"):
        eventtag.sample(pool, tmp_path / "t.jsonl", n=5, extend=tmp_path / "none")
    with pytest.raises(OutputError, match=r"s\.jsonl exists already"):
        eventtag.sample(pool, tmp_path / "s.jsonl", n=5)
    eventtag.sample(pool, tmp_path / "counted.jsonl", n=10, counts=["EVENT"])
    changed = [replace(a, spans=()) if a.id != "a6" else a for a in tagged_pool()]
    with pytest.raises(DataError, match=r"was drawn with probability .* and from this pool it would have been"):
        eventtag.sample(changed, tmp_path / "t.jsonl", n=5, extend=tmp_path / "counted.jsonl")


def test_articles_that_training_saw_are_left_out(pool, tmp_path):
    articles = tagged_pool()
    write_seen(seen_articles(learnt=articles[:20], chose=articles[20:30], read=articles[30:]), tmp_path)
    result = eventtag.sample(pool, tmp_path / "s.jsonl", n=31, checkpoint=tmp_path)
    assert {a.id for a in result.articles} == {a.id for a in articles[30:]}  # the copies of a learnt article are others
    assert any("30 articles; near-duplicates with other words stay" in note for note in result.notes)


def test_a_tagged_article_with_annotated_regions_is_open_all_the_same(tmp_path):
    tagged = [replace(a, annotated=((0, 6),), labels=("ACTOR", "EVENT")) for a in tagged_pool(10, 0)]
    assert all(a.annotated == () for a in eventtag.sample(tagged, tmp_path / "s.jsonl", n=4).articles)


def test_people_s_annotations_are_kept_and_files_without_spans_are_read(tmp_path):
    gold = [replace(a, spans=(Span(0, 6, "ACTOR"),)) for a in tagged_pool(10, 0)]
    assert all(a.spans for a in eventtag.sample(gold, tmp_path / "gold.jsonl", n=4).articles)
    (tmp_path / "new.csv").write_text("id,text,country\n" + "".join(f"{a.id},{a.text},x\n" for a in gold))
    result = eventtag.sample(tmp_path / "new.csv", tmp_path / "s.csv", n=4, by=["country"])
    assert len(list(eventtag.read_articles(tmp_path / "s.csv"))) == 4
    assert any(note.startswith("read as new articles, without spans") for note in result.notes)


def test_fields_to_stratify_by_are_checked_and_dates_make_months(tmp_path):
    dated = [replace(a, meta={"published": f"2024-0{n % 3 + 1}-09"}) for n, a in enumerate(tagged_pool(30, 0))]
    found = eventtag.sample(dated, tmp_path / "s.jsonl", n=9, by=["month"])
    assert [(row.stratum, row.drawn) for row in found.strata] == [("2024-01", 3), ("2024-02", 3), ("2024-03", 3)]
    with pytest.raises(SettingsError, match=r"by: .*'publisher'"):
        eventtag.sample(dated, tmp_path / "t.jsonl", n=9, by=["publisher"])


def test_a_table_of_spans_holds_no_article_to_annotate(tmp_path):
    ledger = eventtag.LossLedger()
    eventtag.write_predictions(tagged_pool(12, 0), tmp_path / "tagged.csv", "csv", ledger=ledger)
    with pytest.raises(DataError, match=r"tagged.csv: its rows are spans, .* holds no texts to annotate"):
        eventtag.sample(tmp_path / "tagged.csv", tmp_path / "s.jsonl", n=3)
    eventtag.write_predictions(tagged_pool(12, 0), tmp_path / "tagged.parquet", "parquet", ledger=ledger)
    assert len(eventtag.sample(tmp_path / "tagged.parquet", tmp_path / "s.jsonl", n=3, counts=["EVENT"]).articles) == 3
