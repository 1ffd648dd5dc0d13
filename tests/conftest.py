"""What every test shares: no hub, no colours, small articles that can be learnt, and one trained tiny checkpoint."""

from __future__ import annotations

import fcntl
import gc
import os
import sys
import threading

# One thread a process: tests run side by side, and threads that wait for each other's cores make all of them slow.
os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "NO_COLOR": "1", "OMP_NUM_THREADS": "1"}

from dataclasses import replace
from multiprocessing import popen_spawn_posix, util
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings
from warm import fork_spawned, make_room, warm_programs, write_to_memory

from eventtag.article import Article
from eventtag.formats.jsonl import json_line
from eventtag.link import ROLES, Link
from eventtag.span import Span

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from eventtag.settings import ModelSettings, TrainerSettings

REPOSITORY = Path(__file__).resolve().parent.parent
sys.path.append(str(REPOSITORY / "scripts"))  # for stub_tagger, which processes import that tests start

# Real corpora, for the tests that read them; those skip themselves where there are none.
CORPORA = REPOSITORY.parent / "shared" / "corpora"
if CORPORA.is_dir():
    os.environ.setdefault("EVENTTAG_CORPORA", str(CORPORA))

# The tests start hundreds of processes: what these import is kept compiled, even if the environment says otherwise.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

os.fsync = write_to_memory

