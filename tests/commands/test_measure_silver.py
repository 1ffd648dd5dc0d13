"""`scripts/measure_silver.py` with the tiny model: which articles are gold and silver, and the table."""

import json
import subprocess
from pathlib import Path

from conftest import REPOSITORY
from warm import warm_programs

from eventtag import read_articles
from eventtag.tagging.tagger import Tagger


def test_silver_is_what_the_tagger_finds_in_articles_that_are_never_gold(trained_run, corpus_file, tmp_path):
    folder = tmp_path / "silver"
    command = [
        warm_programs() / "python", REPOSITORY / "scripts" / "measure_silver.py", folder, "--tagger", trained_run, "--gold", "5", "10",
        "--silver", "8", "--seeds", "1", "--arms", "none", "silver", "--train", "data=corpus", f"data.path={corpus_file}",
        "data.split_field=split", "model=tiny", "window.max_length=24", "window.stride=6", "trainer.epochs=1", "trainer.adversarial=0",
    ]  # fmt: skip
    for size in ("5", "10"):  # all but one result is there
        for arm in ("none", "silver", "sample", "sample+silver"):
            result = folder / "1" / size / f"{arm}.json"
            result.parent.mkdir(parents=True, exist_ok=True)
            if (size, arm) != ("5", "silver"):
                result.write_text(json.dumps({"f1": 0.5 + 0.1 * (arm == "sample+silver")}))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "| 10 | 1 | 50.00 | 50.00 | 50.00 | 60.00 | +0.00 | +10.00 |" in done.stdout
    f1 = json.loads((folder / "1" / "5" / "silver.json").read_text())["f1"]
    assert f"seed 1, 5 gold articles, silver: F1 {f1:.4f}\n" in done.stdout
    assert not list(Path(folder).rglob("*.run"))

    gold = {article.id: article for article in read_articles(corpus_file)}
    silver = list(read_articles(folder / "1" / "silver.jsonl"))
    assert len(silver) == 8
    assert {article.meta["split"] for article in silver} == {"train", "validation"}
    originals = [gold[article.id.removeprefix("silver/")] for article in silver]
    assert all(article.meta["split"] != "test" for article in originals)
    tagger = Tagger.load(trained_run, threads=1)
    assert [article.text for article in silver] == [article.text for article in originals]
    assert [article.spans for article in silver] == [tagger.tag(article.text) for article in originals]

    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert again.stdout.splitlines() == done.stdout.splitlines()[1:]
