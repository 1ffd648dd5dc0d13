import errno
import json
from pathlib import Path

import pytest

from eventtag.errors import OutputError
from eventtag.manifest import write_manifest
from eventtag.training.loop.saving import check_state, newest_sound, remove_newer, remove_older, staged_state, state_path

FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth")


def save(folder: Path, step: int, *, best: int | None = None, leave_out: str = "") -> Path:
    path = state_path(folder, step)
    with staged_state(path) as staging:
        for name in FILES:
            if name != leave_out:
                (staging / name).write_bytes(name.encode() * (step + 1))
        (staging / "trainer_state.json").write_text(json.dumps({"best_global_step": best}))
    return path


def flip_a_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def fill_the_disk(path: Path) -> None:
    with staged_state(path) as staging:
        (staging / "model.safetensors").write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")


def steps(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_newest_sound_state_is_chosen_by_its_number(tmp_path):
    for step in (9, 100, 20):
        save(tmp_path, step)
    assert newest_sound(tmp_path, processes=1) == tmp_path / "checkpoint-100"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda state: (state / "manifest.json").unlink(), "manifest.json: cannot be read"),
        (lambda state: (state / "manifest.json").write_text("{"), "manifest.json: is damaged"),
        (
            lambda state: (state / "manifest.json").write_text('{"files": {}}'),
            "manifest.json: is damaged (it lists no file)",
        ),
        (lambda state: (state / "adapter_config.json").write_text("{}"), "the manifest does not list this file"),
        (
            lambda state: ((state / "optimizer.pt").unlink(), (state / "manifest.json").unlink(), write_manifest(state)),
            "is missing; without it training would go on to other",
        ),
        (lambda state: flip_a_byte(state / "model.safetensors"), "its sha256 is not the manifest's"),
        (lambda state: (state / "optimizer.pt").unlink(), "optimizer.pt: is missing"),
        (lambda state: (state / "rng_state.pth").write_bytes(b""), "rng_state.pth: has 0 bytes"),
    ],
    ids=[
        "no manifest",
        "manifest cut",
        "manifest empty",
        "a file more",
        "no optimizer",
        "a byte changed",
        "file missing",
        "file cut",
    ],
)
def test_a_damaged_state_is_passed_over_and_named_with_its_damage(tmp_path, caplog, damage, message):
    save(tmp_path, 1)
    broken = save(tmp_path, 2)
    damage(broken)
    assert newest_sound(tmp_path, processes=1) == tmp_path / "checkpoint-1"
    assert f"{broken} is not used" in caplog.text
    assert message in caplog.text


@pytest.mark.parametrize(
    "content", ["[]", "7", '"x"', "{}", *(f'{{"best_global_step": {v}}}' for v in ('"2"', "[2]", "-1", "1.5", "{}"))]
)
def test_a_state_that_names_no_best_state_is_passed_over_and_removed_with_the_older_ones(tmp_path, caplog, content):
    save(tmp_path, 2)
    foreign = save(tmp_path, 4)
    (foreign / "trainer_state.json").write_text(content)
    (foreign / "manifest.json").unlink()
    write_manifest(foreign)
    assert newest_sound(tmp_path, processes=1) == tmp_path / "checkpoint-2"
    assert f"{foreign / 'trainer_state.json'}: is damaged" in caplog.text
    save(tmp_path, 6)
    remove_older(tmp_path, keep=2)
    assert steps(tmp_path) == {"checkpoint-4", "checkpoint-6"}


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_state_saved_without_what_a_resumed_run_needs_is_not_sound(tmp_path, caplog, name):
    save(tmp_path, 2, leave_out=name)
    assert newest_sound(tmp_path, processes=1) is None
    assert f"{name}: is missing; without it training would go on to other weights" in caplog.text


def test_a_state_is_sound_only_for_as_many_processes_as_saved_it(tmp_path):
    save(tmp_path, 2)
    assert newest_sound(tmp_path, processes=2) is None


def test_a_state_is_not_sound_without_the_best_state_before_it(tmp_path, caplog):
    save(tmp_path, 2)
    best = save(tmp_path, 4, best=4)
    save(tmp_path, 6, best=4)
    assert newest_sound(tmp_path, processes=1) == tmp_path / "checkpoint-6"
    flip_a_byte(best / "model.safetensors")
    assert newest_sound(tmp_path, processes=1) == tmp_path / "checkpoint-2"
    assert f"checkpoint-6 is not used: {best / 'model.safetensors'}" in caplog.text


def test_newer_states_make_way_for_those_that_will_be_saved_again(tmp_path):
    first, _ = save(tmp_path, 2), save(tmp_path, 4)
    remove_newer(tmp_path, first)
    assert steps(tmp_path) == {"checkpoint-2", "unsound-checkpoint-4"}
    save(tmp_path, 4)
    remove_newer(tmp_path, None)
    assert steps(tmp_path) == {"unsound-checkpoint-2", "unsound-checkpoint-4"}


@pytest.mark.parametrize(
    ("keep", "bests", "left"),
    [
        (2, {2: 2, 4: 4, 6: 4, 8: 4, 10: 4}, {4, 8, 10}),
        (2, {2: 2, 4: 4, 6: 4, 8: 4, 10: 10}, {4, 8, 10}),
        (2, {2: 2, 4: 4, 6: 6, 8: 8, 10: 10}, {8, 10}),
        (1, {2: 2, 4: 2, 6: 2, 8: 2, 10: 2}, {2, 10}),
        (3, {2: None, 4: None, 6: None, 8: None, 10: None}, {6, 8, 10}),
        (9, {2: 2, 4: 4}, {2, 4}),
    ],
)
def test_old_states_go_but_the_newest_stay_sound(tmp_path, keep, bests, left):
    for step, best in bests.items():
        save(tmp_path, step, best=best)
    remove_older(tmp_path, keep=keep)
    assert steps(tmp_path) == {f"checkpoint-{step}" for step in left}
    for step in sorted(bests)[-keep:]:
        check_state(state_path(tmp_path, step), processes=1)


def test_a_state_that_cannot_be_written_leaves_nothing_and_the_one_before_as_it_was(tmp_path):
    save(tmp_path, 2)
    with pytest.raises(OutputError, match=r"could not be saved \(.*No space left.*checkpoint-2 is whole"):
        fill_the_disk(state_path(tmp_path, 4))
    assert steps(tmp_path) == {"checkpoint-2"}
    assert newest_sound(tmp_path, processes=1) == tmp_path / "checkpoint-2"