# Properties are tried on the same examples each time, and a slow machine fails none.
settings.register_profile("same", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("same")


def pytest_configure(config: pytest.Config) -> None:
    """One room for the warm programs of all workers; a run of all tests prepares it while they are collected."""
    gc.disable()  # while tests are collected: what is imported is never garbage
    if not hasattr(config, "workerinput"):
        make_room()
        if config.args_source is config.ArgsSource.TESTPATHS and not config.option.collectonly:
            threading.Thread(target=warm_programs, daemon=True).start()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take long come first: the last that is begun ends when the others do."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)


def pytest_collection_finish() -> None:
    """What has been imported stays until the end: it need not be walked through by every collection of garbage."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(autouse=True, scope="module")
def _frozen() -> None:
    """What earlier modules imported and made stays: each training collects garbage, which would walk through all of it."""
    gc.collect()
    gc.freeze()


def make_article(name: str, marked: str, **fields: object) -> Article:
    """An article from `Police/ACTOR arrested/EVENT men/ACTOR in Paris/LOCATION .`"""
    text, spans = "", []
    for word in marked.split():
        mention, slash, label = word.partition("/")
        text += " " if text else ""
        if slash:
            spans.append(Span(len(text), len(text) + len(mention), label))
        text += mention
    return Article(name, text, tuple(spans), **fields)  # type: ignore[arg-type]


def make_distinct(count: int, *, train: int) -> list[Article]:
    """So many articles of which no two are near-duplicates; `meta` gives the first `train` to training and the others to validation."""
    return [
        make_article(
            f"n{number}",
            " ".join(f"word{number}x{part}" for part in range(20)) + " Police/ACTOR met/EVENT in Paris/LOCATION .",
            meta={"split": "train" if number < train else "validation"},
        )
        for number in range(count)
    ]


ACTORS = ("Police", "Rebels", "Miners", "Nurses", "Moscow", "Kigali", "Reuters", "Students")
EVENTS = ("attacked", "accused", "arrested", "praised", "met", "blocked", "warned", "freed")
PLACES = ("Paris", "Lima", "Mosul", "Accra", "Turin", "Quito", "Osaka", "Perth")


@pytest.fixture(autouse=True, scope="session")
def no_hydra_here() -> Iterator[None]:
    """Commands of Hydra run in processes of their own: in this one, Hydra's logging would close the streams that pytest captures."""

    def refuse(*_: object, **__: object) -> None:
        pytest.fail("a test runs a command of Hydra in pytest's own process; call the function of the API, or start a process")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hydra.main", refuse)
        yield


@pytest.fixture(scope="session")
def warm_workers() -> Iterator[None]:
    """From the first test that asks for it on, processes that `multiprocessing` spawns are forked from one that has imported everything."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(util, "spawnv_passfds", util.spawnv_passfds)  # as it was, at the end
        patch.setattr(popen_spawn_posix.Popen, "poll", popen_spawn_posix.Popen.poll)
        fork_spawned(lambda: warm_programs() / "socket")
        yield


@pytest.fixture(scope="session")
def articles() -> tuple[Article, ...]:
    """24 different articles of three plain sentences: few words, each always with the same label, so that a tiny model learns them."""
    made = []
    for number in range(24):
        sentences = []
        for part in range(3):
            seed = number * 3 + part
            actor, other = ACTORS[seed % 8], ACTORS[(seed + 3) % 8]
            event, place = EVENTS[(seed * 5 + number // 8) % 8], PLACES[(seed * 7 + number // 8) % 8]
            sentences.append(f"{actor}/ACTOR {event}/EVENT {other}/ACTOR in {place}/LOCATION .")
        split = "validation" if number % 6 == 0 else "test" if number % 6 == 1 else "train"
        made.append(make_article(f"a{number}", " ".join(sentences), meta={"split": split}))
    return tuple(made)


def with_links(article: Article) -> Article:
    """The article, whose sentences have an actor, an event, an actor and a place each, with links and status."""
    spans = [replace(span, status="asserted" if span.label == "EVENT" else None) for span in article.spans]
    links = [
        Link(event, other, role)
        for agent, event, target, place in zip(*[iter(spans)] * 4, strict=True)
        for other, role in zip((agent, target, place), ROLES, strict=True)
    ]
    return replace(article, spans=tuple(spans), links=tuple(links))


def made_once(temporary: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """A path of this name, made by the first process of pytest that asks for it and read by all."""
    base = temporary.getbasetemp()
    path = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "made" / name
    path.parent.mkdir(exist_ok=True)
    made = path.with_name(f"{name}.made")
    with path.with_name(f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            make(path)
            made.touch()
    return path


@pytest.fixture(scope="session")
def corpus_file(articles: tuple[Article, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The articles as a JSONL file with their split in `meta`, and with links and status, so that whatever reads articles meets them."""
    lines = "".join(json_line(with_links(article)) + "\n" for article in articles)
    return made_once(tmp_path_factory, "articles.jsonl", lambda path: path.write_text(lines, encoding="utf-8"))


def plain_model(**chosen: Any) -> ModelSettings:
    """Settings of a model that learns fast: a softmax on the last layer, without intermediate fine-tuning."""
    from eventtag.settings import Head, IntermediateSettings, ModelSettings

    return ModelSettings(**{"head": Head.softmax, "layer_mix": False, "intermediate": IntermediateSettings(data=None), **chosen})


def plain_trainer(**chosen: Any) -> TrainerSettings:
    """Settings of training without its adversarial half."""
    from eventtag.settings import TrainerSettings

    return TrainerSettings(**{"adversarial": 0.0, **chosen})


def trained_settings(corpus: Path) -> dict[str, Any]:
    """The settings of `trained_run`."""
    from eventtag.settings import DataSettings, WindowSettings

    return {
        "data": DataSettings(path=str(corpus), split_field="split"),
        "model": plain_model(name="tiny", attention_dropout=None),
        "window": WindowSettings(max_length=24, stride=6),
        "trainer": plain_trainer(epochs=12, batch_size=4, learning_rate=1e-2, head_learning_rate=1e-2, patience=None),
    }


@pytest.fixture(scope="session")
def trained_run(corpus_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run of the tiny model on the articles."""
    from eventtag.settings import TrainSettings
    from eventtag.training.run import train

    settings = trained_settings(corpus_file)
    return made_once(tmp_path_factory, "trained", lambda run: train(TrainSettings(**settings, run_dir=str(run))))


@pytest.fixture(scope="session")
def mpnet_folder(articles: tuple[Article, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small random encoder as `sentence-transformers/all-mpnet-base-v2` is stored, with the words of the articles in its vocabulary."""
    import torch
    from transformers import MPNetConfig, MPNetModel, MPNetTokenizer

    folder = tmp_path_factory.mktemp("encoders") / "mpnet"
    words = sorted({word.lower() for article in articles for word in article.text.split()})
    letters = sorted({letter for word in words for letter in word})
    pieces = dict.fromkeys(
        ["<s>", "<pad>", "</s>", "<unk>", *words, *letters, *(f"##{one}" for one in letters), "[UNK]", "<mask>"]
    )
    tokenizer = MPNetTokenizer(vocab={piece: number for number, piece in enumerate(pieces)}, model_max_length=512)
    tokenizer.save_pretrained(folder)
    sizes = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 96}
    torch.manual_seed(0)
    config = MPNetConfig(vocab_size=len(tokenizer), max_position_embeddings=514, hidden_dropout_prob=0.0, **sizes)
    encoder = MPNetModel(config)
    torch.nn.init.normal_(encoder.encoder.relative_attention_bias.weight, std=0.5)  # so that relative positions matter
    encoder.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def linked_run(corpus_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a finished run like `trained_run`, whose model has a link head."""
    from eventtag.settings import TrainSettings
    from eventtag.training.run import train

    settings = trained_settings(corpus_file)
    settings["model"] = replace(settings["model"], links=True)
    return made_once(tmp_path_factory, "linked", lambda run: train(TrainSettings(**settings, run_dir=str(run))))


@pytest.fixture(scope="session")
def checkpoint(trained_run: Path) -> Path:
    """The checkpoint of `trained_run`."""
    return trained_run / "checkpoint"
