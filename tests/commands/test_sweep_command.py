"""The real command, with worker processes, killed and given again."""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress

import hydra
import pytest
import yaml
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf
from test_hydra_commands import TINY, run
from warm import WarmPopen, warm_programs

from eventtag.cli.hydra_task import config_dir, open_schema, register_resolvers
from eventtag.settings import TrainSettings
from eventtag.training.record import plain

pytestmark = pytest.mark.slow


def wait_until(condition, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        if process.poll() is not None or time.monotonic() > deadline:
            pytest.fail(f"the sweep ended ({process.returncode}) or hung before it could be killed")
        time.sleep(0.1)


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_sweep_goes_on_where_it_stopped_and_its_best_settings_can_be_trained(tmp_path, corpus_file):
    (tmp_path / "configs" / "space").mkdir(parents=True)
    (tmp_path / "configs" / "space" / "mine.yaml").write_text(
        "trainer:\n  learning_rate: {low: 1e-3, high: 1e-2, log: true}\n  extra:\n    max_grad_norm: [0.5, 1.0]\n"
    )
    data = ["data=corpus", f"data.path={corpus_file}", "data.split_field=split", "evaluation.resamples=100"]
    command = ["sweep", *data, *TINY, "space=mine", "trials=3", "seeds=1", "workers=2", "resume=true", "run_dir=sweep"]
    process = WarmPopen([warm_programs() / "eventtag", *command], cwd=tmp_path, stderr=subprocess.DEVNULL)
    candidates, workers = tmp_path / "sweep" / "candidates", set()

    def half_done() -> bool:
        done = list(candidates.glob("*/outcome.json"))
        for marker in candidates.rglob(".eventtag"):
            with suppress(OSError, ValueError):  # it is being written or removed
                workers.add(json.loads(marker.read_text())["process"])
        return bool(done and workers) and len(list(candidates.iterdir())) > len(done)

    wait_until(half_done, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.program not in workers
    done = {path: path.read_bytes() for path in candidates.glob("*/outcome.json")}
    deadline = time.monotonic() + 30
    while any(map(is_alive, workers)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(map(is_alive, workers)), "a worker went on without the sweep that started it"

    run(*command, cwd=tmp_path)
    results = json.loads((tmp_path / "sweep" / "results.json").read_text())
    assert [candidate["number"] for candidate in results["candidates"]] == [0, 1, 2]
    assert {candidate["state"] for candidate in results["candidates"]} == {"finished"}
    assert all(len(candidate["scores"]) == 1 for candidate in results["candidates"])
    assert all(path.read_bytes() == content for path, content in done.items())
    assert (tmp_path / "sweep" / "results.html").exists()

    best = yaml.safe_load((tmp_path / "sweep" / "experiment" / "best.yaml").read_text())
    values = results["candidates"][results["best"]]["values"]
    assert best["trainer"]["learning_rate"] == values["trainer.learning_rate"]
    assert best["trainer"]["extra"] == {"max_grad_norm": values["trainer.extra.max_grad_norm"]}
    register_resolvers()
    ConfigStore.instance().store(name="train_schema", node=open_schema(TrainSettings))
    with hydra.initialize_config_dir(str(config_dir()), version_base="1.3"):
        config = hydra.compose("train", ["experiment=best", f"hydra.searchpath=[{tmp_path / 'sweep'}]", "run_dir=x"])
    composed = plain(OmegaConf.to_object(config))
    assert {key: composed[key] for key in best if key != "defaults"} == {key: best[key] for key in best if key != "defaults"}
