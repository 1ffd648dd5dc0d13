"""What encoders cost: CPU seconds and memory of tagging with each engine, and CPU seconds of a training step, as a Markdown table.

    OMP_NUM_THREADS=1 python scripts/measure_encoders.py minilm mpnet --articles 12

Each name is that of a configuration (`model=NAME`). The head has random weights, which do not change what the arithmetic costs. Texts are
test articles of the sample corpus, windows those of the defaults. Every row has a process of its own; its time is the better of two
rounds, imports and loading not counted. A training step is the forward and backward pass of 8 windows of 128 tokens.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from eventtag.cli.hydra_task import compose_data, compose_training
from eventtag.corpus.loading import load_corpus
from eventtag.corpus.seen import Seen
from eventtag.engines.backend import Backend
from eventtag.settings import WindowSettings

ENGINES = ("torch fp32", "ONNX Runtime fp32", "OpenVINO", "ONNX Runtime int8")
PREPARE = "prepare"


def main() -> int:
    """Measure all rows and print them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="+", metavar="NAME")
    parser.add_argument("--articles", type=int, default=12)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=ENGINES)
    parser.add_argument("--part", nargs=2, metavar=("ENGINE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.part:
        engine, place = options.part[0], Path(options.part[1])
        encoder = options.encoders[0]
        found = prepare(encoder, place) if engine == PREPARE else measure(engine, place, articles=options.articles)
        print(json.dumps(found))
        return 0
    print("| encoder | engine | article tokens per CPU second | memory (MB) | training step (CPU s) |\n|---|---|---:|---:|---:|")
    for encoder in options.encoders:
        with tempfile.TemporaryDirectory() as folder:
            step = f"{part(encoder, PREPARE, folder, options.articles)['step']:.2f}"
            for engine in options.engines:
                row = part(encoder, engine, folder, options.articles)
                print(f"| {encoder} | {engine} | {row['speed']:,.0f} | {row['memory']:,.0f} | {step} |", flush=True)
                step = ""
    return 0


def part(encoder: str, engine: str, folder: str, articles: int) -> dict[str, float]:
    """What a process of its own measures. This one, which starts it, has little memory: Linux counts a parent's to its children."""
    command = [sys.executable, __file__, encoder, "--articles", str(articles), "--part", engine, folder]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(engine: str, folder: Path, *, articles: int) -> dict[str, float]:
    """Tokens per CPU second and memory of one engine with the model that `prepare` wrote."""
    from tokenizers import Tokenizer

    from eventtag.encoding.tokens import tokenise
    from eventtag.labels import LabelSet
    from eventtag.tagging.tagger import Tagger

    texts = [article.text for article in load_corpus(compose_data(["sample"]), seen=Seen()).articles("test")[:articles]]
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tagger = Tagger(backend_of(engine, folder), tokenizer, LabelSet(), WindowSettings())
    list(tagger.tag_many(texts[:2]))
    times = []
    for _ in range(2):
        started = time.process_time()
        list(tagger.tag_many(texts))
        times.append(time.process_time() - started)
    tokens = sum(len(tokenise(text, tokenizer).input_ids) for text in texts)
    return {"speed": tokens / min(times), "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3}


def prepare(encoder: str, folder: Path) -> dict[str, float]:
    """Write the model in all forms; says the CPU seconds of a training step."""
    import torch

    from eventtag.engines.openvino_backend import to_openvino
    from eventtag.exporting.onnx_export import export_fp32, export_int8
    from eventtag.labels import LabelSet
    from eventtag.models.encoders import load_encoder

    model, tokenizer = load_encoder(compose_training([f"model={encoder}"]).model, LabelSet(), seed=1)
    ids = torch.randint(1000, 20000, (8, 128))
    read = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "casing_ids": torch.ones_like(ids)}
    times = []
    for _ in range(3):
        started = time.process_time()
        model.train()(**read).logits.logsumexp(-1).mean().backward()
        times.append(time.process_time() - started)
    model.eval().save_pretrained(folder / "torch")
    tokenizer.save_pretrained(folder)
    export_fp32(model, folder / "model.onnx", max_length=WindowSettings().max_length)
    export_int8(folder / "model.onnx", folder / "int8.onnx")
    to_openvino(folder / "model.onnx", folder / "model.xml")
    return {"step": min(times)}


def backend_of(engine: str, folder: Path) -> Backend:
    """The engine with the model that `prepare` wrote."""
    if engine == "OpenVINO":
        from eventtag.engines.openvino_backend import OpenVinoBackend

        return OpenVinoBackend(folder / "model.xml")
    if engine.startswith("ONNX"):
        from eventtag.engines.onnx_backend import OnnxBackend

        precision = engine.rpartition(" ")[2]
        return OnnxBackend(folder / {"fp32": "model.onnx", "int8": "int8.onnx"}[precision], precision=precision)
    from eventtag.engines.torch_backend import TorchBackend
    from eventtag.models.network import EventtagForTokenClassification

    return TorchBackend(EventtagForTokenClassification.from_pretrained(folder / "torch", trust_remote_code=False))


if __name__ == "__main__":
    sys.exit(main())
