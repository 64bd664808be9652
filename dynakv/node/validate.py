"""The one place that checks what a client asks, whichever door it came through.

Each refusal names the field, the value and the limit. Returns a value, raises nothing.
"""

from dynakv import limits
from dynakv.core.layout import Level, Mode
from dynakv.errors import Failure, Kind
from dynakv.node.context import Context, Placement
from dynakv.node.messages import KEEP_EXPIRY, Expire, Get, List, Put, RecordsMessage
from dynakv.node.raft_messages import Execute
from dynakv.node.validate_batches import batches_reason


def refusal(ctx: Context, message: RecordsMessage) -> Failure | None:
    """Return why the message can never be served as it is, or not now, or None."""
    placement = ctx.by_name.get(message.keyspace)
    if placement is None:
        return _unknown_keyspace(ctx, message.keyspace)
    mismatch = _mode(message, placement)
    if mismatch is not None:
        return mismatch
    reason = wrong_timeout(message.timeout_ms)
    match message:
        case Execute():
            reason = reason or batches_reason(ctx, placement, message)
        case List():
            reason = reason or _range(message)
        case Get():
            reason = reason or _keys(message.keys) or _count("r", message.r, placement)
            reason = reason or _age(message.max_age_ms)
        case Put() | Expire():
            reason = reason or _keys(message.keys) or _count("w", message.w, placement)
            reason = reason or _times(message)
            if reason is None and isinstance(message, Put):
                reason = _values(ctx, message) or _stamps(ctx, message)
    return None if reason is None else _invalid(reason)


def _mode(message: RecordsMessage, placement: Placement) -> Failure | None:
    """Return why a keyspace of that mode does not serve the message, or None."""
    name, mode = placement.name, placement.keyspace.settings.mode
    if mode is not Mode.RAFT:
        what = None
        if isinstance(message, Execute):
            what = "conditions, appends, increments, batches and request ids need"
        elif isinstance(message, Get) and message.max_age_ms is not None:
            what = "max_age_ms needs"
        if what is None:
            return None
        reason = f"{what} a keyspace in Raft mode, {name} is {mode.value}"
        return Failure(Kind.PRECONDITION, reason)
    asked: list[str] = []
    if isinstance(message, Put | Get | Expire) and message.level is not None:
        asked.append("level")
    if isinstance(message, Put | Expire) and message.w:
        asked.append("w")
    if isinstance(message, Get) and message.r:
        asked.append("r")
    if isinstance(message, Put) and message.times is not None:
        asked.append("stamp")
    if not asked:
        return None
    reason = f"{' and '.join(asked)} cannot be chosen: keyspace {name} is in Raft mode"
    return Failure(Kind.PRECONDITION, f"{reason}, where every operation is linearizable")


def _unknown_keyspace(ctx: Context, name: str) -> Failure:
    """Refuse for good only what the newest layout that anybody has does not know."""
    layout = ctx.layout
    if ctx.newest_epoch > layout.epoch:
        return Failure(
            Kind.UNAVAILABLE,
            f"nothing was done: keyspace {name!r} is not known at node {ctx.node_id}, whose layout"
            f" has epoch {layout.epoch} while there is one of epoch {ctx.newest_epoch}; try again",
        )
    if not ctx.guard.trusted:  # it was just started: others may know more
        return Failure(
            Kind.UNAVAILABLE,
            f"nothing was done: keyspace {name!r} is not known at node {ctx.node_id}, which has"
            " not heard a majority of the members since its start; try again",
        )
    known = ", ".join(sorted(ctx.by_name))
    return _invalid(f"keyspace {name!r} does not exist; there are: {known}")


def replicas_wanted(placement: Placement, level: Level | None, explicit: int, quorum: int) -> int:
    """Return how many replicas a request waits for; an explicit number overrides the level."""
    if explicit:
        return explicit
    match level or placement.keyspace.settings.default_level:
        case Level.ONE:
            return 1
        case Level.QUORUM:
            return quorum
        case Level.ALL:
            return placement.keyspace.n


def _keys(keys: list[bytes]) -> str | None:
    count = len(keys)
    if count == 1 and 1 <= len(keys[0]) <= limits.KEY_BYTES_MAX:
        return None  # the most frequent: 0.08 us, not 0.33
    if not 1 <= count <= limits.REQUEST_KEYS_MAX:
        return f"a request has {count} keys: 1 to {limits.REQUEST_KEYS_MAX} are allowed"
    lengths = [len(key) for key in keys]
    longest = max(lengths)
    if longest > limits.KEY_BYTES_MAX:
        return f"key has {longest} bytes: at most {limits.KEY_BYTES_MAX} are allowed"
    if min(lengths) == 0:
        return f"key is empty: 1 to {limits.KEY_BYTES_MAX} bytes are allowed"
    return None


