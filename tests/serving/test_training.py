"""Training on corrections, in a process of its own."""

from __future__ import annotations

import errno
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import make_article
from served_app import serving
from warm import warm_programs

from eventtag.article import Article
from eventtag.corpus.loading import Corpus, load_corpus
from eventtag.errors import DataError, ExportError, OutputError, SettingsError
from eventtag.formats.jsonl import json_line
from eventtag.serving import retraining, training
from eventtag.serving.batches import Model
from eventtag.serving.store import Correction, Corrections
from eventtag.serving.training import RECORD_FILE, Trainings
from eventtag.settings import DataSettings
from eventtag.tagging.tagger import Tagger
from eventtag.training.continued import add_articles, settings_of_run

pytestmark = pytest.mark.slow


@pytest.fixture
def corpus(corpus_file: Path) -> Corpus:
    return load_corpus(DataSettings(path=str(corpus_file), split_field="split"))


def words(number: int) -> str:
    return " ".join(f"new{number}word{part}" for part in range(20))


NEW = make_article("a2", f"{words(1)} Police/ACTOR met in Lima/LOCATION")  # an id that the corpus has


def test_corrections_join_the_training_articles(corpus: Corpus) -> None:
    train, test = corpus.splits["train"], corpus.splits["test"]
    relabelled = replace(train[0], id="mine", spans=train[0].spans[:1], links=None)
    copy = replace(test[0], id="copy", text=test[0].text + " ", meta={})
    older = replace(NEW, spans=())
    skipped = replace(make_article("s", words(2)), annotated=())
    strange = make_article("t", f"{words(3)} Odd/WEAPON Paris/LOCATION")
    added = add_articles(corpus, [older, relabelled, copy, skipped, strange, NEW], what="corrections")
    names = [article.id for article in added.corpus.splits["train"]]
    assert names == [article.id for article in train[1:]] + ["corrected/a2", "mine", "t"]
    learnt = {article.id: article for article in added.corpus.splits["train"]}
    assert learnt["corrected/a2"].spans == NEW.spans
    assert learnt["mine"].spans == train[0].spans[:1]
    assert [span.label for span in learnt["t"].spans] == ["LOCATION"]
    assert added.corpus.splits["test"] == test
    assert added.corpus.splits["validation"] == corpus.splits["validation"]
    assert added.count == 3
    assert [note.partition(" are ")[0] for note in added.notes] == [
        "1 articles were looked at nowhere (skipped)",
        "1 corrections",
        "1 corrections",
        "1 training articles",
        "1 spans have labels that the checkpoint does not have, and",
    ]


def test_without_anything_to_learn_there_is_no_training(corpus: Corpus) -> None:
    with pytest.raises(DataError, match="there are no corrections to learn from; 1 corrections are of articles that score"):
        add_articles(corpus, [replace(corpus.splits["test"][0], id="copy")], what="corrections")


def test_a_checkpoint_without_its_run_is_not_trained(checkpoint: Path, tmp_path: Path) -> None:
    alone = shutil.copytree(checkpoint, tmp_path / "alone")
    with pytest.raises(SettingsError, match="there is no run beside the checkpoint"):
        settings_of_run(alone)


def test_settings_of_the_run_come_back(trained_run: Path, checkpoint: Path) -> None:
    assert settings_of_run(trained_run) == settings_of_run(checkpoint)
    assert settings_of_run(checkpoint).trainer.epochs == 12


def save(client: Any, article: Article) -> None:
    assert (
        client.post("/api/corrections", json={"annotator": "Ann", "article": json.loads(json_line(article))}).status_code == 201
    )


