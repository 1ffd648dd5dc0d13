"""scripts/read_records.py cuts articles by its rule and counts a reader's judgements; those in the docs are well formed."""

import json
from pathlib import Path

from read_records import SENTENCES, choose, joined, read_lines, table

JUDGEMENTS = Path(__file__).parents[2] / "docs" / "evidence" / "records-read.jsonl"
KINDS = {
    "right": set(),
    "slip": {"all missing", "one missing", "extra", "role", "extent", "status"},
    "wrong": {"who", "swapped", "no event", "double"},
}


def test_tokens_are_joined_as_they_were_written():
    assert joined("`` Go , '' he said ( twice ) : it 's 5 % . They do n't .") == "\"Go,\" he said (twice): it's 5%. They don't."


def test_the_first_articles_and_sentences_are_chosen(tmp_path):
    text = " ".join(f"Sentence {n} ends." for n in "abcdefgh")
    for name, ids in {
        "gum_news": [f"G{n:02d}" for n in range(30, 0, -1)],
        "re3d": [f"R{n:02d}" for n in range(12)],
        "ecbplus": [f"{n}_{m}ecb" for n in range(12, 0, -1) for m in (2, 1)],
    }.items():
        meta = {"dateCreated": "2014-03-05"} if name == "gum_news" else {}
        lines = [json.dumps({"id": id_, "text": text, "meta": meta}) for id_ in ids]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines), encoding="utf-8")
    chosen = choose(tmp_path)
    expected = [f"G{n:02d}" for n in range(1, 21)] + [f"R{n:02d}" for n in range(10)] + [f"{n}_1ecb" for n in range(1, 11)]
    assert [article["id"] for article in chosen] == expected
    assert {article["text"].count(".") for article in chosen} == {SENTENCES}
    assert chosen[0]["meta"] == {"corpus": "gum_news", "date": "2014-03-05"}
    assert chosen[-1]["meta"] == {"corpus": "ecbplus"}


def test_the_table_counts_rows_and_leaves_missing_ones_out_of_the_shares():
    row = {"article_id": "a", "corpus": "x", "status": "asserted"}
    judgements = [
        {**row, "verdict": "right", "date": "right"},
        {**row, "verdict": "slip", "kinds": ["status", "role"], "status": "future"},
        {**row, "verdict": "wrong", "kinds": ["who"], "article_id": "b"},
        {**row, "verdict": "right"},
        {"article_id": "b", "corpus": "x", "event": "fled", "verdict": "missing"},
    ]
    lines = table(judgements, rounds=10)
    assert "| x | 2 | 4 | 2 (50.0%) | 1 (25.0%) | 1 (25.0%) | 1 |" in lines
    assert "| asserted | 2 | 3 | 2 (66.7%) | 0 (0.0%) | 1 (33.3%) |  |" in lines
    assert {"wrong: who 1", "slip: status 1, role 1", "date: right 1"} <= set(lines)


def test_each_judgement_of_the_docs_has_a_known_verdict_and_kinds_that_fit():
    rows = [one for one in read_lines(JUDGEMENTS) if one["verdict"] != "missing"]
    assert len({(one["article_id"], one["start"], one["end"]) for one in rows}) == len(rows)
    for one in rows:
        kinds = one.get("kinds", [])
        assert set(kinds) <= KINDS[one["verdict"]]
        assert bool(kinds) == (one["verdict"] != "right")
        assert not {"all missing", "one missing"} <= set(kinds)
