"""A demo cluster for the length of a measurement, started and ended by it."""

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def cluster(nodes: int = 3) -> Iterator[list[str]]:
    """Run `dynakv demo` on free ports and yield the client addresses of its nodes."""
    command = [sys.executable, "-m", "dynakv", "demo", "--nodes", str(nodes), "--base-port", "0"]
    with tempfile.TemporaryFile("w+") as errors:
        demo = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1"},
        )
        try:
            assert demo.stdout is not None
            yield _endpoints(demo.stdout, errors)
        finally:
            demo.send_signal(signal.SIGTERM)
            demo.wait(timeout=30)


def _endpoints(lines: Iterator[str], errors: object) -> list[str]:
    found: list[str] = []
    for line in lines:
        match = re.match(r"export DYNAKV_ENDPOINTS=(\S+)", line)
        if match:
            found = match[1].split(",")
        if line.startswith("get "):  # the sample is written and read: the cluster serves
            return found
    errors.seek(0)  # type: ignore[attr-defined]
    raise SystemExit(f"the demo cluster did not start:\n{errors.read()}")  # type: ignore[attr-defined]
