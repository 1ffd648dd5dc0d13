"""The heads, which find spans from the encoder's output: layers, losses and decoding of each."""
