"""How a run trains: transformers' Trainer, the order of windows, arithmetic, states on disk."""
