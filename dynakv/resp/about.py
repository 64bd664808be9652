"""Commands about the node: INFO, CONFIG, COMMAND, TIME. Figures are real or left out."""

import os
import platform
import resource
import sys
from collections.abc import Callable, Iterable
from typing import Final

from dynakv import __version__, limits
from dynakv.resp import replies
from dynakv.resp.command import Command, Kind, Local, wrong_arity
from dynakv.resp.connection import Connection
from dynakv.resp.dialogue import REDIS_VERSION
from dynakv.resp.glob import matcher
from dynakv.resp.replies import OK, CommandError, integer, text
from dynakv.resp.requests import Request

Fields = dict[str, object]


# --- INFO ------------------------------------------------------------------------------------


def info(conn: Connection, request: Request) -> bytes:
    """INFO [section ...]"""
    wanted = {word.decode(errors="replace").lower() for word in request[1:]}
    everything = not wanted or not wanted.isdisjoint(("all", "default", "everything"))
    lines: list[str] = []
    for name, section in _SECTIONS.items():
        if everything or name.lower() in wanted:
            lines += [f"# {name}", *(f"{k}:{v}" for k, v in section(conn).items()), ""]
    return replies.verbatim("\r\n".join(lines), conn.protocol)


def _server(conn: Connection) -> Fields:
    door = conn.door
    up_s = (door.wall_ms() - door.since_ms) // 1000
    return {
        "redis_version": REDIS_VERSION,
        "redis_mode": "standalone",
        "dynakv_version": __version__,
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "arch_bits": 64 if sys.maxsize > 1 << 32 else 32,
        "process_id": os.getpid(),
        "run_id": f"{door.inbox.header().incarnation:040x}",
        "tcp_port": door.port,
        "uptime_in_seconds": up_s,
        "uptime_in_days": up_s // 86_400,
    }


def _clients(conn: Connection) -> Fields:
    return {
        "connected_clients": conn.door.connected,
        "maxclients": limits.RESP_CONNECTIONS_MAX,
        "blocked_clients": 0,
    }


def _memory(_: Connection) -> Fields:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"used_memory_peak": peak, "maxmemory": 0, "maxmemory_policy": "noeviction"}


def _persistence(_: Connection) -> Fields:
    return {"loading": 0, "async_loading": 0, "aof_enabled": 1, "aof_last_write_status": "ok"}


def _stats(conn: Connection) -> Fields:
    door = conn.door
    return {
        "total_connections_received": door.accepted,
        "total_commands_processed": door.received,
        "total_error_replies": door.errors,
        "rejected_connections": door.rejected,
        "keyspace_hits": door.turn.reads - door.turn.misses,
        "keyspace_misses": door.turn.misses,
    }


def _replication(_: Connection) -> Fields:
    return {"role": "master", "connected_slaves": 0}


def _cpu(_: Connection) -> Fields:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {"used_cpu_sys": f"{usage.ru_stime:.6f}", "used_cpu_user": f"{usage.ru_utime:.6f}"}


def _cluster(_: Connection) -> Fields:
    return {"cluster_enabled": 0}


def _dynakv(conn: Connection) -> Fields:
    header, layout = conn.door.inbox.header(), conn.door.inbox.layout()
    views = conn.door.inbox.member_views()
    return {
        "node_id": header.node_id,
        "cluster_id": f"{header.cluster_id:016x}",
        "layout_epoch": header.epoch,
        "commit_sequence": header.commit_sequence,
        "members": len(layout.members),
        "members_up": sum(view.up for view in views.values()),
        "databases": ",".join(f"{i}={name}" for i, name in conn.door.databases.items()),
    }


_SECTIONS: Final[dict[str, Callable[[Connection], Fields]]] = {
    "Server": _server,
    "Clients": _clients,
    "Memory": _memory,
    "Persistence": _persistence,
    "Stats": _stats,
    "Replication": _replication,
    "CPU": _cpu,
    "Cluster": _cluster,
    "DynaKV": _dynakv,
}


# --- CONFIG ----------------------------------------------------------------------------------


def config(conn: Connection, request: Request) -> bytes:
    """CONFIG GET pattern [pattern ...]; the rest belongs into the configuration file"""
    subcommand = request[1].upper()
    if subcommand == b"GET":
        if len(request) < 3:
            raise wrong_arity("config|get")
        return _config_get(conn, request[2:])
    if subcommand == b"RESETSTAT":
        conn.door.reset_figures()
        return OK
    if subcommand in (b"SET", b"REWRITE"):
        raise CommandError(
            f"ERR CONFIG {subcommand.decode()} is not offered: a node is configured by its file,"
            " environment and flags, see `dynakv start --help`"
        )
    raise CommandError(f"ERR unknown subcommand '{replies.shown(request[1])}'. Try CONFIG HELP.")


