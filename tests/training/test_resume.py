import pytest

from eventtag.training.resume import MARKER_FILE, mark_complete, newest_complete


def saved(folder, step: int):
    state = folder / f"checkpoint-{step}"
    state.mkdir(parents=True)
    for name in ("model.safetensors", "optimizer.pt", "rng_state.pth", "trainer_state.json"):
        (state / name).write_bytes(b"x" * (step + 1))
    return state


def test_the_newest_complete_state_is_chosen_by_its_number(tmp_path):
    for step in (9, 100, 20):
        mark_complete(saved(tmp_path, step))
    assert newest_complete(tmp_path) == tmp_path / "checkpoint-100"


@pytest.mark.parametrize(
    "damage",
    [
        lambda state: (state / MARKER_FILE).unlink(),
        lambda state: (state / MARKER_FILE).write_text("{"),
        lambda state: (state / MARKER_FILE).write_text("{}"),
        lambda state: (state / "optimizer.pt").unlink(),
        lambda state: (state / "rng_state.pth").write_bytes(b""),
    ],
    ids=["not finished", "marker cut", "marker empty", "file missing", "file cut"],
)
def test_a_state_that_is_not_whole_is_passed_over_by_name(tmp_path, caplog, damage):
    mark_complete(saved(tmp_path, 1))
    broken = saved(tmp_path, 2)
    mark_complete(broken)
    damage(broken)
    assert newest_complete(tmp_path) == tmp_path / "checkpoint-1"
    assert str(broken) in caplog.text


def test_without_a_complete_state_there_is_none(tmp_path):
    assert newest_complete(tmp_path / "missing") is None
    saved(tmp_path, 5)
    assert newest_complete(tmp_path) is None
