"""`scripts/measure_selection.py`: rounds of the tiny model, and the table over rounds that are there."""

import json
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest
from warm import warm_programs

SCRIPT = Path(__file__).resolve().parents[2] / "scripts" / "measure_selection.py"
STRATEGIES = ("mentions", "random", "fluctuation", "dropout", "diversity")


@pytest.fixture
def script(monkeypatch):
    spec = spec_from_file_location("measure_selection", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "measure_selection", module)
    spec.loader.exec_module(module)
    return module


def test_rounds_are_simulated_once_and_a_round_reads_what_it_may(corpus_file, tmp_path):
    command = [
        warm_programs() / "python", str(SCRIPT), str(tmp_path / "rounds"), "--seeds", "1", "--rounds", "1", "--words", "14", "--pool", "6",
        "--first", "3", "--validation", "3", "--strategies", *STRATEGIES, "--train", "data=corpus", f"data.path={corpus_file}",
        "data.split_field=split", "model=tiny", "window.max_length=24", "window.stride=6", "trainer.epochs=1", "trainer.adversarial=0",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    files = {
        path.relative_to(tmp_path / "rounds" / "1").as_posix()
        for path in (tmp_path / "rounds").rglob("*.json")
        if "run" not in str(path.relative_to(tmp_path / "rounds"))
    }
    assert files == {"start/0.json", *(f"{strategy}/1{end}.json" for strategy in STRATEGIES for end in ("", "-chosen"))}
    start, *rounds = (
        json.loads((tmp_path / "rounds" / "1" / name).read_text())["words"]
        for name in ("start/0.json", *(f"{strategy}/1.json" for strategy in STRATEGIES))
    )
    assert start == 6 * 18  # six articles of three sentences with six words
    assert rounds == [start + 12] * len(STRATEGIES)
    assert "| mentions | 1 |" in done.stdout
    again = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "round" not in again.stdout.replace("| round", "")
    assert again.stdout.splitlines() == done.stdout.splitlines()[-len(again.stdout.splitlines()) :]


def test_the_table_says_how_many_words_random_choice_needs_more(script, tmp_path):
    def write(seed, strategy, number, words, f1):
        path = tmp_path / str(seed) / strategy / f"{number}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"words": words, "f1": f1}))

    for seed, start in ((1, 0.2), (2, 0.3)):
        write(seed, "start", 0, 1000, start)
        for number, (plain, better) in enumerate(((0.4, 0.6), (0.6, 0.7)), start=1):
            write(seed, "random", number, 1000 * (number + 1), plain)
            write(seed, "mentions", number, 1000 * (number + 1), better)
            write(seed, "errors", number, 1000 * (number + 1), plain - 0.1 * seed)
    lines = script.table(tmp_path, ["random", "mentions", "errors"], [1, 2]).splitlines()
    cells = {row[0]: row for line in lines[2:] if (row := [cell.strip() for cell in line.strip("|").split("|")])}
    assert cells["mentions"][1:] == [
        "2", "0.2500 (1,000)", "0.6000 (2,000)", "0.7000 (3,000)", "+10.00 (+10.00 to +10.00)", "67 (67 to 67) %",
    ]  # fmt: skip
    assert cells["errors"][-1] == "reached with 0 of 2 seeds"
    assert cells["random"][-2:] == ["", ""]
    assert script.words_to_reach([{"words": 100, "f1": 0.2}, {"words": 200, "f1": 0.4}], 0.3) == pytest.approx(150)
