"""Many runs: sweeps, learning curves, cross-validation, likely errors."""
