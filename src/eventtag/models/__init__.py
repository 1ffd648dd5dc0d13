"""Where encoders come from, the network, checkpoints, low-rank adapters."""
