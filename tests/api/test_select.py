"""`eventtag.select`: what is chosen, what is left out, and what comes back once it is annotated."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from conftest import ACTORS, EVENTS, PLACES, make_article

import eventtag
from eventtag.api.select import SelectResult
from eventtag.article import Article
from eventtag.encoding.tokens import tokenise
from eventtag.encoding.windows import plan_windows
from eventtag.errors import DataError, OutputError, SettingsError
from eventtag.estimates.sample_record import read_record
from eventtag.formats.jsonl import json_line
from eventtag.formats.records import uncarry
from eventtag.heads.softmax import SoftmaxHead
from eventtag.ledger import LossLedger
from eventtag.link import Link
from eventtag.tagging.tagger import Tagger


def fresh(number: int) -> Article:
    """An article that the checkpoint has not seen, near no other: two sentences with mentions and one without."""
    words = [f"word{number}x{part}" for part in range(20)]
    said = [
        f"{ACTORS[(number + part) % 8]}/ACTOR {EVENTS[(number * 3 + part) % 8]}/EVENT {words[2 * part]} in "
        f"{PLACES[(number * 5 + part) % 8]}/LOCATION {words[2 * part + 1]} ."
        for part in range(2)
    ]
    return make_article(f"new{number}", " ".join([*said, "Then", *words, "."]), meta={"desk": f"d{number % 3}"})


GOLD = {article.id: article for article in map(fresh, range(30))}


def raw(articles: Iterable[Article]) -> list[dict[str, Any]]:
    """The articles as nobody has annotated them."""
    return [{"id": article.id, "text": article.text, "desk": "news"} for article in articles]


def write_lines(path: Path, rows: Iterable[object]) -> Path:
    path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return write_lines(tmp_path / "pool.jsonl", raw(GOLD.values()))


def ways(result: SelectResult) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for article in result.articles:
        found.setdefault(article.meta["selected_by"], []).append(article.id)
    return found


def filled(article: Article) -> Article:
    """The article as an annotator leaves it: what is open has its gold, and all else none."""
    gold = GOLD[article.id].spans
    regions = article.annotated
    inside = [s for s in gold if not regions or any(a <= s.start and s.end <= b for a, b in regions)]
    return replace(article, spans=tuple(inside), annotated=regions or None)


def test_a_fifth_is_drawn_with_equal_probabilities_and_the_rest_by_the_strategy(
    checkpoint: Path, pool: Path, tmp_path: Path
) -> None:
    result = eventtag.select(checkpoint, pool, tmp_path / "out.jsonl", n=10, strategy="errors")
    found = ways(result)
    assert (len(found["sample"]), len(found["errors"])) == (2, 8)
    read = {article.id: article for article in eventtag.read_articles(tmp_path / "out.jsonl")}
    assert {read[name].meta["sample_probability"] for name in found["sample"]} == {2 / 30}
    assert not any("sample_probability" in read[name].meta for name in found["errors"])
    assert all(article.annotated == () and not article.spans for article in read.values())
    tagger = Tagger.load(checkpoint, threads=1)
    certainty = {item.article.id: sure for item, sure in tagger.tag_with_certainty(GOLD.values())}
    others = sorted((name for name in certainty if name not in found["sample"]), key=lambda name: certainty[name])
    assert set(found["errors"]) == set(others[:8])
    table = result.to_pandas()
    assert set(table.columns) >= {"article", "start", "end", "words", "selected_by", "score", "probability"}
    record = json.loads(result.record.read_text(encoding="utf-8"))
    assert record["checkpoint"]["sha256"] == (tagger.about or {})["sha256"]
    assert sum(record["words"].values()) == result.words == table["words"].sum()


def test_the_choice_depends_on_the_seed_and_not_on_the_order_of_the_pool(checkpoint: Path, pool: Path, tmp_path: Path) -> None:
    mixed = raw(GOLD.values())
    random.Random(3).shuffle(mixed)
    other = write_lines(tmp_path / "mixed.jsonl", mixed)
    same = [
        eventtag.select(checkpoint, path, tmp_path / f"{path.stem}.out.jsonl", n=10, strategy="random") for path in (pool, other)
    ]
    assert [a.id for a in same[0].articles] == [a.id for a in same[1].articles]
    third = eventtag.select(checkpoint, pool, tmp_path / "third.jsonl", n=10, strategy="random", seed=14)
    assert [a.id for a in third.articles] != [a.id for a in same[0].articles]


def test_what_the_checkpoint_has_seen_and_near_duplicates_are_left_out_and_counted(
    checkpoint: Path, articles: tuple[Article, ...], tmp_path: Path
) -> None:
    by_split = {split: next(a for a in articles if a.meta["split"] == split) for split in ("train", "validation", "test")}
    seen = [{"id": f"copy {split}", "text": article.text} for split, article in by_split.items()]
    near = {"id": "near", "text": by_split["train"].text + " Then."}
    twins = [{"id": f"twin{n}", "text": GOLD["new0"].text.replace("word0x19", f"changed{n}")} for n in range(2)]
    path = write_lines(tmp_path / "pool.jsonl", [*seen, near, *twins, *raw(list(GOLD.values())[1:8])])
    result = eventtag.select(checkpoint, path, tmp_path / "out.jsonl", n=50)
    assert result.left_out == {"learnt": 1, "chose": 1, "tested": 1, "near the seen": 1, "near each other": 1}
    names = {article.id for article in result.articles}
    assert names >= {f"new{n}" for n in range(1, 8)}
    assert len(names & {"twin0", "twin1"}) == 1
    assert len(names) == 8
    assert "1 articles are left out: they test the checkpoint" in result.notes
    with pytest.raises(DataError, match="holds no article to choose: left out are 1 because the checkpoint learnt from them"):
        eventtag.select(checkpoint, write_lines(tmp_path / "seen.jsonl", seen), tmp_path / "none.jsonl")
    assert not list(tmp_path.glob("none.jsonl*"))


def test_without_the_run_only_what_the_checkpoint_itself_knows_is_left_out_and_that_is_said(
    checkpoint: Path, articles: tuple[Article, ...], tmp_path: Path
) -> None:
    import shutil

    alone = shutil.copytree(checkpoint, tmp_path / "alone")
    seen = next(a for a in articles if a.meta["split"] == "train")
    path = write_lines(tmp_path / "pool.jsonl", [{"id": "seen", "text": seen.text}, *raw(list(GOLD.values())[:5])])
    result = eventtag.select(alone, path, tmp_path / "out.jsonl", n=4)
    assert result.left_out == {"learnt": 1}
    assert any(
        "near-duplicates of articles that the checkpoint has seen, and its test articles, are not left out" in note
        for note in result.notes
    )


def test_annotated_regions_are_not_offered_again(checkpoint: Path, tmp_path: Path) -> None:
    half, whole, none = (GOLD[f"new{n}"] for n in range(3))
    edge = half.text.index(".") + 1
    inside = tuple(span for span in half.spans if span.end <= edge)
    rows = [
        json_line(replace(half, spans=inside, annotated=((0, edge),))),
        json_line(whole),
        json_line(replace(none, spans=(), annotated=())),
        *(json_line(replace(GOLD[f"new{n}"], spans=(), annotated=(), labels=("ACTOR",))) for n in range(3, 6)),
        json_line(replace(GOLD["new6"], spans=GOLD["new6"].spans[:1], labels=("ACTOR",))),
        {"id": "bare", "text": GOLD["new9"].text},
        {"id": "unsaid", "text": GOLD["new8"].text, "spans": []},
    ]
    path = write_lines(tmp_path / "pool.jsonl", rows)
    settings: dict[str, Any] = {"n": 50, "unit": "sentence", "random_share": 0}
    result = eventtag.select(checkpoint, path, tmp_path / "out.jsonl", suggestions=True, **settings)
    assert result.left_out == {"annotated": 2, "some labels": 1}
    assert all(article.labels is None for article in result.articles)
    assert any(note.startswith("1 articles have no spans and do not say") for note in result.notes)
    assert "1 articles are partly annotated; they keep their annotation and get no suggestions" in result.notes
    units = result.to_pandas().query("article == 'new0'")
    assert len(units) == 2
    assert units["start"].min() >= edge
    task = next(article for article in result.articles if article.id == "new0")
    assert task.spans == inside
    assert task.annotated is not None
    assert task.annotated[0] == (0, edge)
    whole_articles = eventtag.select(checkpoint, path, tmp_path / "articles.jsonl", n=50, random_share=0)
    words = whole_articles.to_pandas().set_index("article")["words"]
    assert words["new0"] == words["new2"] - len(half.text[:edge].split())


def test_of_an_article_that_was_learnt_in_part_the_rest_may_be_chosen_but_not_drawn(
    checkpoint: Path, articles: tuple[Article, ...], tmp_path: Path
) -> None:
    learnt = next(a for a in articles if a.meta["split"] == "train")
    edge = learnt.text.index(".") + 1
    part = replace(learnt, id="part", annotated=((0, edge),), spans=tuple(s for s in learnt.spans if s.end <= edge), meta={})
    near = {"id": "near", "text": learnt.text + " Then."}
    path = write_lines(tmp_path / "pool.jsonl", [json_line(part), near, *raw(list(GOLD.values())[:3])])
    result = eventtag.select(checkpoint, path, tmp_path / "out.jsonl", n=50, unit="sentence")
    assert result.left_out == {"near the seen": 1}
    assert any(note.startswith("the checkpoint has learnt from a part of 1 articles") for note in result.notes)
    task = next(article for article in result.articles if article.id == "part")
    assert task.meta["selected_by"] == "mentions"
    assert task.spans == part.spans
    assert task.annotated is not None
    assert [task.text[start:end].count(".") for start, end in task.annotated] == [1, 1, 1]
    drawn = eventtag.select(checkpoint, path, tmp_path / "drawn.jsonl", n=50, random_share=1)
    assert ways(drawn) == {"sample": [article.id for article in drawn.articles]}
    assert {article.id for article in drawn.articles} == {"new0", "new1", "new2"}


def test_predicted_links_are_not_taken_for_those_of_people(checkpoint: Path, tmp_path: Path) -> None:
    found = [replace(a, spans=tuple(replace(s, score=0.9) for s in a.spans)) for a in GOLD.values()]
    linked = [replace(a, links=(Link(a.spans[1], a.spans[0], "AGENT", 0.8),)) for a in found]
    path = write_lines(tmp_path / "tagged.jsonl", map(json_line, linked))
    result = eventtag.select(checkpoint, path, tmp_path / "out.jsonl", n=5)
    assert all(article.links is None and not article.spans for article in result.articles)


@pytest.mark.parametrize(
    ("name", "format_name", "minimal"),
    [
        ("tasks.jsonl", "auto", False),
        ("tasks.json", "label_studio", False),
        ("tasks.json", "label_studio", True),  # JSON_MIN, which lacks the tasks' own metadata
        ("tasks.jsonl", "prodigy", False),
        ("tasks.jsonl", "doccano", False),
    ],
)
def test_only_the_open_sentences_come_back_as_annotated(
    checkpoint: Path, pool: Path, tmp_path: Path, name: str, format_name: str, minimal: bool
) -> None:
    path = tmp_path / name
    result = eventtag.select(checkpoint, pool, path, format=format_name, unit="sentence", n=12, strategy="mentions")
    units = [unit for unit in result.units if unit.selected_by == "mentions"]
    if format_name == "label_studio":
        assert '<Header value="$to_annotate"' in (tmp_path / "tasks.xml").read_text(encoding="utf-8")
        assert all(article.annotated == () for article in eventtag.read_articles(path))  # nobody has submitted anything
        tasks = json.loads(path.read_text(encoding="utf-8"))
        opened = {article.id: article for article in result.articles}
        for task in tasks:
            assert task["data"]["to_annotate"]
            answer = filled(opened[task["meta"]["eventtag"]["id"]])
            value = [{"start": s.start, "end": s.end, "text": answer.mention(s), "labels": [s.label]} for s in answer.spans]
            regions = [{"from_name": "label", "to_name": "text", "type": "labels", "value": one} for one in value]
            task["annotations"] = [{"completed_by": 1, "result": regions}]
            task["minimal"] = {"id": task["meta"]["eventtag"]["id"], **task["data"], "annotation_id": 1, "lead_time": 1}
            task["minimal"] |= {"label": value} if value else {}  # a control without regions is missing
        exported = [task.pop("minimal") for task in tasks]
        path.write_text(json.dumps(exported if minimal else tasks), encoding="utf-8")
    elif format_name in ("prodigy", "doccano"):
        opened = {article.id: article for article in result.articles}
        rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for row in rows:
            answer = filled(opened[row["eventtag"]["id"]])
            if format_name == "prodigy":
                assert row["meta"]["to_annotate"]
                row |= {"spans": [{"start": s.start, "end": s.end, "label": s.label} for s in answer.spans], "answer": "accept"}
            else:
                row["label"] = [[s.start, s.end, s.label] for s in answer.spans]
        write_lines(path, rows)
    else:
        lines = [json_line(filled(article)) for article in eventtag.read_articles(path)]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    tagger = Tagger.load(checkpoint, threads=1)
    learnt = 0
    for article in eventtag.read_articles(path):
        tokens = tokenise(article.text, tagger.tokenizer)
        windows = list(plan_windows(tokens, capacity=22, stride=6))
        targets = SoftmaxHead().targets(article, tokens, windows, tagger.labels, ledger=LossLedger())
        if article.meta["selected_by"] == "sample":
            assert article.annotated is None
            assert article.spans == GOLD[article.id].spans
            assert (targets.tag_ids >= 0).all()
            continue
        assert article.annotated == tuple(sorted((u.start, u.end) for u in units if u.article == article.id))
        learnt += int((targets.tag_ids >= 0).sum())
    assert learnt == sum(unit.words for unit in units)


def test_suggestions_are_inside_the_open_sentences_and_never_in_what_was_drawn(
    checkpoint: Path, pool: Path, tmp_path: Path
) -> None:
    result = eventtag.select(
        checkpoint, pool, tmp_path / "out.json", format="label_studio", unit="sentence", n=12, suggestions=True
    )
    tasks = {task["meta"]["eventtag"]["id"]: task for task in json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))}
    shown = 0
    for article in result.articles:
        [prediction] = tasks[article.id]["predictions"]
        assert len(prediction["result"]) == len(article.spans)
        if article.meta["selected_by"] == "sample":
            assert not article.spans
        else:
            assert all(article.all_annotated(span.start, span.end) for span in article.spans)
            shown += len(article.spans)
    assert shown


def test_a_format_that_holds_no_regions_is_refused_before_anything_is_tagged(
    checkpoint: Path, pool: Path, tmp_path: Path
) -> None:
    with pytest.raises(
        SettingsError, match="format=brat cannot hold which sentences of an article are to be annotated; choose jsonl"
    ):
        eventtag.select(checkpoint, pool, tmp_path / "out", format="brat", unit="sentence")
    result = eventtag.select(checkpoint, pool, tmp_path / "out", format="brat", n=3)
    assert any("brat cannot say which articles nobody has annotated yet" in note for note in result.notes)
    assert any("brat does not hold how each article was chosen" in note for note in result.notes)
    with pytest.raises(OutputError, match="exists already"):
        eventtag.select(checkpoint, pool, tmp_path / "out", format="brat", n=3)


def test_a_budget_of_words_is_kept(checkpoint: Path, pool: Path, tmp_path: Path) -> None:
    for unit in ("article", "sentence"):
        result = eventtag.select(checkpoint, pool, tmp_path / f"{unit}.jsonl", words=300, unit=unit, strategy="mentions")
        chosen = [found for found in result.units if found.selected_by == "mentions"]
        assert 240 - 45 < sum(found.words for found in chosen) <= 240
        assert [found.score for found in chosen] == sorted((found.score for found in chosen), reverse=True)  # type: ignore[type-var]


def test_estimate_takes_what_was_drawn_and_leaves_out_what_a_strategy_chose(checkpoint: Path, pool: Path, tmp_path: Path) -> None:
    result = eventtag.select(checkpoint, pool, tmp_path / "s.jsonl", n=20, strategy="mentions", random_share=0.5)
    gold = [filled(article) for article in result.articles]
    tagged = list(GOLD.values())
    found = eventtag.estimate(tagged, gold, quantities=["EVENT"])
    assert any(
        note.startswith("10 of 20 annotated articles were chosen by a strategy of `eventtag select`") for note in found.notes
    )
    assert found.quantities[0].whole.corrected.value == pytest.approx(2)
    bare = [replace(article, meta={}) for article in gold]  # as a tool returns them that keeps no metadata
    record = result.record.with_name("s.jsonl.sample.json")
    assert len(read_record(record).besides) == 10
    same = eventtag.estimate(tagged, bare, quantities=["EVENT"], record=record)
    assert same.quantities[0].whole.corrected == found.quantities[0].whole.corrected
    chosen = [article for article in gold if article.meta["selected_by"] != "sample"]
    with pytest.raises(SettingsError, match="was made by `eventtag select`, and 10 of its articles were not drawn"):
        eventtag.sample(tagged, tmp_path / "more.jsonl", n=5, extend=tmp_path / "s.jsonl")
    with pytest.raises(DataError, match="all of its 10 articles were chosen by a strategy"):
        eventtag.estimate(tagged, chosen, quantities=["EVENT"], drawn="random")
    with pytest.raises(DataError, match="some of its articles were chosen by a strategy"):
        eventtag.plan(gold, gold, f1=0.1)


def test_bad_rows_are_dead_letters_and_too_many_of_them_are_an_error(checkpoint: Path, tmp_path: Path) -> None:
    path = write_lines(tmp_path / "pool.jsonl", ["{", *raw(GOLD.values()), {"id": "new1", "text": "again"}])
    with pytest.raises(DataError, match="2 of 32 rows could not be tagged, which is more than max_bad_rows=1"):
        eventtag.select(checkpoint, path, tmp_path / "out.jsonl", n=5, max_bad_rows=1)
    letters = [json.loads(line) for line in (tmp_path / "out.jsonl.dead_letter.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [letter["row"] for letter in letters] == [0, 31]
    assert len(list(eventtag.read_articles(tmp_path / "out.jsonl"))) == 5
    allowed = eventtag.select(checkpoint, path, tmp_path / "allowed.jsonl", n=5, max_bad_rows=2)
    (said,) = [note for note in allowed.notes if "could not be read" in note]
    assert said.startswith("2 of 32 rows could not be read or tagged and are left out (")
    assert "allowed.jsonl.dead_letter.jsonl): 1 read: " in said


def test_pools_of_other_kinds_are_read(checkpoint: Path, tmp_path: Path) -> None:
    eventtag.write_articles([replace(a, spans=(), annotated=()) for a in GOLD.values()], tmp_path / "tasks.json", "label_studio")
    (tmp_path / "texts").mkdir()
    for article in GOLD.values():
        (tmp_path / "texts" / f"{article.id}.txt").write_text(article.text, encoding="utf-8")
    eventtag.write_predictions(
        [replace(a, spans=()) for a in GOLD.values()], tmp_path / "tagged.parquet", "parquet", ledger=LossLedger()
    )
    eventtag.write_predictions(GOLD.values(), tmp_path / "spans.csv", "csv", ledger=LossLedger())
    for name in ("tasks.json", "texts", "tagged.parquet"):
        result = eventtag.select(checkpoint, tmp_path / name, tmp_path / f"{name}.out.jsonl", n=5)
        assert (len(result.articles), result.pool) == (5, 30), name
    with pytest.raises(DataError, match="its rows are spans"):
        eventtag.select(checkpoint, tmp_path / "spans.csv", tmp_path / "none.jsonl")


def test_a_sentence_to_annotate_that_is_not_in_the_text_is_refused() -> None:
    article = Article("a", "Police met. Then it rained.", meta={"to_annotate": "Then it rained.\n\nPolice met."})
    with pytest.raises(DataError, match=r"article 'a': `to_annotate` has 'Police met\.', which is not in its text"):
        uncarry(article, None, ledger=LossLedger())
    ledger = LossLedger()
    found = uncarry(replace(article, meta={"to_annotate": "Police met.\n\nThen it rained."}), None, ledger=ledger)
    assert found.annotated == ((0, 11), (12, 27))
    assert list(ledger.remarks) == ["what was annotated is taken from `to_annotate`, as the export lacks the field `eventtag`"]


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"n": 0}, "n=0 is not allowed"),
        ({"n": 5, "words": 100}, "n=5 is not allowed: not with words"),
        ({"random_share": 1.5}, "random_share=1.5 is not allowed: 0 to 1"),
        ({"strategy": "best"}, "strategy"),
        ({"output": "-"}, "output=- is not allowed"),
        ({"format": "conl"}, "unknown format 'conl'"),
    ],
)
def test_wrong_settings_are_refused(checkpoint: Path, pool: Path, tmp_path: Path, settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        eventtag.select(checkpoint, pool, **{"output": tmp_path / "out.jsonl", **settings})
