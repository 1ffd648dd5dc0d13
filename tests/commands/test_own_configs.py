"""A user's folder of configurations adds to the groups of ours, and never chooses code."""

from contextlib import nullcontext
from pathlib import Path

import hydra
import pytest
from conftest import REPOSITORY
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from eventtag.cli.hydra_task import compose_data, open_schema, register_resolvers
from eventtag.cli.overrides import explain, quote_unreadable
from eventtag.cli.own_configs import config_dir, guard_configurations
from eventtag.errors import SettingsError
from eventtag.settings import TrainSettings

EVIL = "_target_: pandas.read_pickle\nfilepath_or_buffer: evil.pkl\n"


def compose(folder: Path, *overrides: str) -> DictConfig:
    register_resolvers()
    guard_configurations()
    ConfigStore.instance().store(name="train_schema", node=open_schema(TrainSettings))
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        return hydra.compose("train", [f"hydra.searchpath=['file://{folder}']", *overrides], return_hydra_config=True)


def write(folder: Path, name: str, text: str) -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def test_a_file_under_hydra_takes_the_place_of_none_of_hydra_s_own(tmp_path):
    for name in (
        "sweeper/basic",
        "launcher/basic",
        "job_logging/console",
        "hydra_logging/quiet",
        "callbacks/evil",
        "output/default",
    ):
        write(tmp_path, f"hydra/{name}.yaml", EVIL)
    write(tmp_path, "hydra/config.yaml", f"# @package _global_\nhydra:\n  launcher: {{{EVIL.replace(chr(10), ', ')}}}\n")
    write(tmp_path, "train_schema.yaml", EVIL)
    composed = compose(tmp_path)
    assert "pandas" not in str(composed)
    assert composed.hydra.sweeper._target_ == "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"
    with pytest.raises(SettingsError, match="hydra/callbacks: there is no such key"):  # nor is it a group of ours
        compose(tmp_path, "+hydra/callbacks=evil")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("hydra: {launcher: {_target_: pandas.read_pickle}}", r"hydra\.launcher\._target_"),
        ("hydra: {launcher: {n_jobs: 2, more: {_target_: pandas.read_pickle}}}", r"hydra\.launcher\.more\._target_"),
        ("hydra: {launcher: {setup: [touch evil]}}", r"hydra\.launcher\.setup"),
        ("hydra: {launcher: {partition: 'short\\ntouch evil'}}", r"hydra\.launcher\.partition"),
        ("hydra: {sweeper: {_target_: pandas.read_pickle, params: {seed: '1,2'}}}", r"hydra\.sweeper\._target_"),
        (
            "hydra: {sweeper: {params: {hydra.launcher._target_: pandas.read_pickle}}}",
            r"hydra\.sweeper\.params\.hydra\.launcher\._target_",
        ),
        ("hydra: {sweeper: {params: {+hydra/launcher: evil}}}", r"hydra\.sweeper\.params\.\+hydra/launcher"),
        ("hydra: {sweeper: {params: {+data@hydra.launcher: evil}}}", r"hydra\.sweeper\.params\.\+data@hydra\.launcher"),
        ("hydra: {sweeper: {custom_search_space: evil.space}}", r"hydra\.sweeper\.custom_search_space"),
        ("hydra: {callbacks: {mine: {_target_: pandas.read_pickle}}}", r"hydra\.callbacks\.mine\._target_"),
        ("hydra: {job_logging: {handlers: {mine: {(): pandas.read_pickle}}}}", r"hydra\.job_logging\.handlers\.mine\.\(\)"),
        (
            "hydra: {hydra_logging: {handlers: {mine: {class: pandas.read_pickle}}}}",
            r"hydra\.hydra_logging\.handlers\.mine\.class",
        ),
        ("hydra: {job: {env_set: {PYTHONPATH: .}}}", r"hydra\.job\.env_set\.PYTHONPATH"),
        ("hydra: {output_subdir: ../..}", r"hydra\.output_subdir"),
        ("hydra: {searchpath: [pkg://evil]}", r"hydra\.searchpath"),
        ("hydra: evil", r"hydra\."),
        ("defaults:\n  - /data@hydra.launcher: evil", r"defaults: /data@hydra\.launcher"),
        ("defaults:\n  - /data@_global_.hydra.callbacks.a: evil", r"defaults: /data@_global_\.hydra\.callbacks\.a"),
        ("defaults:\n  - /data/evil@hydra.launcher", r"defaults: /data/evil@hydra\.launcher"),
        ("defaults:\n  - override /hydra/launcher: ../../evil", r"defaults: override /hydra/launcher: \.\./\.\./evil"),
    ],
)
def test_a_user_s_file_cannot_set_what_chooses_code(tmp_path, text, key):
    write(tmp_path, "experiment/mine.yaml", f"# @package _global_\n{text}\n")
    write(tmp_path, "data/evil.yaml", EVIL)
    with pytest.raises(
        SettingsError, match=rf"experiment/mine\.yaml: {key}.* is not allowed, since it could choose which code runs"
    ):
        compose(tmp_path, "experiment=mine")