def _config_get(conn: Connection, patterns: Iterable[bytes]) -> bytes:
    door = conn.door
    known = {
        "appendfsync": "always",
        "appendonly": "yes",
        "bind": door.address.rpartition(":")[0],
        "databases": str(limits.REDIS_NUMBER_MAX + 1),
        "maxclients": str(limits.RESP_CONNECTIONS_MAX),
        "maxmemory": "0",
        "maxmemory-policy": "noeviction",
        "port": str(door.port),
        "proto-max-bulk-len": str(limits.RESP_BULK_BYTES_MAX),
        "save": "",
        "timeout": "0",
    }
    matches = [matcher(pattern.lower()) for pattern in patterns]
    return replies.mapping(
        [
            (text(name), text(value))
            for name, value in known.items()
            if any(match(name.encode()) for match in matches)
        ],
        conn.protocol,
    )


# --- COMMAND ---------------------------------------------------------------------------------


def command(conn: Connection, request: Request) -> bytes:
    """COMMAND [COUNT | LIST | INFO | DOCS | GETKEYS]"""
    known = conn.door.catalog
    if len(request) == 1:
        return replies.array([_described(one) for one in known.values()])
    subcommand = request[1].upper()
    run = _COMMAND.get(subcommand)
    if run is None:
        raise CommandError(
            f"ERR unknown subcommand '{replies.shown(request[1])}'. Try COMMAND HELP."
        )
    return run(conn, request)


def _count(conn: Connection, request: Request) -> bytes:
    del request
    return integer(len(conn.door.catalog))


def _list(conn: Connection, request: Request) -> bytes:
    if len(request) > 2:
        raise CommandError(replies.SYNTAX_ERROR)
    return replies.array([text(name.lower()) for name in conn.door.catalog])


def _info(conn: Connection, request: Request) -> bytes:
    chosen = _chosen(conn, request)
    return replies.array([conn.null if one is None else _described(one) for one in chosen])


def _docs(conn: Connection, request: Request) -> bytes:
    pairs = []
    for one in _chosen(conn, request):
        if one is not None:
            entry = (("summary", one.summary), ("group", one.group))
            fields = [(text(name), text(value)) for name, value in entry]
            pairs.append((text(one.name.lower()), replies.mapping(fields, conn.protocol)))
    return replies.mapping(pairs, conn.protocol)


def _getkeys(conn: Connection, request: Request) -> bytes:
    if len(request) < 4:
        raise wrong_arity("command|getkeys")
    words = request[2:]
    one = conn.door.catalog.get(replies.shown(words[0]).upper())
    if one is None:
        raise CommandError("ERR Invalid command specified")
    if not one.first:
        raise CommandError("ERR The command has no key arguments")
    if not one.fits(len(words)):
        raise CommandError("ERR Invalid number of arguments specified for command")
    return replies.bulks(one.keys(words))


_COMMAND: Final[dict[bytes, Local]] = {
    b"COUNT": _count,
    b"LIST": _list,
    b"INFO": _info,
    b"DOCS": _docs,
    b"GETKEYS": _getkeys,
}


def _chosen(conn: Connection, request: Request) -> list[Command | None]:
    known = conn.door.catalog
    if len(request) == 2:
        return list(known.values())
    return [known.get(replies.shown(name).upper()) for name in request[2:]]


def _described(one: Command) -> bytes:
    flags = ["write" if one.writes else "readonly"] if one.first else []
    return replies.array(
        [
            text(one.name.lower()),
            integer(one.arity),
            replies.array([replies.simple(flag) for flag in flags]),
            integer(one.first),
            integer(one.last),
            integer(one.step),
            *(replies.EMPTY_ARRAY,) * 4,  # categories, tips, key specifications, subcommands
        ]
    )


def time(conn: Connection, request: Request) -> bytes:
    """TIME: seconds and microseconds of this node's clock"""
    del request
    ms = conn.door.wall_ms()
    return replies.bulks([b"%d" % (ms // 1000), b"%d" % (ms % 1000 * 1000)])


def _about(name: str, arity: int, run: Local, summary: str) -> Command:
    return Command(name, arity, "server", summary, Kind.LOCAL, local=run)


COMMANDS: Final = (
    _about("INFO", -1, info, "figures of this node; no section Keyspace: nothing counts keys"),
    _about("CONFIG", -2, config, "GET; SET is refused, RESETSTAT works"),
    _about("COMMAND", -1, command, "COUNT, LIST, INFO, DOCS, GETKEYS"),
    _about("TIME", 1, time, "this node's clock, to the millisecond"),
)
