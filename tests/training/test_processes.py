"""Runs in several processes, as `torchrun` and `accelerate launch` start them; here with gloo, on CPU."""

import json
import subprocess
import sys
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load_file
from torch.utils.data import BatchSampler
from warm import warm_programs

from eventtag.cli.main import main
from eventtag.manifest import sha256_of
from eventtag.training.loop.sampler import LengthPoolSampler

pytestmark = pytest.mark.slow

SETTINGS = (
    "data=corpus", "data.split_field=split", "model=tiny", "window.max_length=24", "window.stride=6", "trainer.epochs=2",
    "trainer.learning_rate=5e-3", "trainer.head_learning_rate=5e-3", "trainer.precision=fp32", "trainer.adversarial=0",
    "evaluation.resamples=100", "resume=true",
)  # fmt: skip


def forked(runs) -> tuple[list[list[int]], str]:
    command = [warm_programs() / "python", str(Path(__file__).parent / "forked_runs.py"), json.dumps(runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout.strip().splitlines()[-1]), done.stderr


@pytest.fixture(scope="module")
def runs(corpus_file, tmp_path_factory):
    """The same training in one process; in two, each with half of every batch; and in two that were stopped and continued. 14
    windows, so that the last batch of an epoch is not whole.
    """
    folder = tmp_path_factory.mktemp("processes")
    lines = corpus_file.read_text().splitlines(keepends=True)
    (folder / "articles.jsonl").write_text("".join(lines[:21]))

    def run(name, processes, **more):
        data = f"data.path={folder / 'articles.jsonl'}"
        own = [f"run_dir={folder / name}", f"trainer.batch_size={4 // processes}"]
        own += ["trainer.adversarial=1.0"] if "adversarial" in name else []
        own += ["trainer.extra.gradient_accumulation_steps=2"] if "accumulated" in name else []
        return {"processes": processes, "arguments": ["train", *SETTINGS, data, *own], **more}

    two = run("stopped", 2)
    moved = [run("one adversarial", 1), run("two adversarial", 2)]
    summed = [run("one accumulated adversarial", 1), run("two accumulated adversarial", 2)]
    codes, said = forked([run("one", 1), run("two", 2), {**two, "terminate": 1}, two, *moved, *summed])
    return folder, codes, said


def weights_of(folder, name):
    """A run's weights, without the biases of keys: attention does not hang on them, so they are rounding alone."""
    weights = load_file(folder / name / "checkpoint" / "model.safetensors")
    return {key: value for key, value in weights.items() if not key.endswith("key.bias")}


def test_two_processes_train_what_one_does_with_the_same_batches_to_rounding(runs):
    folder, codes, _ = runs
    assert codes[:2] == [[0], [0, 0]]
    one, two = (weights_of(folder, name) for name in ("one", "two"))
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-5, atol=1e-6, err_msg=name)
    one, two = (json.loads((folder / name / "metrics.json").read_text()) for name in ("one", "two"))
    assert [entry["loss"] for entry in two["loss"]] == pytest.approx([entry["loss"] for entry in one["loss"]], rel=1e-5)
    assert two["epochs"] == one["epochs"]


@pytest.mark.parametrize(("names", "place"), [("adversarial", 4), ("accumulated adversarial", 6)])
def test_the_processes_move_words_along_the_gradient_of_all(runs, names, place):
    """Looser by the rounding that adversarial training adds: with their own gradients they would be 1e-2 apart."""
    folder, codes, _ = runs
    assert codes[place : place + 2] == [[0], [0, 0]]
    one, two, plain = (weights_of(folder, name) for name in (f"one {names}", f"two {names}", "one"))
    for name in one:
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, atol=1e-5, err_msg=name)
    assert max(np.abs(one[name] - plain[name]).max() for name in one) > 1e-3


def test_only_the_first_process_writes_and_speaks(runs):
    folder, _, said = runs
    names = [{path.name for path in (folder / name).iterdir()} for name in ("one", "two")]
    assert names[0] == names[1]
    assert said.count("epoch 2: loss") == 7  # one line for each run that came so far


def test_sigterm_to_one_process_stops_all_after_the_same_step_and_they_go_on_to_the_same_weights(runs):
    folder, codes, said = runs
    assert codes[2:4] == [[143, 143], [0, 0]]
    assert said.count("stopped by SIGTERM after step 3 of 8") == 1
    stopped, two = (sha256_of(folder / name / "checkpoint" / "model.safetensors") for name in ("stopped", "two"))
    assert stopped == two


@given(
    lengths=st.lists(st.integers(3, 40), min_size=1, max_size=60),
    size=st.integers(1, 4),
    processes=st.integers(2, 4),
    epoch=st.integers(0, 3),
)
def test_the_parts_of_the_processes_are_the_batches_of_one(lengths, size, processes, epoch):
    """The windows of each update are the same, whatever the number of processes; what fills up the last has no gold."""
    one = LengthPoolSampler(lengths, batch_size=size * processes, seed=3)
    many = LengthPoolSampler(lengths, batch_size=size * processes, seed=3, fill=True)
    for sampler in (one, many):
        sampler.set_epoch(epoch)
    parts = list(BatchSampler(many, size, drop_last=False))
    assert len(many) == sum(map(len, parts)) == len(parts) * size
    assert len(parts) % processes == 0
    updates = [list(chain(*parts[at : at + processes])) for at in range(0, len(parts), processes)]
    with_gold = [[index for index in update if index >= 0] for update in updates]
    assert with_gold == list(BatchSampler(one, size * processes, drop_last=False))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "model=tiny"], "run_dir= must be given with 2 processes"),
        (["train", "-m", "seed=1,2", "run_dir=x"], "-m sweeps in one process, not in 2"),
        (["evaluate", "checkpoint=x"], "eventtag evaluate runs in one process, not in 2"),
    ],
)
def test_what_several_processes_cannot_do_is_said_before_anything_is_written(arguments, message, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    for key, value in {"WORLD_SIZE": "2", "RANK": "0", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(key, value)
    monkeypatch.setattr(sys, "argv", ["eventtag", *arguments])
    assert main() == 1
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
