"""How fast `eventtag serve` answers, how many requests it takes at once, and whether its memory grows.

python scripts/measure_serving.py CHECKPOINT                          latency and concurrency, with a checkpoint as it is used
python scripts/measure_serving.py CHECKPOINT --requests 100000        memory too; take a tiny checkpoint

Latency: an article of 300 words is tagged by the server and by a tagger in this process in turns, so that whatever else the machine does
hits both alike. The figure is the ratio of the 95th percentiles.

Memory: 32 clients ask /api/tag, /hf, /label_studio/predict, /inception/predict (needs `pip install 'eventtag[cas]'`; every 13th
request) and /doccano in turns. No two requests have the same text.
"""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from eventtag.formats.jsonl import read_jsonl
from eventtag.ledger import LossLedger
from eventtag.serving.inception import SEGMENTS
from eventtag.settings.data import sample_file
from eventtag.tagging.tagger import Tagger

WORDS = 300
CLIENTS = 200
"""that send at the same time"""
SENDERS = 32
"""that send one request after another while memory is watched"""


def main() -> int:
    """Measure and print; returns 1 when a request failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--rounds", type=int, default=200, help="articles for latency (default: 200)")
    parser.add_argument("--requests", type=int, default=0, help="requests over which memory is watched (default: none)")
    parser.add_argument("--threads", type=int, default=2, help="threads of both taggers (default: 2)")
    arguments = parser.parse_args()
    words = " ".join(article.text for article in read_jsonl(Path(sample_file()), ledger=LossLedger())).split()
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "eventtag", "serve", f"checkpoint={arguments.checkpoint}", f"annotations={folder}/annotations", "port=0",
            "precision=fp32", f"threads={arguments.threads}",
        ]  # fmt: skip
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
            try:
                port = _port(server)
                if arguments.rounds:
                    _latency(arguments, port, words)
                failed = _at_once(port, words)
                if arguments.requests:
                    failed += _memory(arguments.requests, port, server.pid, words)
            finally:
                server.terminate()
                server.wait()
    return 1 if failed else 0


def _port(server: subprocess.Popen[str]) -> int:
    assert server.stderr is not None
    for line in server.stderr:
        if found := re.search(r"http://\S+:(\d+)", line):
            threading.Thread(target=server.stderr.read, daemon=True).start()
            return int(found[1])
    raise SystemExit("the server did not start")


def _article(words: list[str], number: int) -> str:
    start = (number * 97) % (len(words) - WORDS)
    return " ".join(words[start : start + WORDS])


def _ask(connection: http.client.HTTPConnection, texts: list[str]) -> tuple[int, bytes]:
    connection.request("POST", "/api/tag", json.dumps({"texts": texts}), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, answer.read()


def _latency(arguments: argparse.Namespace, port: int, words: list[str]) -> None:
    tagger = Tagger.load(arguments.checkpoint, threads=arguments.threads)
    served, alone = [], []
    for number in range(arguments.rounds + 5):
        text = _article(words, number)
        begun = time.perf_counter()
        _ask(http.client.HTTPConnection("127.0.0.1", port), [text])  # one that waits for five seconds is closed
        between = time.perf_counter()
        tagger.tag(text)
        ended = time.perf_counter()
        if number >= 5:  # the first ones warm up
            served.append(1000 * (between - begun))
            alone.append(1000 * (ended - between))
    for name, times in (("/api/tag", served), ("the tagger", alone)):
        print(
            f"{name:12} median {np.median(times):7.1f} ms, p95 {np.percentile(times, 95):7.1f} ms ({len(times)} articles of {WORDS} words)"
        )
    ratio = [np.percentile(served, q) / np.percentile(alone, q) for q in (50, 95)]
    print(f"ratio        median {ratio[0]:.2f}, p95 {ratio[1]:.2f}")


def _at_once(port: int, words: list[str]) -> int:
    """So many clients that all send at the same time; returns how many were not answered."""
    ready = threading.Barrier(CLIENTS)

    def ask(number: int) -> tuple[bool, float]:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        text = _article(words, number)
        ready.wait()
        begun = time.perf_counter()
        try:
            status, body = _ask(connection, [text])
        except OSError:
            return False, time.perf_counter() - begun
        return status == 200 and json.loads(body)["text"] == text, time.perf_counter() - begun

    begun = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(ask, range(CLIENTS)))
    failed = sum(not good for good, _ in answers)
    seconds = time.perf_counter() - begun
    print(
        f"{CLIENTS} at once: {failed} errors, all answered in {seconds:.1f} s, p95 {np.percentile([t for _, t in answers], 95):.1f} s"
    )
    return failed


def _memory(requests: int, port: int, process: int, words: list[str]) -> int:
    """The server's memory over many requests of every kind that keep nothing; returns how many failed."""
    bodies = _bodies()

    def send(numbers: range) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)
        bad = 0
        for number in numbers:
            start = number % (len(words) - 40)
            text = " ".join([*words[start : start + 10 + number % 31], f"on day {number} ."])
            path, body = bodies[number % len(bodies)]
            connection.request("POST", path, json.dumps(body(text)), {"Content-Type": "application/json"})
            answer = connection.getresponse()
            bad += not answer.read() or answer.status != 200
        return bad

    failed = 0
    print(f"memory: {_resident(process):.1f} MiB at the start")
    part = max(requests // 10, 1)
    with ThreadPoolExecutor(SENDERS) as pool:
        for done in range(0, requests, part):
            end = min(done + part, requests)
            failed += sum(pool.map(send, [range(done + sender, end, SENDERS) for sender in range(SENDERS)]))
            print(f"memory: {_resident(process):.1f} MiB after {end:,} requests, {failed} errors", flush=True)
    return failed


def _bodies() -> list[tuple[str, Callable[[str], object]]]:
    """The addresses in the order in which they are asked, each with what is sent to it for a text."""
    import cassis

    interface = '<View><Labels name="l" toName="t">{}</Labels><Text name="t" value="$text"/></View>'.format(
        "".join(f'<Label value="{label}"/>' for label in ("ACTOR", "EVENT", "LOCATION"))
    )
    system = cassis.TypeSystem()
    layer = system.create_type("custom.Mention", supertypeName="uima.tcas.Annotation")
    for name, kind in (("value", "String"), ("inception_internal_predicted", "Boolean"), ("value_score", "Double")):
        system.create_feature(layer, name, f"uima.cas.{kind}")
    token = system.create_type(f"{SEGMENTS}Token", supertypeName="uima.tcas.Annotation")
    metadata = {"projectId": 1, "layer": layer.name, "feature": "value", "anchoringMode": "tokens", "crossSentence": True}
    types = system.to_xml()

    def document(text: str) -> object:
        cas = cassis.Cas(typesystem=system)
        cas.sofa_string, cas.sofa_mime = text, "text/plain"
        cas.add_all([token(begin=word.start(), end=word.end()) for word in re.finditer(r"\w+|[^\w\s]", text)])
        return {"metadata": metadata, "typeSystem": types, "document": {"xmi": cas.to_xmi(), "documentId": 1, "userId": "a"}}

    small: list[tuple[str, Callable[[str], object]]] = [
        ("/api/tag", lambda text: {"text": text, "certainty": True}),
        ("/hf", lambda text: {"inputs": text}),
        ("/label_studio/predict", lambda text: {"tasks": [{"id": 1, "data": {"text": text}}], "label_config": interface}),
        ("/doccano", lambda text: {"text": text}),
    ]
    return [*small, *small, *small, ("/inception/predict", document)]  # reading a CAS takes more time than all of the others


def _resident(process: int) -> float:
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    raise ValueError("no VmRSS")


if __name__ == "__main__":
    sys.exit(main())
