"""Starts training runs in processes as a launcher does: imports once, then forks each process of each run.

python forked_runs.py '[{"processes": 2, "arguments": ["train", ...], "terminate": 1}, ...]'

`terminate` is the rank that gets SIGTERM in its third update. One line of JSON to standard output: the exit codes of each run.
"""

import json
import os
import signal
import socket
import sys

import transformers

from eventtag.cli.main import main
from eventtag.training import run as _  # noqa: F401 - so that each fork has it
from eventtag.training.loop import resumable


def start(run: dict) -> list[int]:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    children = []
    for rank in range(run["processes"]):
        child = os.fork()
        if child == 0:
            if run["processes"] > 1:
                world = {"WORLD_SIZE": run["processes"], "RANK": rank, "LOCAL_RANK": rank, "LOCAL_WORLD_SIZE": run["processes"]}
                os.environ |= {key: str(value) for key, value in world.items()}
                os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            if run.get("terminate") == rank:
                terminate_in_the_third_update()
            sys.argv = ["eventtag", *run["arguments"]]
            code = 1
            try:
                code = main()
            except SystemExit as ended:
                code = ended.code
            finally:
                sys.stderr.flush()
                os._exit(code)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]


def terminate_in_the_third_update() -> None:
    real = resumable.ResumableTrainer._get_grad_norm

    def terminated(self, *args, **options):
        if self.state.global_step == 2:
            os.kill(os.getpid(), signal.SIGTERM)
        return real(self, *args, **options)

    resumable.ResumableTrainer._get_grad_norm = terminated


if __name__ == "__main__":
    transformers.logging.disable_progress_bar()
    print(json.dumps([start(run) for run in json.loads(sys.argv[1])]))  # noqa: T201
