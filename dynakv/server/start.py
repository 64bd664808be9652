"""`dynakv start`: prepares the interpreter for a server and runs one node in it.

What belongs to the interpreter is here (garbage collector, thread switching, event loop, logs);
what belongs to the node is in `process.py`.
"""

import asyncio
import gc
import logging
import os
import sys
from collections.abc import Callable
from typing import Final

import orjson
import structlog

from dynakv.server.config import Config
from dynakv.server.process import serve

# A thread that needs the GIL (SQLite's, at every statement) waits this long beside a busy event
# loop. With Python's 5 ms batches of 256 rows got 16,000 rows a second through, so 97,000; the loop
# keeps 98 % of its pace.
SWITCH_INTERVAL_S: Final = 0.0001
# Requests make garbage without cycles, which needs no collector. Its default of 700 allocations
# would walk the youngest objects thousands of times a second and find nothing.
GC_THRESHOLDS: Final = (50_000, 20, 50)


def run_node(config: Config, *, until_stdin_closes: bool = False) -> int:
    """Run the node until it is told to stop; return the exit code, which is 0.

    Raises StorageError and RefusedError where it cannot start. A disk that fails later ends the
    process with exit code 70.
    """
    configure_logs()
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    gc.collect()
    gc.freeze()  # modules stay for the life of the process: never look at them again
    gc.set_threshold(*GC_THRESHOLDS)
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(serve(config, until_stdin_closes=until_stdin_closes))


def configure_logs() -> None:
    """Write logs to stderr: lines for people on a terminal, else one JSON object a line.

    What libraries log (gRPC, asyncio) takes the same way, from warnings up.
    """
    to_terminal = sys.stderr.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending: list[structlog.typing.Processor] = [structlog.processors.format_exc_info, _json]
    if to_terminal:
        ending = [structlog.dev.ConsoleRenderer(colors=not os.environ.get("NO_COLOR"))]
    structlog.configure(
        processors=[*shared, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _json(logger: object, name: str, event: "structlog.typing.EventDict") -> str:
    """Return the event as one line, when and what first; what JSON does not know as its repr."""
    del logger, name
    head = {key: event.pop(key, None) for key in ("timestamp", "level", "event")}
    return orjson.dumps({**head, **event}, default=repr).decode()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's factory where there is one (27 % more unary calls), else asyncio's own."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop
