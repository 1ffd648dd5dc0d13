"""One module a command, with `run() -> int` that reads `sys.argv[1:]`."""
