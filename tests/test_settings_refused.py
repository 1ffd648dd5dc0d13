"""Values of settings that would be taken silently: each is an error that names the key, the value and what is allowed."""

import math
from dataclasses import fields, replace

import pytest

from eventtag.corpus.loading import load_corpus
from eventtag.errors import SettingsError
from eventtag.settings import (
    DataSettings,
    EvaluateSettings,
    EvaluationSettings,
    IntermediateSettings,
    LearningCurveSettings,
    LoraSettings,
    MixedCorpusSettings,
    ModelSettings,
    Overlaps,
    PredictSettings,
    TeacherSettings,
    TrainerSettings,
    TrainSettings,
    WindowSettings,
)
from eventtag.settings.pretrain import PretrainSettings, PretrainTrainerSettings
from eventtag.settings.sweep import SweepSettings

NAN, INF = float("nan"), math.inf
BASES = (
    DataSettings(path="a.jsonl"),
    ModelSettings(name="tiny"),
    LoraSettings(),
    IntermediateSettings(),
    WindowSettings(),
    TrainerSettings(),
    TeacherSettings(),
    EvaluationSettings(),
    TrainSettings(run_dir="run"),
    EvaluateSettings(checkpoint="c", run_dir="run"),
    PredictSettings(checkpoint="c", input="a.jsonl"),
    PretrainSettings(input="a.jsonl", run_dir="run"),
    PretrainTrainerSettings(),
    SweepSettings(space={"seed": [1, 2]}, run_dir="run"),
    LearningCurveSettings(run_dir="run"),
)


@pytest.mark.parametrize("base", BASES, ids=lambda base: type(base).__name__)
def test_no_number_may_be_negative_endless_or_none_at_all(base):
    for item in fields(base):
        kind = str(item.type)
        if not kind.startswith(("float", "int")):
            continue
        for value in (NAN, INF, -INF, -1.0) if kind.startswith("float") else (-1,):
            with pytest.raises(SettingsError, match=rf"{item.name}={value} is not allowed: "):
                replace(base, **{item.name: value})


@pytest.mark.parametrize(
    ("base", "key"),
    [
        (base, item.name)
        for base in BASES
        for item in fields(base)
        if item.name in ("path", "validation", "test", "split_field", "cluster_field", "run_dir", "checkpoint", "input", "output")
        or item.name in ("text_field", "id_field", "ray_address", "articles", "revision", "name")
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
@pytest.mark.parametrize("blank", ["", " "])
def test_a_name_may_not_be_blank(base, key, blank):
    with pytest.raises(SettingsError, match=rf"{key}='{blank}' is not allowed: "):
        replace(base, **{key: blank})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda names: DataSettings(path="a", labels=names), "data.labels"),
        (lambda names: DataSettings(path="a", annotated_labels=names), "data.annotated_labels"),
        (lambda names: DataSettings(path="a", split_field="s", splits={"train": names}), "data.splits.train"),
        (lambda names: DataSettings(corpora={"a": MixedCorpusSettings(path="a", labels=["A"])}, labels=names), "data.labels"),
        (lambda names: PredictSettings(checkpoint="c", input="a", labels=names), "labels"),
        (lambda names: LoraSettings(targets=names), "model.lora.targets"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("names", [[], [""], ["A", "A"]], ids=["empty", "blank", "twice"])
def test_a_list_of_names_holds_different_names(make, message, names):
    with pytest.raises(SettingsError, match=rf"^{message}=.* is not allowed: different names, one at least"):
        make(names)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: DataSettings(path="a", labels=["A", "O"]), r"data\.labels='O' is not allowed: a label is a word"),
        (lambda: DataSettings(path="a", labels=["NEWS ACTOR"]), r"data\.labels='NEWS ACTOR' is not allowed"),
        (lambda: TrainerSettings(tracking=["wandb", "wandb"]), r"trainer\.tracking=.* is not allowed"),
        (lambda: TeacherSettings(checkpoints=["a", " "]), r"teacher\.checkpoints=.* is not allowed"),
        (lambda: EvaluationSettings(slices=["topic", ""]), r"evaluation\.slices=.* is not allowed"),
        (lambda: EvaluationSettings(target_recall={"ACTOR": NAN}), r"evaluation\.target_recall\.ACTOR=nan is not allowed"),
        (lambda: PredictSettings(checkpoint="c", input="a", thresholds={"ACTOR": NAN}), r"thresholds\.ACTOR=nan is not allowed"),
    ],
)
def test_other_values_that_mean_nothing(make, message):
    with pytest.raises(SettingsError, match=message):
        make()


def test_a_priority_names_labels_that_there_are(tmp_path):
    message = r"data\.overlap_priority=WEAPON is not allowed: different names, .* of ACTOR, EVENT"
    with pytest.raises(SettingsError, match=message):
        DataSettings(path="a", labels=["ACTOR", "EVENT"], overlaps=Overlaps.priority, overlap_priority=["EVENT", "WEAPON"])
    lines = [f'{{"text": "Police {number}", "spans": []}}\n' for number in range(9)]
    (tmp_path / "a.jsonl").write_text("".join(lines))
    unnamed = DataSettings(path=str(tmp_path / "a.jsonl"), overlaps=Overlaps.priority, overlap_priority=["EVENT", "WEAPON"])
    with pytest.raises(SettingsError, match=message):
        load_corpus(unnamed)


@pytest.mark.parametrize("settings", [LearningCurveSettings(run_dir="run"), SweepSettings(space={"seed": [1, 2]}, run_dir="run")])
def test_runs_that_are_compared_begin_with_the_encoder(settings):
    with pytest.raises(SettingsError, match="base=outputs/mine is not allowed: "):
        replace(settings, base="outputs/mine")
