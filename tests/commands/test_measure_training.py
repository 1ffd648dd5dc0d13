"""The table of `scripts/measure_training.py` over finished runs."""

import subprocess
import sys
from dataclasses import replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

from warm import warm_programs

from eventtag.formats.jsonl import json_line
from eventtag.run_folder import claimed_folder

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "measure_training.py"


def test_the_table_compares_finished_runs_over_seeds_and_articles(corpus_file, articles, tmp_path):
    validation = [article for article in articles if article.meta["split"] == "validation"]
    for name, missing in (("all", (0, 0)), ("fewer", (1, 2)), ("one seed", (3,))):
        for seed, left_out in enumerate(missing, start=1):
            run = tmp_path / "runs" / name / str(seed)
            run.mkdir(parents=True)
            lines = (json_line(replace(article, spans=article.spans[left_out:])) + "\n" for article in validation)
            (run / "predictions.jsonl").write_text("".join(lines), encoding="utf-8")
    data = ["data=corpus", f"data.path={corpus_file}", "data.split_field=split"]
    command = [warm_programs() / "python", str(SCRIPT), str(tmp_path / "runs"), "--table", "--seeds", "1", "2", "--common", *data]
    command += [part for name in ("all", "fewer", "one seed", "not run") for part in ("--variant", name)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("corpus, validation: 4 articles")
    rows = {cells[0]: cells for line in done.stdout.splitlines() if (cells := [c.strip() for c in line.strip("| ").split("|")])}
    assert rows["all"][1:4] == ["2", "1.0000 (1.0000 to 1.0000)", ""]
    # 12 gold spans an article; without 1 or 2 of them recall is 11/12 or 10/12 and precision 1
    one, two = (2 * found / (12 + found) for found in (11, 10))
    assert rows["fewer"][2].startswith(f"{(one + two) / 2:.4f} (")
    assert rows["fewer"][3].startswith(f"{100 * ((one + two) / 2 - 1):+.2f} (seeds ")
    assert rows["one seed"][1] == "1"
    assert rows["one seed"][2] == f"{2 * 9 / 21:.4f}"
    assert "seeds" not in rows["one seed"][3]
    assert "not run" not in rows


def test_a_run_starts_in_a_directory_that_train_accepts(tmp_path, monkeypatch):
    spec = spec_from_file_location("measure_training", SCRIPT)
    script = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "measure_training", script)
    spec.loader.exec_module(script)
    started = []

    def command(arguments, output):
        run_dir = Path(next(a for a in arguments if a.startswith("run_dir=")).removeprefix("run_dir="))
        output.write_text("error: no such corpus\n", encoding="utf-8")
        with claimed_folder(run_dir, "train"):
            started.append(run_dir)
        return 1, 0.0

    monkeypatch.setattr(script, "_command", command)
    plan = script.Plan(tmp_path, ("data=sample",), {"default": ()}, (1,), "validation")
    assert "no such corpus" in script.run(plan, "default", 1)
    assert started == [tmp_path / "default" / "1"]