def test_a_user_s_file_cannot_be_put_under_hydra(tmp_path):
    write(tmp_path, "data/evil.yaml", f"# @package hydra.launcher\n{EVIL}")
    with pytest.raises(SettingsError, match=r"data/evil\.yaml: @package hydra\.launcher is not allowed"):
        compose(tmp_path, "data=evil")


@pytest.mark.parametrize(
    "override",
    [
        "+data@hydra.callbacks.mine=evil",
        "hydra.launcher._target_=pandas.read_pickle",
        "hydra.job_logging.handlers.console.class=pandas.read_pickle",
    ],
)
def test_what_was_composed_calls_nothing_but_hydra_s_own(tmp_path, override):
    write(tmp_path, "data/evil.yaml", EVIL)
    with pytest.raises(
        SettingsError, match=r"=pandas\.read_pickle is not allowed: only what Hydra and its installed plugins bring"
    ):
        compose(tmp_path, override)


@pytest.mark.parametrize("group", ["hydra/launcher", "data"])
def test_no_choice_leads_out_of_its_folder(tmp_path, group):
    write(tmp_path, "evil.yaml", EVIL)
    for root in ("../" * 12, "../../"):
        with pytest.raises(Exception, match="Could not"):
            compose(tmp_path, f"{group}={root}{tmp_path.relative_to('/')}/evil")


def test_what_users_write_for_sweeps_goes_on_working(tmp_path):
    for name in ("seeds", "learning_rate"):
        write(tmp_path, f"sweep/my_{name}.yaml", (REPOSITORY / "configs" / "sweep" / f"{name}.yaml").read_text())
    write(
        tmp_path,
        "experiment/mine.yaml",
        "# @package _global_\ndefaults:\n  - override /model: tiny\n  - override /hydra/launcher: basic\n"
        "  - override /hydra/sweeper: basic\n"
        "seed: 7\nhydra:\n  sweep: {dir: outputs/mine}\n  sweeper: {max_batch_size: 2}\n",
    )
    assert compose(tmp_path, "sweep=my_seeds").hydra.sweeper.params.seed == "1,2,3,4,5"
    composed = compose(tmp_path, "experiment=mine")
    assert (composed.seed, composed.model.name, composed.hydra.sweeper.max_batch_size) == (7, "tiny", 2)
    callback = "+hydra.callbacks.log={_target_:hydra.experimental.callbacks.LogJobReturnCallback}"
    assert compose(tmp_path, callback, "hydra/job_logging=stdout").hydra.callbacks.log


def test_what_an_installed_plugin_registers_may_be_called(tmp_path):
    plugin = {"_target_": "hydra_plugins.some_launcher.SomeLauncher", "n_jobs": 1}
    ConfigStore.instance().store(group="hydra/launcher", name="some", node=plugin, provider="some_launcher")
    try:
        write(tmp_path, "experiment/mine.yaml", "# @package _global_\nhydra: {launcher: {n_jobs: 4}}\n")
        assert compose(tmp_path, "hydra/launcher=some", "experiment=mine").hydra.launcher.n_jobs == 4
    finally:
        del ConfigStore.instance().repo["hydra"]["launcher"]["some.yaml"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("+model.foo=1", "model.foo: there is no such key"),
        ("++model.foo=1", "model.foo: there is no such key"),
        ("+bar.baz=1", "bar: there is no such key"),
        ("+modl=tiny", "modl: there is no such key\ndid you mean model?"),
        ("+trainer.learning_rat=1", "did you mean trainer.learning_rate or"),
        ("+learning_rate=1", "learning_rate: there is no such key\ndid you mean trainer.learning_rate"),
        ("learning_rate=1", "learning_rate: there is no such key\ndid you mean trainer.learning_rate"),
        ("+data.corpora.a.zonk=1", "data.corpora.a.zonk: there is no such key"),
        ("+model.primer=1", "is a key of an earlier version"),
        ("labels=EVENT", "did you mean data.labels or"),
        ("data.labels=EVENT", "data.labels=EVENT: is a list; write 'data.labels=[EVENT]'"),
        ("trainer.tracking=wandb", "trainer.tracking=wandb: is a list; write 'trainer.tracking=[wandb]'"),
    ],
)
def test_a_key_that_no_setting_has_is_refused_with_or_without_a_plus(tmp_path, override, message):
    more = ["+data@data.corpora.a=sample"] if "corpora" in override else []
    with pytest.raises((SettingsError, HydraException, OmegaConfBaseException)) as caught:
        compose(tmp_path, *more, override)
    assert message in explain(caught.value)


