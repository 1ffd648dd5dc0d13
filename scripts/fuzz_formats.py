"""Mutate valid files of every format and read them: each must give articles or a typed error, in time and memory.

    python scripts/fuzz_formats.py --cases 1000000 --seed 0 [--formats conll,cat] [--seconds 5] [--megabytes 4096]

Mutations: bytes flipped, deleted, doubled, inserted; files cut; lines swapped, doubled, deleted; numbers made huge or negative;
JSON values replaced by those of another type; deep nesting; XML with document types and bombs of nested entities. A case that raises
anything but an EventtagError (running out of `--megabytes` does), or takes longer than `--seconds`, is saved to `--keep` and fails the run.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from eventtag.article import Article
from eventtag.errors import EventtagError
from eventtag.formats.registry import FORMATS, read_articles, recognise, write_articles
from eventtag.ledger import LossLedger
from eventtag.span import Span

ARTICLES = [
    Article(
        "1_1ecb", "Kyiv fell , again .\nBonn and Oslo 👩 did not .", (Span(0, 4, "LOC"), Span(5, 9, "EVENT"), Span(0, 9, "X"))
    ),
    Article(
        "b2", "שלום, “it” said; [x] \\ | 12.5\r\n\ttab", (Span(0, 4, "LOC"), Span(12, 16, "EVENT")), ((0, 20),), ("LOC", "EVENT")
    ),
    Article("c", "", meta={"topic": "1"}),
]
TOKENS = (
    b"\x00", b"\xff", b"\xed\xa0\x80", b"\t", b"\n", b"\n\n", b"\\", b'"', b"{", b"}", b"[", b"]", b"[" * 5000,
    b'{"a":' * 5000, b"|", b"[1]", b"_", b"null", b"true", b"1e999", b"NaN", b"-1", b"0", b"9" * 30, b"9" * 5000, b"B-X",
    b"I-X", b"(PER*", b"-DOCSTART-", b"SAMPLE_START\tO\n", b"# newdoc\n", b"#Text=", b"Entity=(1-x", b"1)", b"<a>" * 3000,
    b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'><!ENTITY b '&a;&a;&a;&a;'>]>", b"&b;", b"]]>", b"T1\tX 5 2\tq\n",
    b"T2\tX 0 99999999\tq\n", b"---\n", b"'''", b"(" * 200,
)  # fmt: skip

BOMBS = tuple(
    b"<!DOCTYPE x [" + b"".join(entities) + b"]>"
    for entities in (
        [
            b"<!ENTITY e0 'ha'>",
            *(b"<!ENTITY e%d '%s'>" % (n, b"&e%d;" % (n - 1) * 10) for n in range(1, 12)),
        ],  # ten times as long at each level
        [b"<!ENTITY e11 '" + b"a" * 50_000 + b"'>"],  # one long entity, named many times
        [b"<!ENTITY e11 SYSTEM 'file:///etc/passwd'>"],
        [b"<!ENTITY % e SYSTEM 'file:///etc/passwd'> %e; <!ENTITY e11 '1'>"],
    )
)


class TooSlow(BaseException):
    """A case ran out of its time; not an Exception, so that no reader can catch it."""


def _alarm(_signum: int, _frame: object) -> None:
    raise TooSlow


def mutate(data: bytes, rng: random.Random) -> bytes:
    """One to four random mutations of a file."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randint(0, len(data))
        kind = rng.randrange(10 if data.lstrip().startswith(b"<") else 9)
        if kind == 0 and data:
            at = rng.randrange(len(data))
            data = data[:at] + bytes([data[at] ^ (1 << rng.randrange(8))]) + data[at + 1 :]
        elif kind == 1:
            data = data[:at] + data[at + rng.choice((1, 2, 5, 50)) :]
        elif kind == 2:
            data = data[:at] + rng.choice(TOKENS) + data[at:]
        elif kind == 3:
            data = data[:at]
        elif kind == 4:
            lines = data.split(b"\n")
            i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
            lines[i], lines[j] = lines[j], lines[i]
            data = b"\n".join(lines)
        elif kind == 5:
            lines = data.split(b"\n")
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            data = b"\n".join(lines)
        elif kind == 6:
            numbers = list(re.finditer(rb"\d+", data))
            if numbers:
                match = rng.choice(numbers)
                data = (
                    data[: match.start()]
                    + rng.choice((b"-1", b"999999999", b"0", b"1.5", b"9" * 25, b"null"))
                    + data[match.end() :]
                )
        elif kind == 7:
            strings = list(re.finditer(rb'"[^"]*"', data))
            if strings:
                match = rng.choice(strings)
                data = (
                    data[: match.start()]
                    + rng.choice((b"null", b"[]", b"{}", b"7", b'""', b"true", b"[[]]"))
                    + data[match.end() :]
                )
        elif kind == 9:
            data = _with_bomb(data, rng)
        else:
            data = data[:at] + data[at : at + 40] * rng.randint(2, 20) + data[at + 40 :]
    return data


