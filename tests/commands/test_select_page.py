"""The commands of docs/how-to/select.md run one after the other, with a tiny model; the test plays the annotators."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from conftest import REPOSITORY, make_distinct
from test_hydra_commands import run

PAGE = REPOSITORY / "docs" / "how-to" / "select.md"


def test_the_commands_of_the_page_run(trained_run: Path, tmp_path: Path) -> None:
    gold = {article.id: article for article in make_distinct(12, train=12)}
    rows = [json.dumps({"id": name, "text": article.text}) for name, article in gold.items()]
    (tmp_path / "new_articles.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "outputs").mkdir()
    (tmp_path / "outputs" / "mine").symlink_to(trained_run)
    page = PAGE.read_text(encoding="utf-8")
    first, sentences = (shlex.split(command)[1:] for command in re.findall(r"^eventtag select .*$", page, re.MULTILINE))
    done = run(*first, "random_share=0.1", cwd=tmp_path)
    assert "tasks.json: SelectResult(12 units in 12 articles, " in done.stdout
    assert "words are in articles drawn at random" in done.stderr
    assert "mentions chose 7 of 45 articles; the pool has no more that fit" in done.stderr
    assert sorted(path.name for path in tmp_path.glob("tasks.*")) == [
        "tasks.json", "tasks.json.sample.json", "tasks.json.selection.json", "tasks.xml",
    ]  # fmt: skip
    refused = run(*first, cwd=tmp_path, code=1)
    assert "tasks.json exists already and is not overwritten" in refused.stderr
    assert "Header" not in (tmp_path / "tasks.xml").read_text(encoding="utf-8")
    run(*sentences, cwd=tmp_path)
    assert '<Header value="$to_annotate"' in (tmp_path / "sentences.xml").read_text(encoding="utf-8")

    tasks = json.loads((tmp_path / "tasks.json").read_text(encoding="utf-8"))
    for task in tasks:
        article = gold[task["meta"]["eventtag"]["id"]]
        values = [{"start": s.start, "end": s.end, "text": article.mention(s), "labels": [s.label]} for s in article.spans]
        regions = [{"from_name": "label", "to_name": "text", "type": "labels", "value": value} for value in values]
        task["annotations"] = [{"completed_by": 1, "result": regions}]
    (tmp_path / "annotated.json").write_text(json.dumps(tasks), encoding="utf-8")
    [evaluate] = re.findall(r"`eventtag (evaluate .*?selected_by .*?)`", page)
    run(*shlex.split(evaluate), "run_dir=scored", "evaluation.resamples=100", cwd=tmp_path)
    report = json.loads((tmp_path / "scored" / "report.json").read_text(encoding="utf-8"))
    assert report["data"]["articles"] == 5
    assert report["data"]["split"] == "test"


def test_progress_and_mistakes_are_said(trained_run: Path, tmp_path: Path) -> None:
    wrong = run(
        "select", f"checkpoint={trained_run}", "input=none.jsonl", "output=o.jsonl", "strategy=best", cwd=tmp_path, code=1
    )
    assert "errors, mentions, random" in wrong.stderr
    missing = run("select", f"checkpoint={trained_run}", "input=none.jsonl", "output=o.jsonl", cwd=tmp_path, code=1)
    assert "none.jsonl: no such file or folder; check input=" in missing.stderr
    assert not list(tmp_path.glob("o.jsonl*"))
