"""What decides spans from what the encoder says: layers, losses and decoding of each head."""