def _with_bomb(data: bytes, rng: random.Random) -> bytes:
    """A document type with entities before the first element, and one of them named in a text or an attribute."""
    root = re.search(rb"<[A-Za-z]", data)
    start = root.start() if root else 0
    places = [match.end() for match in re.finditer(rb'>|="', data) if match.end() > start]
    at = rng.choice(places) if places else len(data)
    return data[:start] + rng.choice(BOMBS) + data[start:at] + b"&e11;" * rng.choice((1, 1000)) + data[at:]


def main() -> int:
    """Run the cases; 1 where one failed."""
    parser = argparse.ArgumentParser(description="Read mutated files of every format.")
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--formats", default=",".join(FORMATS))
    parser.add_argument("--seconds", type=int, default=5, help="of processor time allowed for one case")
    parser.add_argument("--megabytes", type=int, default=4096, help="address space allowed for the whole process")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"))
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    resource.setrlimit(resource.RLIMIT_AS, (arguments.megabytes << 20,) * 2)
    signal.signal(signal.SIGPROF, _alarm)
    signal.signal(signal.SIGALRM, _alarm)
    base = Path("/dev/shm") if Path("/dev/shm").is_dir() else None  # noqa: S108 - memory, where there is such a folder
    names = arguments.formats.split(",")
    outcomes: Counter[str] = Counter()
    failures = 0
    with tempfile.TemporaryDirectory(dir=base) as folder:
        originals = {name: _original(Path(folder), name) for name in names}
        started = time.perf_counter()
        for case in range(arguments.cases):
            rng = random.Random(f"{arguments.seed}/{case}")  # noqa: S311 - damage, not secrets
            name = rng.choice(names)
            path, files = originals[name]
            target = rng.choice(sorted(files))
            target.write_bytes(mutate(files[target], rng))
            problem = _read(path, name, outcomes, arguments.seconds)
            if problem:
                failures += 1
                arguments.keep.mkdir(parents=True, exist_ok=True)
                kept = arguments.keep / f"{name}-{arguments.seed}-{case}{target.suffix}"
                shutil.copyfile(target, kept)
                print(f"case {case} ({name}), kept as {kept}:\n{problem}", file=sys.stderr)
            target.write_bytes(files[target])
            if case and case % 10_000 == 0:
                print(f"{case} cases, {failures} failed, {time.perf_counter() - started:.0f} s", flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"{arguments.cases} cases, {failures} failed, {time.perf_counter() - started:.0f} s, at most {peak} MB")
    for outcome, count in sorted(outcomes.items()):
        print(f"  {outcome}: {count}")
    return 1 if failures else 0


def _original(folder: Path, name: str) -> tuple[Path, dict[Path, bytes]]:
    """A valid corpus of the format and its files' contents."""
    path = folder / f"{name}{'' if FORMATS[name].folder else FORMATS[name].suffixes[0]}"
    write_articles(ARTICLES, path, name, ledger=LossLedger())
    files = [file for file in path.rglob("*") if file.is_file()] if path.is_dir() else [path]
    return path, {file: file.read_bytes() for file in files}


def _read(path: Path, name: str, outcomes: Counter[str], seconds: int) -> str | None:
    signal.setitimer(signal.ITIMER_PROF, seconds)  # of the processor, so that a busy machine fails no case
    signal.alarm(20 * seconds)  # by the clock, for a reader that waits for ever
    try:
        count = sum(1 for _ in read_articles(path, name, ledger=LossLedger()))
        outcomes[f"{name}: articles" if count else f"{name}: no article"] += 1
        recognise(path)
    except EventtagError as error:
        outcomes[f"{name}: {type(error).__name__}"] += 1
    except TooSlow:
        return f"ran longer than {seconds} s"
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        return traceback.format_exc(limit=-8)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    return None


if __name__ == "__main__":
    os.environ.setdefault("HF_DATASETS_DISABLE_PROGRESS_BARS", "1")
    sys.exit(main())
