"""Workers of jobs are forked from a process that has imported everything."""

from collections.abc import Iterator
from multiprocessing import popen_spawn_posix, util

import pytest
from warm import fork_spawned, warm_programs


@pytest.fixture(autouse=True, scope="session")
def warm_workers() -> Iterator[None]:
    """The process is started when the first worker is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(util, "spawnv_passfds", util.spawnv_passfds)  # as it was, at the end
        patch.setattr(popen_spawn_posix.Popen, "poll", popen_spawn_posix.Popen.poll)
        fork_spawned(lambda: warm_programs() / "socket")
        yield
