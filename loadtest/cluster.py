"""A demo cluster for the length of a measurement, started and ended by it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO


@contextmanager
def cluster(nodes: int = 3, environment: Mapping[str, str] | None = None) -> Iterator[list[str]]:
    """Run `dynakv demo` on free ports and yield the client addresses of its nodes.

    Its data lie where temporary files do (TMPDIR); `environment` reaches every node.
    """
    command = [sys.executable, "-m", "dynakv", "demo", "--nodes", str(nodes), "--base-port", "0"]
    variables = {"NO_COLOR": "1", "PYTHONUNBUFFERED": "1", **(environment or {})}
    with tempfile.TemporaryFile("w+") as errors:
        demo = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, **variables},
        )
        try:
            assert demo.stdout is not None
            yield _endpoints(demo.stdout, errors)
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(timeout=30)
            assert demo.stdout is not None
            demo.stdout.close()


def _endpoints(lines: Iterable[str], errors: IO[str]) -> list[str]:
    found: list[str] = []
    for line in lines:
        match = re.match(r"export DYNAKV_ENDPOINTS=(\S+)", line)
        if match:
            found = match[1].split(",")
        if line.startswith("get "):  # the sample is written and read: the cluster serves
            return found
    errors.seek(0)
    raise SystemExit(f"the demo cluster did not start:\n{errors.read()}")
