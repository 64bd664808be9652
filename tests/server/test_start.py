import subprocess
import sys

import orjson

SCRIPT = """
import logging, structlog
from dynakv.server.start import configure_logs
configure_logs()
structlog.get_logger().info("peer_up", peer="n2", odd={1, })
structlog.get_logger().debug("never")
logging.getLogger("grpc").warning("a %s", "warning")
logging.getLogger("grpc").info("never")
"""


def test_logs_are_json_lines_on_stderr_with_when_and_what_first() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, timeout=30, check=True
    )
    assert done.stdout == b""
    ours, theirs = (orjson.loads(line) for line in done.stderr.splitlines())
    assert list(ours) == ["timestamp", "level", "event", "peer", "odd"]
    assert (ours["level"], ours["event"], ours["odd"]) == ("info", "peer_up", "{1}")
    assert (theirs["level"], theirs["event"]) == ("warning", "a warning")
