import pytest

from eventtag.errors import SettingsError
from eventtag.experiments.search_space import place_values, read_space, values_of
from eventtag.settings import DataSettings, LoraSettings, ModelSettings, TrainerSettings, TrainSettings, WindowSettings

SETTINGS = TrainSettings(data=DataSettings(path="x"), model=ModelSettings(name="tiny"), run_dir="runs")


def test_the_values_that_settings_have_are_those_that_the_space_holds():
    settings = TrainSettings(
        data=DataSettings(path="x"), model=ModelSettings(name="tiny"), run_dir="x",
        trainer=TrainerSettings(
            learning_rate=1e-4, batch_size=8, epochs=None, patience=3, adversarial=1.0, extra={"max_grad_norm": 0.5}
        ),
    )  # fmt: skip
    space = {
        "trainer": {
            "learning_rate": {"low": 1e-4, "high": 1e-3, "log": True},
            "head_learning_rate": {"low": 1e-5, "high": 1e-4},
            "batch_size": [8, 16],
            "epochs": {"low": 3, "high": 9},
            "patience": {"low": 2, "high": 6, "step": 2},
            "extra.max_grad_norm": [0.5, 1.0],
            "precision": ["auto", "fp32"],
            "batch_tokens": [None, 900],
            "adversarial": [0, 1],
        },
        "window": {"stride": {"low": 0, "high": 48, "step": 16}},
    }
    assert values_of(settings, read_space(space, settings)) == {
        "trainer.learning_rate": 1e-4, "trainer.batch_size": 8, "trainer.extra.max_grad_norm": 0.5,
        "trainer.precision": "auto", "trainer.batch_tokens": None, "window.stride": 32,
        "trainer.adversarial": 1,
    }  # fmt: skip


def test_keys_are_nested_or_dotted_and_ranges_take_the_type_of_their_key():
    space = {
        "trainer": {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}, "epochs": {"low": 2, "high": 8, "step": 2}},
        "window.max_length": {"low": 68, "high": 256},
        "model": {"attention_dropout": [None, 0.1], "lora": {"rank": [None, 8]}},
        "trainer.extra.max_grad_norm": [0.5, 1.0],
    }
    found = {parameter.key: parameter for parameter in read_space(space, SETTINGS)}
    assert list(found) == [
        "trainer.learning_rate", "trainer.epochs", "window.max_length", "model.attention_dropout", "model.lora.rank",
        "trainer.extra.max_grad_norm",
    ]  # fmt: skip
    assert found["trainer.learning_rate"].log
    assert (found["trainer.epochs"].step, found["trainer.epochs"].whole) == (2, False)
    assert found["window.max_length"].extremes() == (68, 256)
    assert found["window.max_length"].whole
    assert found["model.lora.rank"].choices == (None, 8)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ({"trainer": {"learning_rat": [1]}}, r"space.trainer.learning_rat: no such key of train; below trainer there are: epochs"),
        ({"speed": [1]}, r"space.speed: no such key of train; below the top there are: data, model"),
        ({"trainer": [1]}, r"space.trainer: is a group of keys"),
        ({"seed": [1, 2]}, r"space.seed is not allowed: use seeds="),
        ({"data": {"test_share": [0.1, 0.2]}}, r"space.data.test_share is not allowed: scores on other articles"),
        ({"trainer": {"metric": ["micro_f1", "macro_f1"]}}, r"space.trainer.metric is not allowed: it is what candidates"),
        ({"trainer": {"epochs": 3}}, r"space.trainer.epochs=3 is not allowed: give a list of values, or a range"),
        ({"trainer": {"epochs": []}}, r"space.trainer.epochs=\[\] is not allowed"),
        ({"trainer": {"epochs": [2, 2]}}, r"a choice occurs twice"),
        ({"trainer": {"epochs": [[2]]}}, r"space.trainer.epochs: the choice \[2\] is not allowed"),
        ({"trainer": {"epochs": {"low": 5, "high": 2}}}, r"low must be below high"),
        ({"trainer": {"epochs": {"low": 5}}}, r"high must be a number"),
        ({"trainer": {"batch_size": {"low": 1.5, "high": 4}}}, r"low must be a whole number"),
        ({"trainer": {"learning_rate": {"low": 0, "high": 1, "log": True}}}, r"a logarithmic range begins above 0"),
        ({"trainer": {"learning_rate": {"low": -1, "high": 1}}}, r"trainer.learning_rate=-1.0 is not allowed: above 0"),
        ({"model": {"name": {"low": 1, "high": 2}}}, r"this key takes no numbers"),
        ({"trainer": {"epochs": ["many"]}}, r"space.trainer.epochs: trainer.epochs='many' is not allowed: float"),
        ({"model": {"casing": ["yes"]}}, r"model.casing='yes' is not allowed: bool or null"),
        ({"trainer": {"precision": ["fp8"]}}, r"trainer.precision='fp8' is not allowed: auto, fp32, bf16"),
        ({"trainer": {"batch_size": [True]}}, r"trainer.batch_size=True is not allowed: int"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
def test_what_is_wrong_with_a_space_is_named_with_its_key(space, message):
    with pytest.raises(SettingsError, match=message):
        read_space(space, SETTINGS)


def test_values_are_placed_together_and_as_their_key_takes_them():
    placed = place_values(
        {
            "window.max_length": 24,
            "window.stride": 4,
            "trainer.epochs": 3,
            "trainer.precision": "fp32",
            "trainer.extra.max_grad_norm": 0.5,
            "model.lora.rank": 4,
        },
        SETTINGS,
    )
    assert placed.window == WindowSettings(max_length=24, stride=4)  # a window of 24 would not go with the stride that was there
    assert (placed.trainer.epochs, placed.trainer.precision.name, placed.trainer.extra) == (3.0, "fp32", {"max_grad_norm": 0.5})
    assert placed.model.lora == LoraSettings(rank=4)
    assert placed.run_dir == SETTINGS.run_dir
    with pytest.raises(SettingsError, match=r"window.stride=32 is not allowed"):
        place_values({"window.max_length": 24}, SETTINGS)


def test_values_that_go_with_none_of_the_others_are_refused_and_those_that_go_with_some_are_not():
    read_space({"window": {"max_length": [24, 128], "stride": [4, 32]}}, SETTINGS)
    with pytest.raises(SettingsError, match=r"space.window.max_length: window.stride=32 is not allowed"):
        read_space({"window": {"max_length": [24, 128]}}, SETTINGS)