@pytest.fixture
def short_run(trained_run: Path, tmp_path: Path) -> Path:
    """The run, as one that was trained for two epochs."""
    run = shutil.copytree(trained_run, tmp_path / "run")
    settings = yaml.safe_load((run / "settings.yaml").read_text(encoding="utf-8"))
    settings["trainer"]["epochs"], settings["evaluation"]["resamples"] = 2, 100
    (run / "settings.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    return run


def test_train_score_and_take_into_force(short_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", str(warm_programs() / "python"))  # which need not import torch first
    with serving(short_run, tmp_path / "a") as (client, service):
        before = service.model.version
        save(client, NEW)
        begun = client.post("/api/training")
        assert begun.status_code == 202
        assert begun.json()["state"] == "running"
        assert client.post("/api/training").status_code == 409
        assert service.trainings._watcher is not None
        service.trainings._watcher.join()
        state = client.get("/api/training").json()
        (training,) = state["trainings"]
        assert training["state"] == "done", training
        assert (training["split"], training["articles"], training["corrections"]) == ("test", 4, 1)
        assert 0 <= training["scores"]["new"]["f1"] <= 1
        assert "on the 4 test articles, before" in training["message"]
        assert f"F1 {training['scores']['new']['f1']:.3f}" in training["message"]
        taken = training["better"] is not False
        assert training["in_force"] is taken
        assert state["in_force"] == int(taken)
        assert (service.model.version != before) is taken
        assert "nothing was corrected since" in client.post("/api/training").json()["error"] or not taken
        assert client.post("/api/training/adopt", json={"number": 1}).json()["in_force"] == 1
        trained = service.model.version
        assert trained != before
        assert client.get("/label_studio/versions").json() == {"versions": [trained]}
        assert client.post("/api/training/adopt", json={"number": 7}).status_code == 404
        assert str(tmp_path) not in json.dumps(state)  # no path is told
    with serving(short_run, tmp_path / "a") as (client, service):
        assert service.model.version == trained  # as it was before the server ended
        assert client.post("/api/training/adopt", json={"number": 0}).json()["in_force"] == 0
        assert service.model.version == before


def test_a_new_checkpoint_is_exported_as_the_run_was_and_a_refusal_is_a_note(
    short_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = yaml.safe_load((short_run / "settings.yaml").read_text(encoding="utf-8"))
    (short_run / "settings.yaml").write_text(yaml.safe_dump(settings | {"export": True}), encoding="utf-8")
    (tmp_path / "corrections.jsonl").write_text(json_line(NEW) + "\n", encoding="utf-8")
    request = {"base": str(short_run / "checkpoint"), "in_force": str(short_run / "checkpoint")}
    (tmp_path / "request.json").write_text(json.dumps(request), encoding="utf-8")
    asked = []

    def refused(result: str, *, wanted: bool | None) -> None:
        asked.append((result, wanted))
        raise ExportError("export=true: bf16: is not faster\nthe run is finished, and its checkpoint tags with torch")

    monkeypatch.setattr(retraining, "train", lambda *_, **__: "result")
    monkeypatch.setattr(retraining, "export_result", refused)
    monkeypatch.setattr(retraining.Tagger, "load", lambda _: None)
    monkeypatch.setattr(retraining, "compare_taggers", lambda *_: {"notes": []})
    assert retraining.retrain(tmp_path)["notes"] == ["export=true: bf16: is not faster"]
    assert asked == [("result", True)]


@pytest.fixture
def trainings(checkpoint: Path, tmp_path: Path) -> Iterator[Trainings]:
    corrections = Corrections(tmp_path)
    made = Trainings(tmp_path, checkpoint, corrections, load=lambda path: Tagger.load(path, threads=1))
    made.open(Tagger.load(checkpoint, threads=1))
    yield made
    made.stop()
    corrections.close()


def finished(trainings: Trainings, *, value: float, low: float | None, high: float | None) -> dict[str, Any]:
    """A training with this difference, as its process leaves it; what is made of it."""
    used: list[Model] = []
    trainings.use = used.append
    folder = trainings.folder / "trainings" / "1"
    (folder / "run").mkdir(parents=True)
    shutil.copytree(trainings.base, folder / "run" / "checkpoint")
    (folder / "request.json").write_text('{"time": "2026-01-01", "corrections": 3}', encoding="utf-8")
    scores = {"in_force": {"f1": 0.7, "low": 0.6, "high": 0.8}, "new": {"f1": 0.7 + value, "low": None, "high": None}}
    result = {
        "notes": [],
        "split": "test",
        "articles": 9,
        "scores": scores,
        "difference": {"value": value, "low": low, "high": high},
    }
    (folder / "result.json").write_text(json.dumps(result), encoding="utf-8")

    class Ended:
        def wait(self) -> int:
            return 0

        def poll(self) -> int:
            return 0

    trainings._process = Ended()  # type: ignore[assignment]
    trainings._watch(1, 5)
    (about,) = trainings.state()["trainings"]
    assert about["in_force"] is bool(used)
    assert json.loads((trainings.folder / RECORD_FILE).read_text())["in_force"] == len(used)
    return about


@pytest.mark.parametrize(
    ("value", "low", "high", "taken", "said"),
    [
        (0.05, 0.01, 0.09, True, "better"),
        (0.05, -0.01, 0.11, True, "a difference that chance explains"),
        (-0.02, -0.06, 0.02, True, "LOWER than before"),
        (-0.05, -0.09, -0.01, False, "worse; the server takes it into use only when asked to"),
        (-0.05, None, None, False, "worse"),
        (0.0, None, None, True, "no interval"),
    ],
)
def test_a_worse_checkpoint_is_never_taken_in_silence(
    trainings: Trainings, value: float, low: float | None, high: float | None, taken: bool, said: str
) -> None:
    about = finished(trainings, value=value, low=low, high=high)
    assert about["in_force"] is taken
    assert said in about["message"]
    assert f"F1 {0.7 + value:.3f}" in about["message"]
    assert "before 0.700 [0.600, 0.800]" in about["message"]


def test_a_training_that_cannot_begin_leaves_nothing(trainings: Trainings, monkeypatch: pytest.MonkeyPatch) -> None:
    trainings.corrections.save([Correction("a", "page", "", make_article("a", "Police/ACTOR met ."))])
    monkeypatch.setattr(training, "settings_of_run", lambda _: None)

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(subprocess, "Popen", full)
    with pytest.raises(OutputError, match="Make room on the disk and ask for the training again"):
        trainings.start()
    assert trainings.state()["trainings"] == []


def test_a_training_that_was_cut_off_says_so(trainings: Trainings) -> None:
    folder = trainings.folder / "trainings" / "4"
    folder.mkdir(parents=True)
    (about,) = trainings.state()["trainings"]
    assert (about["number"], about["state"]) == (4, "interrupted")
    (folder / "result.json").write_text('{"problem": "no correction to learn from"}', encoding="utf-8")
    (about,) = trainings.state()["trainings"]
    assert (about["state"], about["message"]) == ("failed", "no correction to learn from")


def test_a_folder_belongs_to_one_checkpoint(checkpoint: Path, tmp_path: Path) -> None:
    with serving(checkpoint, tmp_path / "a"):
        pass
    record = tmp_path / "a" / RECORD_FILE
    record.write_text(record.read_text().replace("eventtag-", "eventtag-x"), encoding="utf-8")
    with pytest.raises(OutputError, match="was begun with another checkpoint"), serving(checkpoint, tmp_path / "a"):
        pass
    other = tmp_path / "b"
    other.mkdir()
    (other / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(OutputError, match="Give another annotations"), serving(checkpoint, other):
        pass
    assert [path.name for path in other.iterdir()] == ["mine.txt"]


def test_corrections_of_two_annotators_are_one_article(corpus: Corpus, tmp_path: Path) -> None:
    store = Corrections(tmp_path)
    other = replace(NEW, spans=NEW.spans[:1])
    store.save([Correction("1", "page", "Ann", NEW), Correction("2", "page", "Bob", other)])
    added = add_articles(corpus, store.exported(), what="corrections")
    (learnt,) = [article for article in added.corpus.splits["train"] if article.text == NEW.text]
    assert learnt.spans == other.spans
    store.close()
