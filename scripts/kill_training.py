"""Kill training at random instants, and at every operation that it does on a file; go on with it; and compare the weights.

python scripts/kill_training.py                                     100 random instants, every operation, a full disk from every one
python scripts/kill_training.py --kills 4 --operations 6 --full 2   the short form, with operations drawn at random

Each trial starts a run, kills it, and repeats the same call until the run is finished. Then the sha256 of its weights must be that of
a run which was never killed, and its directory must hold the same files. After each kill, everything that stands under a final name
must be whole. One process imports torch and is forked for each start; a C compiler is needed for `file_operations.c`, which counts
the operations and strikes at the k-th. Exit code 1 if anything differed.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

COUNT, KILL, FULL = 0, 1, 2
ACTORS = ("Police", "Rebels", "Miners", "Nurses")
EVENTS = ("attacked", "accused", "arrested", "praised")
PLACES = ("Paris", "Lima", "Mosul", "Accra")
MARKER = "EVENTTAG_FILE_OPERATIONS"

VARIANTS: dict[str, dict[str, Any]] = {
    "by epoch": {},
    "by step": {"extra": {"gradient_accumulation_steps": 2, "dataloader_num_workers": 1}, "save_every_steps": 1},
    "intermediate": {"intermediate": True, "adversarial": 0.5},
    "shared": {"intermediate": True, "shared": True},
    "early stop": {"patience": 1, "epochs": 4, "learning_rate": 1e-9, "head_learning_rate": 1e-9},
}
"""Trainer settings of each: states by epoch; by every update, which takes two batches, read by a worker; a run that learns from other
articles first, and trains adversarially; one that leaves what it learnt first for others; a run that stops early.
"""


@dataclass
class Ended:
    """How one start of a run ended: `code` is negative for a signal. Of a run that ended by itself, `operations` is how many there
    were, and `saves` the first and last of each saved state.
    """

    code: int
    operations: int = 0
    saves: list[tuple[int, int]] = field(default_factory=list)
    error: str = ""
    seconds: float = 0.0


def main() -> int:
    """Run the trials, print a line a variant; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="random instants, shared by the variants")
    parser.add_argument("--operations", type=int, help="file operations to be killed at, drawn at random (default: every one)")
    parser.add_argument(
        "--checkpoint", action="store_true", help="of the operations, those of the last state that is saved, all of them"
    )
    parser.add_argument("--full", type=int, help="file operations from which the disk is full (default: every one)")
    parser.add_argument("--variants", nargs="*", default=list(VARIANTS), choices=list(VARIANTS))
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kill_training.") as folder:
        if MARKER not in os.environ:
            library = Path(folder) / "file_operations.so"
            source = Path(__file__).parent / "file_operations.c"
            subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True)
            environment = os.environ | {MARKER: str(library), "LD_PRELOAD": str(library), "OMP_NUM_THREADS": "1"}
            return subprocess.run([sys.executable, *sys.argv], env=environment, check=False).returncode
        return run_trials(Path(folder), options)


def run_trials(folder: Path, options: argparse.Namespace) -> int:
    """All trials of all variants."""
    warm_up(folder)
    chance = random.Random(options.seed)  # noqa: S311 - when to kill is no secret
    corpus = write_articles(folder / "articles.jsonl")
    write_other_articles(folder / "other.jsonl")
    build_encoder([corpus, folder / "other.jsonl"], folder / "encoder")
    wrong: list[str] = []
    started = time.monotonic()
    print("variant: never killed (operations, s) | kills at instants | at operations | full disks | wrong", flush=True)
    for number, name in enumerate(options.variants):
        before = len(wrong)
        trial = Trial(corpus, folder / str(number), VARIANTS[name], wrong, name)
        kills = len(range(number, options.kills, len(options.variants)))
        for _ in range(kills):
            trial.at_instants(chance)
        every = range(trial.last_save[0], trial.last_save[1] + 1) if options.checkpoint else range(1, trial.operations + 1)
        killed = every if options.operations is None else sorted(chance.sample(every, options.operations))
        for at in killed:
            trial.at_operation(at)
        full = every if options.full is None else sorted(chance.sample(every, options.full))
        for at in full:
            trial.with_a_full_disk(at)
        print(
            f"{name}: {trial.operations}, {trial.seconds:.1f} s | {trial.instants} | {len(killed)} | {len(full)} | {len(wrong) - before}",
            flush=True,
        )
    seconds, processor = time.monotonic() - started, sum(os.times()[:4])
    print(f"{len(wrong)} wrong; {seconds:.0f} s, {processor:.0f} s of processor time")
    return 1 if wrong else 0


def warm_up(folder: Path) -> None:
    """Import and cache once what every fork would otherwise import and cache again."""
    import seqeval.metrics  # noqa: F401
    import transformers
    from jinja2 import UndefinedError

    import eventtag.training.run  # noqa: F401
    from eventtag.labels import LabelSet
    from eventtag.models.tiny import build_tiny_model, build_tiny_tokenizer
    from eventtag.reporting.page import render_template
    from eventtag.training.loop.precision import Arithmetic
    from eventtag.training.loop.speed import matmul_limit

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    build_tiny_model(build_tiny_tokenizer(["Lima"]), LabelSet()).save_pretrained(folder / "warm")
    with suppress(UndefinedError):  # the template is compiled before its values are asked for
        render_template("evaluation.html.j2")
    matmul_limit(48, Arithmetic())
    gc.freeze()  # spares every fork a walk through all of it


