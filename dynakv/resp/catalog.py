"""All commands, in one table: what the door looks up, what COMMAND answers, what the docs show."""

from typing import Final

from dynakv.resp import about, dialogue, keys, listing, scripts, strings
from dynakv.resp.command import Command

CATALOG: Final[dict[str, Command]] = {
    command.name: command
    for command in sorted(
        (
            *dialogue.COMMANDS,
            *about.COMMANDS,
            *strings.COMMANDS,
            *keys.COMMANDS,
            *listing.COMMANDS,
            *scripts.COMMANDS,
        ),
        key=lambda command: (command.group, command.name),
    )
}

# What clients of a Redis may miss here; they get the error of an unknown command.
NOT_OFFERED: Final = {
    "lists": "LPUSH RPUSH LPOP RPOP LRANGE LLEN LINDEX LSET LREM LTRIM LMOVE BLPOP BRPOP",
    "hashes": "HSET HGET HDEL HGETALL HMGET HKEYS HVALS HLEN HEXISTS HINCRBY HSCAN",
    "sets": "SADD SREM SMEMBERS SISMEMBER SCARD SINTER SUNION SDIFF SPOP SSCAN",
    "sorted sets": "ZADD ZREM ZRANGE ZSCORE ZCARD ZRANK ZINCRBY ZCOUNT ZSCAN",
    "streams": "XADD XRANGE XREAD XLEN XGROUP XREADGROUP XACK",
    "bits, geo, hyperloglog": "SETBIT GETBIT BITCOUNT BITOP GEOADD GEOSEARCH PFADD PFCOUNT",
    "publish and subscribe": "PUBLISH SUBSCRIBE PSUBSCRIBE SPUBLISH SSUBSCRIBE",
    "scripts": "EVAL_RO EVALSHA_RO FUNCTION FCALL",
    "server": "MONITOR SLOWLOG LATENCY SAVE BGSAVE SHUTDOWN DEBUG ACL WAIT SWAPDB MOVE SORT DUMP"
    " RESTORE MIGRATE",
    "cluster": "CLUSTER READONLY READWRITE ASKING REPLICAOF PSYNC FAILOVER",
}


def lookup() -> dict[bytes, Command]:
    """Return the table by name as clients send it: upper and lower case."""
    return {
        name.encode(): command
        for command in CATALOG.values()
        for name in (command.name, command.name.lower())
    }


def as_markdown() -> str:
    """Return the table of `docs/redis.md`."""
    lines = ["| command | works | remarks |", "|---|---|---|"]
    lines += [
        f"| {command.name} | {command.support.value} | {command.summary} |"
        for command in CATALOG.values()
    ]
    for kind, names in NOT_OFFERED.items():
        lines.append(f"| {', '.join(names.split())} and the rest of {kind} | no | |")
    return "\n".join(lines) + "\n"
