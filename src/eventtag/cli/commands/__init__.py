"""One module for each command, with `run() -> int`, which reads `sys.argv[1:]`."""
