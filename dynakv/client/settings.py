"""What bounds a client, and the knobs that its user may turn. Units stand last in the names."""

from typing import Final

from msgspec import Struct

from dynakv import limits

# --- time ------------------------------------------------------------------------------------
DEADLINE_MS: Final = 10_000  # of a call with all its attempts
GRACE_MS: Final = 250  # beyond the deadline that the node keeps: then it is the node that hangs
CONNECT_MS: Final = 1_000  # of one handshake
REFRESH_MS: Final = 10_000  # how often the clock and the epoch are asked for
PROBE_MS: Final = 500  # how often a node that failed is asked whether it is back
AVOID_MS: Final = 200  # how long a node that refused comes last; it may be another one's fault
BACKOFF_MS: Final = 25  # before the second retry; doubles ...
BACKOFF_MS_MAX: Final = 1_000  # ... up to this
BUCKET_MS: Final = 100  # last attempts are cut to a multiple of this, so that they share messages

# --- messages --------------------------------------------------------------------------------
BATCH_KEYS_MAX: Final = 512  # the node puts no more into one operation
BATCH_BYTES_MAX: Final = limits.FRAME_BYTES_MAX  # more would leave the node on its slow lane
ANSWER_BYTES_MAX: Final = 4 << 20  # wished for; the values that were seen say how many keys fit
IN_FLIGHT_MAX: Final = 8  # full messages of one kind under way to one node
PARTIAL_IN_FLIGHT_MAX: Final = 1  # below a full message wait until the previous one returned ...
LINGER_MS: Final = 20  # ... or for so long: one slow key must not hold up what has just come
LANES_MAX: Final = 1_024  # kinds of messages remembered while nothing of them is under way

# --- calls -----------------------------------------------------------------------------------
OPERATIONS_MAX: Final = 100_000  # unfinished keys of one client: about 100 MiB of small ones
PIPELINE_KEYS_MAX: Final = limits.REQUEST_KEYS_MAX
PIPELINE_BYTES_MAX: Final = limits.REQUEST_BYTES_MAX
WINDOW_KEYS: Final = 8_192  # of a batch call: handed over together, the next ones when answered
ENDPOINTS_MAX: Final = limits.MEMBERS_MAX


class Settings(Struct, frozen=True):
    """The knobs of one client, checked by `arguments`."""

    endpoints: tuple[str, ...]  # host:port, each once
    keyspace: str
    level: int  # of the wire; 0: the keyspace's default
    timeout_ms: int = DEADLINE_MS
    attempt_ms: int = limits.ATTEMPT_MS
    coalesce: bool = True
    refresh_ms: int = REFRESH_MS
    probe_ms: int = PROBE_MS
    learn_endpoints: bool = True