@pytest.mark.parametrize(
    ("command", "given", "line"),
    [
        ("train", "my.jsonl", "eventtag train data.path=my.jsonl"),
        ("train", "data=my.jsonl", "eventtag train data.path=my.jsonl"),
        ("learning_curve", "data=news/my.jsonl", "eventtag learning-curve data.path=news/my.jsonl"),
        ("evaluate", "data=gold", "eventtag evaluate data.path=gold"),
        ("predict", "gold", "eventtag predict input=gold"),
        ("predict", "run", "eventtag predict checkpoint=run"),
        ("evaluate", "run/checkpoint", "eventtag evaluate checkpoint=run/checkpoint"),
    ],
)
def test_a_file_in_the_wrong_place_is_answered_with_the_line_that_works(tmp_path, monkeypatch, command, given, line):
    write(tmp_path, "run/checkpoint/eventtag.json", "{}")
    (tmp_path / "gold").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(HydraException) as caught:
        compose(tmp_path, *quote_unreadable([given]))
    assert explain(caught.value, command).endswith(f"write: {line}")


def test_keys_of_one_s_own_in_a_mapping_are_taken(tmp_path):
    composed = compose(tmp_path, "+trainer.extra.max_grad_norm=2", "evaluation.target_recall.EVENT=0.8", "+hydra.job.env_set.A=b")
    assert composed.trainer.extra == {"max_grad_norm": 2}


def test_a_folder_s_configurations_for_hydra_are_named_once_as_not_read(tmp_path, capsys):
    write(tmp_path, "hydra/launcher/mine.yaml", EVIL)
    for _ in range(2):
        compose(tmp_path)
    assert capsys.readouterr().err.count(f"{tmp_path / 'hydra'}: is not read") == 1


@pytest.mark.parametrize(
    ("content", "own"),
    [
        ("hydra: {job: {config_name: train}}", True),
        ("hydra: {job: {config_name: predict}}", False),
        ("seed: 1", False),
        ("- a", False),
        ("[", False),
        ("", False),
    ],
)
def test_a_sweep_replaces_no_record_but_that_of_a_sweep(tmp_path, content, own):
    write(tmp_path, "multirun.yaml", content)
    options = ["hydra.mode=MULTIRUN", f"hydra.sweep.dir={tmp_path}", "hydra.job.config_name=train"]
    with nullcontext() if own else pytest.raises(SettingsError, match=r"multirun\.yaml: was not written by a sweep of eventtag"):
        compose(tmp_path, *options)
    (tmp_path / "multirun.yaml").unlink()
    (tmp_path / "multirun.yaml").symlink_to(tmp_path / "elsewhere.yaml")
    with pytest.raises(SettingsError, match=r"multirun\.yaml: was not written"):
        compose(tmp_path, *options)


@pytest.mark.parametrize(
    "name",
    [
        "a${oc.env:HOME}.jsonl",
        "a${b",
        "${data.name}",
        "a\\${b}.jsonl",
        "we${ird} (1).jsonl",
        'q"${x}"y',
        "x${y}\\",
        "Zürich ${x},",
    ],
)
def test_the_name_of_a_file_is_not_interpolated(name):
    assert compose_data(["data=corpus", "data.path=" + name.replace(",", "\\,")]).path == name


def test_each_of_several_names_stands_for_itself(tmp_path):
    from eventtag.cli.overrides import quote_unreadable

    assert quote_unreadable(["input=a${b},c.txt"]) == ['input="a\\${b}","c.txt"']
    assert quote_unreadable(["run_dir=${now:%Y}", "name=${data.name}"]) == ["run_dir=${now:%Y}", "name=${data.name}"]


def test_a_file_that_would_change_one_of_ours_is_named(tmp_path, capsys):
    write(tmp_path, "model/tiny.yaml", "name: another\n")
    write(tmp_path, "train.yaml", "seed: 5\n")
    write(tmp_path, "model/minilm.yaml", (config_dir() / "model" / "minilm.yaml").read_text())
    write(tmp_path, "model/mine.yaml", "name: another\n")
    assert compose(tmp_path, "model=tiny").model.name == "tiny"
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(": is not read")[0] for line in said] == [f"{tmp_path}/model/tiny.yaml", f"{tmp_path}/train.yaml"]
    assert said[0].endswith("give the file another name")


def test_aliases_that_would_fill_the_memory_and_depth_without_end_are_refused(tmp_path):
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    for text, message in (
        ("\n".join(lines), r"mine\.yaml: its aliases \(`\*name`\) stand for more than 100,000 values"),
        ("a: &a [*a]", r"mine\.yaml: its aliases"),
        (f"a: {'[' * 5000}{']' * 5000}", r"mine\.yaml: is nested too deeply"),
    ):
        write(tmp_path, "experiment/mine.yaml", f"# @package _global_\n{text}\n")
        with pytest.raises(SettingsError, match=message):
            compose(tmp_path, "experiment=mine")


def test_aliases_of_one_s_own_are_taken(tmp_path):
    write(tmp_path, "experiment/mine.yaml", "# @package _global_\ntrainer: {epochs: &n 7, patience: *n}\n")
    composed = compose(tmp_path, "experiment=mine")
    assert (composed.trainer.epochs, composed.trainer.patience) == (7, 7)
