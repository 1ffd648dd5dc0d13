"""Who takes part in which event, and whether it happened: candidate pairs of spans, their scores in numpy, calibration and decoding."""
