"""The Ray engine on a cluster of this machine with two actors."""

import json
import os
import signal
from pathlib import Path

import pytest
import stub_tagger
from stub_tagger import MakeStub, inline

from eventtag.api.predict import _engine
from eventtag.jobs.ray_engine import ON_THIS_MACHINE, QUIET, RayActors, TagShard
from eventtag.jobs.reading.inputs import read_rows
from eventtag.jobs.run import JobOptions, run_job
from eventtag.jobs.shards import Shard
from eventtag.jobs.store import ShardStore
from eventtag.settings import PredictSettings, TaggingEngine

ray = pytest.importorskip("ray")


@pytest.fixture
def source(tmp_path) -> Path:
    """230 rows; one is no JSON, on one the model fails."""
    lines = [json.dumps({"id": f"a{n}", "text": f"Police met Miners number {n} in Lima."}) for n in range(230)]
    lines[7], lines[77] = "{", json.dumps({"id": "p", "text": "POISON raise"})
    path = tmp_path / "in.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def job(source: Path, output: Path, engine, **options):
    return run_job(read_rows(str(source)), output, engine, settings={}, options=JobOptions(shard_rows=10), **options)


def files(output: Path) -> list[bytes]:
    return [output.read_bytes(), (output.with_name(output.name + ".job") / "dead_letter.jsonl").read_bytes()]


@pytest.mark.slow
def test_actors_write_what_one_process_writes_also_when_one_of_them_is_killed(tmp_path, source, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(Path(stub_tagger.__file__).parent), os.environ.get("PYTHONPATH", "")]))
    for variable, value in (QUIET | ON_THIS_MACHINE).items():
        monkeypatch.setenv(variable, value)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    log, killed = tmp_path / "log", []

    def kill_one(_):
        if not killed:
            killed.append(int(log.read_text().split()[0]))
            os.kill(killed[0], signal.SIGKILL)

    report = job(source, tmp_path / "ray.jsonl", RayActors(MakeStub(log), 2), on_progress=kill_one)
    assert not ray.is_initialized()
    assert (report.articles, report.bad_rows) == (228, 2)
    tagged = [line.split() for line in log.read_text().splitlines()]
    assert {process for process, _ in tagged} > {str(killed[0])}
    assert str(os.getpid()) not in {process for process, _ in tagged}
    one = job(source, tmp_path / "one.jsonl", inline(MakeStub()()))
    assert report.tokens == report.manifest["tokens"] == one.tokens > 228
    assert files(tmp_path / "ray.jsonl") == files(tmp_path / "one.jsonl")


def test_nothing_left_to_tag_starts_no_cluster(tmp_path):
    store = ShardStore(tmp_path)
    assert list(RayActors(MakeStub())(iter([]), store)) == []
    assert not ray.is_initialized()


@pytest.mark.parametrize(
    ("change", "message"),
    [({"code": "other"}, "has another version of eventtag"), ({"store": ShardStore(Path("/nowhere"))}, "does not see /nowhere")],
)
def test_a_node_that_cannot_do_the_job_says_so(tmp_path, source, change, message):
    from eventtag.jobs.job import code_digest

    actor = TagShard(**{"make_tagger": MakeStub(), "store": ShardStore(tmp_path), "code": code_digest(), "threads": 1} | change)
    failed = actor._answer(Shard(0, 0, tuple(read_rows(str(source)))))
    with pytest.raises(failed.kind, match=message):
        raise failed.kind(failed.message)
    assert not list(tmp_path.glob("*.shard"))


def test_a_shard_over_which_actors_died_is_tagged_in_a_process_that_may_die(tmp_path):
    from eventtag.jobs.job import code_digest

    path = tmp_path / "in.jsonl"
    path.write_text('{"id": "a", "text": "Police met."}\n{"id": "b", "text": "POISON kill"}\n{"id": "c", "text": "Kyiv fell."}\n')
    store = ShardStore(tmp_path)
    (tmp_path / ".000000.tries").write_bytes(b"..")
    actor = TagShard(MakeStub(), store, code_digest(), 1)
    record = actor._answer(Shard(0, 0, tuple(read_rows(str(path)))))
    assert (record.dead, record.articles) == ((1,), 2)
    assert [json.loads(line)["id"] for line in store.read(0)[1][:2]] == ["a", "c"]
    assert not list(tmp_path.glob(".*.tries"))


def test_an_actor_ends_when_code_that_nothing_interrupts_takes_too_long(tmp_path):
    from eventtag.jobs.job import code_digest

    path = tmp_path / "in.jsonl"
    path.write_text('{"id": "a", "text": "Police met."}\n{"id": "b", "text": "POISON hash"}\n')
    shard = Shard(0, 0, tuple(read_rows(str(path))))
    codes = []
    for _ in range(3):
        if (child := os.fork()) == 0:
            TagShard(MakeStub(), ShardStore(tmp_path), code_digest(), 1, article_seconds=0.3)._answer(shard)
            os._exit(0)
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    assert codes == [1, 1, 0]
    assert ShardStore(tmp_path).record(0).kinds == {"tag: took longer than seconds": 1}


def test_settings_choose_the_engine_and_no_other_output(tmp_path):
    settings = PredictSettings(checkpoint="c", input="i", engine=TaggingEngine.ray, workers=3, ray_cpus=0.5, ray_address="auto")
    engine = _engine(settings, "fp32")
    assert isinstance(engine, RayActors)
    assert (engine.count, engine.cpus, engine.gpus, engine.threads, engine.address) == (3, 0.5, None, 1, "auto")
