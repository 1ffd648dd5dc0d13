"""Training: windows with gold, transformers' Trainer, and the run around it."""
