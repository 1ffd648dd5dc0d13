"""Tagging beside transformers' own pipeline, on the same checkpoint and the same articles. For docs/evidence/tagging-speed.md.

    eventtag export RUN/checkpoint --precision bf16     # and fp32, int8
    python scripts/benchmark_inference.py RUN/checkpoint [--articles 40] [--rounds 3] [--stride 16]

Raw texts in, spans written as JSON Lines out, on one thread each (the pipeline on `--pipeline-threads`); CPU seconds, medians of
interleaved rounds, so that other load on the machine cancels out. A first round on every third article warms up and keeps the best
batch size of the pipeline. Articles:
ECB+, GUM and LitBank under $EVENTTAG_CORPORA or ../shared/corpora, 100 to 2,000 words each; the sample corpus where there are none.
Then: where the time goes, and the share of the fastest matrix products that were found here.
"""

from __future__ import annotations

import os

os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}

import argparse
import io
import json
import random
import re
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

BATCH_SIZES = (1, 4, 8, 16)
MAX_WORDS = 2000


def read_texts(count: int) -> list[str]:
    """Articles of 100 to MAX_WORDS words, alike from each corpus; longer chapters are cut at a word."""
    from eventtag.cli.hydra_task import corpus_dir
    from eventtag.formats.registry import read_articles
    from eventtag.ledger import LossLedger

    folders = [Path(corpus_dir(name)) for name in ("ecbplus", "gum_news/tsv", "litbank/entities")]
    folders = [folder for folder in folders if folder.exists()] or [Path("data/sample/articles.jsonl")]
    texts: list[str] = []
    for folder in folders:
        found = [article.text for article in read_articles(folder, "auto", ledger=LossLedger())]
        found = [text[: ends[min(len(ends), MAX_WORDS) - 1]] for text in found if len(ends := word_ends(text)) >= 100]
        random.Random(0).shuffle(found)  # noqa: S311
        texts += found[: -(-count // len(folders))]
    return texts[:count]


def word_ends(text: str) -> list[int]:
    """Where each word (what stands between white space) ends."""
    return [match.end() for match in re.finditer(r"\S+", text)]


class Timed:
    """A backend that counts the tokens that it reads, and the CPU seconds that it takes."""

    def __init__(self, backend) -> None:
        self.backend = backend
        self.precision, self.engine = backend.precision, backend.engine
        self.batch_tokens, self.decoder = backend.batch_tokens, backend.decoder
        self.tokens = 0
        self.seconds = 0.0

    def emissions(self, input_ids, casing_ids, word_positions):
        """As `Backend.emissions`."""
        started = time.process_time()
        found = self.backend.emissions(input_ids, casing_ids, word_positions)
        self.seconds += time.process_time() - started
        self.tokens += input_ids.size
        return found


def engines(path: Path, stride: int | None) -> dict[str, tuple[object, Timed]]:
    """Our tagger under each engine and precision that this checkpoint has."""
    from dataclasses import replace

    from eventtag.engines.choice import LIBRARIES, export_folder
    from eventtag.engines.torch_backend import TorchBackend
    from eventtag.models.checkpoint import load_checkpoint
    from eventtag.tagging.tagger import Tagger

    plain = Tagger.load(path, device="cpu").with_stride(stride)
    backends = {"torch fp32": plain.model, "torch bf16": TorchBackend(load_checkpoint(path).model, precision="bf16")}
    for precision, library in LIBRARIES.items():
        if export_folder(path, precision).is_dir():
            backends[f"{library} {precision}"] = Tagger.load(path, precision=precision).model
    timed = {name: Timed(backend) for name, backend in backends.items()}
    return {name: (replace(plain, model=backend), backend) for name, backend in timed.items()}


def pipelines(path: Path, stride: int) -> dict[str, Callable[[Sequence[str]], list[list[dict]]]]:
    """Transformers' pipeline at each batch size."""
    from transformers import pipeline

    found = pipeline(
        "token-classification", str(path), aggregation_strategy="simple", stride=stride, device="cpu", trust_remote_code=False
    )
    found.tokenizer.model_max_length = min(found.tokenizer.model_max_length, 512)
    return {f"pipeline, batch {size}": lambda texts, size=size: found(list(texts), batch_size=size) for size in BATCH_SIZES}


def write_pipeline(run, texts: Sequence[str]) -> float:
    """CPU seconds from texts to written spans."""
    started = time.process_time()
    file = io.StringIO()
    for text, spans in zip(texts, run(texts), strict=True):
        rows = [{"start": s["start"], "end": s["end"], "label": s["entity_group"], "score": float(s["score"])} for s in spans]
        file.write(json.dumps({"text": text, "spans": rows}, ensure_ascii=False) + "\n")
    return time.process_time() - started


def write_ours(tagger, texts: Sequence[str]) -> tuple[float, set]:
    """CPU seconds from texts to written spans, and the spans."""
    from eventtag.formats.jsonl import json_line
    from eventtag.tagging.tagged import with_spans

    started = time.process_time()
    file = io.StringIO()
    spans = []
    for item in tagger.tag_many(texts):
        file.write(json_line(with_spans(item)) + "\n")
        spans.append(item.spans)
    seconds = time.process_time() - started
    return seconds, {(number, s.start, s.end, s.label) for number, found in enumerate(spans) for s in found}


def matmul_limits(width: int, inner: int) -> dict[str, float]:
    """The most floating-point (or int8) operations a second of CPU time that a matrix product of the model's shapes reached here."""
    import torch

    def best(run) -> float:
        run()
        times = []
        for _ in range(5):
            started = time.process_time()
            for _ in range(8):
                run()
            times.append((time.process_time() - started) / 8)
        return 2 * 1024 * width * inner / min(times)

    found = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        left, right = torch.randn(1024, width, dtype=dtype), torch.randn(inner, width, dtype=dtype)
        found[name] = best(lambda left=left, right=right: torch.nn.functional.linear(left, right))
    left8 = torch.randint(-99, 99, (1024, width), dtype=torch.int8)
    right8 = torch.randint(-99, 99, (width, inner), dtype=torch.int8)
    found["int8"] = best(lambda: torch._int_mm(left8, right8))
    try:
        import onnxruntime
        from onnx import TensorProto, helper, numpy_helper
    except ImportError:
        return found
    weight = numpy_helper.from_array(np.random.default_rng(0).normal(size=(width, inner)).astype(np.float32), "w")
    values = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", (1024, width)), ("y", None))
    ]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "g", values[:1], values[1:], [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    given = {"x": np.ones((1024, width), dtype=np.float32)}
    found["fp32"] = max(found["fp32"], best(lambda: session.run(None, given)))
    return found


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--articles", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pipeline-threads", type=int, default=1, help="torch's threads while the pipeline runs (default: 1)")
    parser.add_argument("--engines", default="", help="only engines whose name has this in it, such as `onnxruntime|openvino`")
    parser.add_argument("--stride", type=int, help="tokens that our windows share at most; the pipeline keeps the checkpoint's")
    arguments = parser.parse_args()

    import torch

    from eventtag.encoding.tokens import tokenise
    from eventtag.models.checkpoint import read_info

    torch.set_num_threads(1)
    texts = read_texts(arguments.articles)
    ours = engines(arguments.checkpoint, arguments.stride)
    plain = ours["torch fp32"][0]
    model = plain.model.backend.model
    ours = {name: engine for name, engine in ours.items() if re.search(arguments.engines, name)}
    reference = next(name for name in ours if name.endswith("fp32"))
    theirs = pipelines(arguments.checkpoint, read_info(arguments.checkpoint)[0].window.stride)
    tokens = sum(len(tokenise(text, plain.tokenizer).input_ids) for text in texts)
    print(
        f"{len(texts)} articles, {sum(len(word_ends(text)) for text in texts)} words, {tokens} tokens; {arguments.rounds} rounds",
        flush=True,
    )

    times: dict[str, list[float]] = {name: [] for name in (*theirs, *ours)}
    spans: dict[str, set] = {}
    for round_number in range(arguments.rounds + 1):  # the first warms up, on few articles
        chosen = texts if round_number else texts[::3]
        for _, backend in ours.values():
            backend.tokens, backend.seconds = (backend.tokens, backend.seconds) if round_number > 1 else (0, 0.0)
        torch.set_num_threads(arguments.pipeline_threads)
        for name, run in theirs.items():
            times[name].append(write_pipeline(run, chosen))
        torch.set_num_threads(1)
        for name, (tagger, _) in ours.items():
            seconds, spans[name] = write_ours(tagger, chosen)
            times[name].append(seconds)
        if not round_number:
            best = min(theirs, key=lambda name: times[name][0])
            print("pipeline, warm-up: " + ", ".join(f"{name} {times[name][0]:.2f} s" for name in theirs))
            theirs = {best: theirs[best]}
            times = {name: times[name] for name in (*theirs, *ours)}
        print(f"round {round_number}", {name: round(found[-1], 2) for name, found in times.items()}, file=sys.stderr, flush=True)
    median = {name: statistics.median(found[1:]) for name, found in times.items()}
    base = min(median[name] for name in theirs)
    started = time.process_time()
    for text in texts:
        tokenise(text, plain.tokenizer)
    tokenising = time.process_time() - started

    linear = [module.weight for module in model.modules() if isinstance(module, torch.nn.Linear)]
    config = getattr(model.config, "encoder", model.config)
    limits = matmul_limits(config.hidden_size, config.intermediate_size)
    window = 0.85 * plain.window.max_length
    operations = 2 * sum(weight.numel() for weight in linear) + 4 * window * config.hidden_size * config.num_hidden_layers
    print(
        "\n| | CPU s | article tokens/s | times the pipeline | same spans | outside the model | tokenising | of the matmul limit |"
    )
    print("|---|---:|---:|---:|---:|---:|---:|---:|")
    for name, seconds in median.items():
        row = [name, f"{seconds:.2f}", f"{tokens / seconds:,.0f}", f"{base / seconds:.2f}"]
        if name in ours:
            backend = ours[name][1]
            first, second = spans[reference], spans[name]
            inside = backend.seconds / arguments.rounds
            row += [
                f"{2 * len(first & second) / (len(first) + len(second)):.2%}",
                f"{1 - inside / statistics.mean(times[name][1:]):.1%}",
            ]
            row += [
                f"{tokenising / seconds:.1%}",
                f"{backend.tokens * operations / backend.seconds / limits[backend.precision]:.0%}",
            ]
        print("| " + " | ".join(row + [""] * (8 - len(row))) + " |")
    read = ours[reference][1].tokens / arguments.rounds
    print(
        f"\nread by the model: {read / tokens:.3f} times the tokens of the articles (windows overlap, special tokens); padding: none"
    )
    print("matmul limits, 10^9 operations a second: " + ", ".join(f"{name} {limit / 1e9:.0f}" for name, limit in limits.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
