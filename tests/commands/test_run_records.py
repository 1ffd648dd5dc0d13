"""What a command of Hydra leaves beside the results says how these were made, whatever is called on the directory later."""

import json
from types import SimpleNamespace

import pytest
from omegaconf import OmegaConf

from eventtag.cli import run_records
from eventtag.errors import OutputError


@pytest.fixture
def record(tmp_path, monkeypatch):
    """Runs a command with these settings, which ends well or with an error."""
    stub = SimpleNamespace(cfg=OmegaConf.create({"job": "x"}), overrides=SimpleNamespace(task=[]))
    monkeypatch.setattr(run_records, "HydraConfig", SimpleNamespace(instance=lambda: stub, get=lambda: stub))

    def call(error=None, **settings):
        stub.overrides.task = [f"{key}={value}" for key, value in settings.items()]
        with run_records.recorded_run("train", str(tmp_path), OmegaConf.create(settings)):
            (tmp_path / "run.json").write_text(json.dumps({"versions": {"eventtag": "1"}}))
            if error:
                raise error
        return {file.name: file.read_bytes() for file in (tmp_path / ".hydra").iterdir()}

    return call


def test_a_refused_or_needless_command_leaves_the_settings_of_the_run_as_they_are(record):
    first = record(seed=1, resume=False)
    assert set(first) == {"config.yaml", "hydra.yaml", "overrides.yaml"}
    with pytest.raises(OutputError):
        record(OutputError("finished, and its seed is 1"), seed=9, resume=True)
    assert record(seed=1, resume=True) == first


def test_a_command_that_goes_on_with_other_settings_and_ends_well_records_them(record):
    record(seed=1, resume=False, trials=3)
    assert OmegaConf.create(record(seed=1, resume=True, trials=5)["config.yaml"].decode()).trials == 5
