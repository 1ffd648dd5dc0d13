"""Where encoders come from, the tagging model, its loss, and checkpoints."""