class Trial:
    """One variant: the run that is never killed, and those that are."""

    def __init__(self, corpus: Path, folder: Path, trainer: dict[str, Any], wrong: list[str], name: str) -> None:
        self.corpus, self.folder, self.wrong, self.name = corpus, folder, wrong, name
        self.trainer = {key: value for key, value in trainer.items() if key not in ("intermediate", "shared")}
        self.intermediate, self.shared = "intermediate" in trainer, "shared" in trainer
        self.instants = 0
        whole = folder / "whole"
        ended = self.start(whole)
        assert ended.code == 0, ended.error
        self.operations, self.last_save, self.seconds = ended.operations, ended.saves[-1], ended.seconds
        self.expected = describe(whole)
        assert self.intermediate == ("intermediate" in json.loads((whole / "run.json").read_text(encoding="utf-8")))

    def at_instants(self, chance: random.Random) -> None:
        """Kill a run at random instants: at one, and then with even odds at another one while it is gone on with."""
        run = self.folder / "killed"
        while (ended := self.start(run, seconds=chance.uniform(0, 1.1 * self.seconds))).code == -signal.SIGKILL:
            self.instants += 1
            self.inspect(run, "at an instant")
            if chance.random() < 0.5:
                ended = self.start(run)
                break
        self.finish(run, ended, "killed at an instant")

    def at_operation(self, at: int) -> None:
        """Kill a run at its `at`-th operation on a file, and go on with it."""
        run = self.folder / "killed"
        code = self.start(run, action=KILL, at=at).code
        if code != -signal.SIGKILL:
            self.fault(f"{self.name}: operation {at} was not reached (code {code})")
        self.inspect(run, f"at operation {at}")
        self.finish(run, self.start(run), f"killed at operation {at}")

    def with_a_full_disk(self, at: int) -> None:
        """Let the disk be full from the `at`-th operation on; the run must end with a message; make room, and go on with it."""
        run = self.folder / "full"
        ended = self.start(run, action=FULL, at=at)
        if ended.code == 1 and not ended.error.startswith("OutputError"):
            self.fault(f"{self.name}: disk full from operation {at}: {ended.error}")
        self.inspect(run, f"with a full disk from operation {at}")
        if ended.code != 0:
            ended = self.start(run)
        self.finish(run, ended, f"with a full disk from operation {at}")

    def start(self, run: Path, *, action: int = COUNT, at: int = 0, seconds: float | None = None) -> Ended:
        """Start or go on with a run in a process of its own, killed after some seconds if given."""
        begun = time.monotonic()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            self._be_the_run(run, action, at, writing)
        os.close(writing)
        if seconds is not None:
            time.sleep(seconds)
            os.kill(child, signal.SIGKILL)
        with os.fdopen(reading, encoding="utf-8") as pipe:
            said = pipe.read()
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        return Ended(code, seconds=time.monotonic() - begun, **(json.loads(said) if said and code >= 0 else {}))

    def _be_the_run(self, run: Path, action: int, at: int, writing: int) -> None:
        from eventtag.errors import OutputError
        from eventtag.settings import (
            DataSettings,
            EvaluationSettings,
            Head,
            IntermediateSettings,
            ModelSettings,
            Precision,
            TrainerSettings,
            TrainSettings,
            WindowSettings,
        )
        from eventtag.training.loop.resumable import ResumableTrainer
        from eventtag.training.run import METRICS_FILE, train

        operations = ctypes.CDLL(None)
        saves, save = [], ResumableTrainer._save_checkpoint

        def counted(*arguments: Any) -> None:
            first = operations.operations_seen() + 1
            save(*arguments)
            saves.append((first, operations.operations_seen()))

        ResumableTrainer._save_checkpoint = counted
        operations.watch_operations(str(run).encode(), ctypes.c_long(at), action)
        code, error = 0, ""
        trainer = {
            "epochs": 2,
            "batch_size": 4,
            "learning_rate": 5e-3,
            "head_learning_rate": 5e-3,
            "patience": None,
            "precision": Precision.fp32,  # `auto` is decided by timing, and may decide otherwise for the next run
        } | self.trainer
        model = ModelSettings(
            name="tiny", attention_dropout=0.1, head=Head.softmax, layer_mix=False, intermediate=IntermediateSettings(data=None)
        )
        if self.intermediate:
            other = DataSettings(path=str(self.corpus.parent / "other.jsonl"), split_field="split")
            encoder = str(self.corpus.parent / "encoder")
            model = replace(model, name=encoder, intermediate=IntermediateSettings(data=other, epochs=1))
        try:
            train(
                TrainSettings(
                    data=DataSettings(path=str(self.corpus), split_field="split"),
                    model=model,
                    window=WindowSettings(max_length=16, stride=4),
                    trainer=TrainerSettings(**{"adversarial": 0.0, **trainer}),
                    evaluation=EvaluationSettings(resamples=100),
                    resume=True,
                    run_dir=str(run),
                ),
                shared=shared_of(run) if self.shared else None,
            )
        except OutputError as problem:
            finished = (run / METRICS_FILE).exists() and "this run is finished" in str(problem)
            code, error = (0, "") if finished else (1, f"OutputError: {problem}")
        except BaseException as problem:
            code, error = 1, f"{type(problem).__name__}: {problem}"
        os.write(writing, json.dumps({"operations": operations.operations_seen(), "saves": saves, "error": error}).encode())
        os._exit(code)

    def fault(self, line: str) -> None:
        """Count and print something that is wrong."""
        self.wrong.append(line)
        print(f"WRONG {line}", flush=True)

    def inspect(self, run: Path, when: str) -> None:
        """Everything under a final name must be whole."""
        from eventtag.errors import EventtagError
        from eventtag.manifest import check_manifest
        from eventtag.training.loop.saving import check_state

        try:
            for state in (run / "trainer").glob("checkpoint-*"):
                check_state(state, processes=1)
            for checkpoint in (run / "checkpoint", *shared_of(run).glob("*")):
                if checkpoint.exists():
                    check_manifest(checkpoint)
            for file in run.glob("[!.]*.json"):
                json.loads(file.read_text(encoding="utf-8"))
        except (EventtagError, ValueError) as error:
            self.fault(f"{self.name}, {when}: {error}")

    def finish(self, run: Path, ended: Ended, how: str) -> None:
        """The finished run must be what the one is that was never killed."""
        if ended.code != 0:
            self.fault(f"{self.name}, {how}: it could not be gone on with: {ended.error}")
        elif (found := describe(run)) != self.expected:
            keys = [key for key in self.expected.keys() | found.keys() if self.expected.get(key) != found.get(key)]
            self.fault(f"{self.name}, {how}: differs in {', '.join(sorted(keys))}")
        shutil.rmtree(run)
        shutil.rmtree(shared_of(run), ignore_errors=True)