def _range(message: List) -> str | None:
    for name, key in (("start", message.start), ("end", message.end), ("after", message.after)):
        if key is not None and len(key) > limits.KEY_BYTES_MAX:
            return f"{name} has {len(key)} bytes: at most {limits.KEY_BYTES_MAX} are allowed"
    if not 0 <= message.limit <= limits.LIST_KEYS_MAX:
        return (
            f"limit is {message.limit}: 1 to {limits.LIST_KEYS_MAX} is allowed,"
            " 0 means as many as fit a page"
        )
    return None


def _values(ctx: Context, put: Put) -> str | None:
    columns = (put.values, put.times, put.writers)
    if any(column is not None and len(column) != len(put.keys) for column in columns):
        return f"columns of the request differ in length from its {len(put.keys)} keys"
    if (put.times is None) != (put.writers is None):
        return "stamp: times and writers come together or not at all"
    if len(put.values) == 1 and len(put.values[0] or b"") <= ctx.config.value_bytes_max:
        return None  # the most frequent
    lengths = [len(value) for value in put.values if value is not None]
    longest = max(lengths, default=0)
    if longest > ctx.config.value_bytes_max:
        return (
            f"value has {longest} bytes: at most {ctx.config.value_bytes_max} are allowed"
            " (limits.value_bytes_max)"
        )
    if sum(lengths) > limits.REQUEST_BYTES_MAX:
        return (
            f"values of the request have {sum(lengths)} bytes together:"
            f" at most {limits.REQUEST_BYTES_MAX} are allowed"
        )
    return None


def _age(max_age_ms: int | None) -> str | None:
    if max_age_ms is None or 0 <= max_age_ms <= limits.STALE_MS_MAX:
        return None
    return f"max_age_ms is {max_age_ms}: 0 to {limits.STALE_MS_MAX} is allowed"


def _times(message: Put | Expire) -> str | None:
    ttls_ms, expiries_ms, count = message.ttls_ms, message.expiries_ms, len(message.keys)
    if ttls_ms is not None:
        if len(ttls_ms) != count:
            return f"columns of the request differ in length from its {count} keys"
        bad = _outside(ttls_ms, 0, limits.TTL_MS_MAX)
        if bad is not None:
            return f"ttl_ms is {bad}: 1 to {limits.TTL_MS_MAX} is allowed, 0 means none"
    if expiries_ms is not None:
        if len(expiries_ms) != count:
            return f"columns of the request differ in length from its {count} keys"
        lowest = KEEP_EXPIRY if isinstance(message, Put) else 0
        bad = _outside(expiries_ms, lowest, limits.EXPIRY_MS_MAX)
        if bad is not None:
            return f"expires_at_ms is {bad}: 1 to {limits.EXPIRY_MS_MAX} is allowed, 0 means none"
    return None


def _outside(column: list[int], lowest: int, highest: int) -> int | None:
    """Return a number of the column that is out of range."""
    if min(column) < lowest:
        return min(column)
    return max(column) if max(column) > highest else None


def _stamps(ctx: Context, put: Put) -> str | None:
    if put.times is None:
        return None
    now_ms = ctx.believed_ms()
    latest = ctx.clock.latest_accepted(now_ms)
    newest = max(put.times)
    if newest > latest:
        ctx.counters.refused_stamps += 1
        return (
            f"stamp stands {(newest >> 16) - now_ms} ms ahead of this node's clock:"
            f" at most {ctx.config.clock_bound_ms} ms are allowed"
        )
    age_ms = now_ms - (min(put.times) >> 16)
    if age_ms > ctx.config.stamp_age_ms_max:
        return f"stamp is {age_ms} ms old: at most {ctx.config.stamp_age_ms_max} ms are allowed"
    return None


def _count(name: str, replicas: int, placement: Placement) -> str | None:
    n = placement.keyspace.n
    if 0 <= replicas <= n:
        return None
    return f"{name} is {replicas}: 1 to {n} is allowed (keyspace {placement.name} has n={n})"


def wrong_timeout(timeout_ms: int) -> str | None:
    """Return why a timeout cannot be kept, or None; 0 is the node's default."""
    if 0 <= timeout_ms <= limits.DEADLINE_MS_MAX:
        return None
    return f"timeout is {timeout_ms} ms: 1 to {limits.DEADLINE_MS_MAX} is allowed"


def _invalid(reason: str) -> Failure:
    return Failure(Kind.INVALID, reason)