def shared_of(run: Path) -> Path:
    """Where a run leaves its intermediate checkpoint; the name begins like the run's, so that what is done there counts too."""
    return run.with_name(f"{run.name}-shared")


def describe(run: Path) -> dict[str, str]:
    """The sha256 of the weights, of the spans, and of the scores and losses of every epoch; and the names of all files."""
    from eventtag.manifest import sha256_of

    names = {str(path.relative_to(run)): "there" for path in run.rglob("*")}
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    return names | {
        "weights": sha256_of(run / "checkpoint" / "model.safetensors"),
        "spans": sha256_of(run / "predictions.jsonl"),
        "history": json.dumps([metrics[key] for key in ("best_epoch", "epochs", "loss")], sort_keys=True),
    }


def write_articles(path: Path) -> Path:
    """Sixteen articles of two sentences."""
    lines = []
    for number in range(16):
        text, spans = "", []
        for part in range(2):
            seed = number * 2 + part
            words = (ACTORS[seed % 4], "ACTOR"), (EVENTS[seed * 3 % 4], "EVENT"), (PLACES[seed * 5 // 4 % 4], "LOCATION")
            for word, label in words:
                text += " in " if label == "LOCATION" else " " if text else ""
                spans.append({"start": len(text), "end": len(text) + len(word), "label": label})
                text += word
            text += "."
        split = "validation" if number % 4 == 0 else "train"
        lines.append(json.dumps({"id": f"a{number}", "text": text, "spans": spans, "meta": {"split": split}}) + "\n")
    path.write_text("".join(lines), encoding="utf-8")
    return path


def write_other_articles(path: Path) -> None:
    """Eight articles that have nothing in common with the others but their labels."""
    lines = []
    for number in range(8):
        who, where = ("Voters", "Pilots", "Bakers")[number % 3], ("Dublin", "Tokyo", "Oslo")[number % 3]
        text = f"{who} thanked their neighbours on day {number * 13} of a long week at {where} ."
        spans = [(who, "ACTOR"), ("thanked", "EVENT"), (where, "LOCATION")]
        marked = [{"start": text.index(word), "end": text.index(word) + len(word), "label": label} for word, label in spans]
        meta = {"split": "validation" if number % 4 == 0 else "train"}
        lines.append(json.dumps({"id": f"o{number}", "text": text, "spans": marked, "meta": meta}) + "\n")
    path.write_text("".join(lines), encoding="utf-8")


def build_encoder(articles: list[Path], folder: Path) -> None:
    """A tiny encoder that knows the words of these files: the vocabulary of `tiny` comes from one corpus."""
    import torch

    from eventtag.labels import LabelSet
    from eventtag.models.tiny import build_tiny_model, build_tiny_tokenizer

    tokenizer = build_tiny_tokenizer(
        [json.loads(line)["text"] for file in articles for line in file.read_text(encoding="utf-8").splitlines()]
    )
    torch.manual_seed(3)
    build_tiny_model(tokenizer, LabelSet(("X",))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    sys.exit(main())
