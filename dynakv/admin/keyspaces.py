"""What `dynakv-admin keyspace` does: sends a change and says what became of it, shows the list."""

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import msgspec

from dynakv import limits
from dynakv.admin.tables import columns
from dynakv.client import terminal, texts
from dynakv.client.connection import Connection
from dynakv.client.endpoints import endpoints as chosen
from dynakv.client.keyspaces import KeyspaceInfo, KeyspaceList, list_of
from dynakv.errors import UnknownOutcomeError, UsageError
from dynakv.v1 import keyspaces_pb2

EXIT_UNKNOWN: Final = 3

_DONE: Final = {"CreateKeyspace": "created", "AlterKeyspace": "altered", "DropKeyspace": "dropped"}


def ttl(text: str | None) -> timedelta | None:
    """Return a TTL of the command line; 0 is "none", where a TTL is given at all."""
    if text is None:
        return None
    if text.strip() == "0":
        return timedelta(0)
    return timedelta(milliseconds=texts.ttl_ms(text, "--default-ttl"))


def change(endpoints: str | None, method: str, request: Any, timeout: str) -> int:
    """Send a change, say on stdout what it made, and return the exit code."""
    timeout_ms = texts.duration_ms(timeout, "--timeout", limits.DEADLINE_MS_MAX)

    async def send() -> Any:
        async with Connection(chosen(endpoints)) as connection:
            return await connection.administer(method, request, timeout_ms)

    try:
        reply = asyncio.run(send())
    except UnknownOutcomeError as error:
        return terminal.complain("dynakv-admin", error, {UnknownOutcomeError: EXIT_UNKNOWN})
    print(
        f"keyspace {request.name} {_DONE[method]}: layout epoch {reply.epoch},"
        f" id {reply.keyspace_id:016x}"
    )
    return 0


def fetch(endpoints: str | None) -> KeyspaceList:
    """Return the keyspaces as the first endpoint that answers sees them."""

    async def ask() -> KeyspaceList:
        async with Connection(chosen(endpoints)) as connection:
            request = keyspaces_pb2.ListKeyspacesRequest()
            return list_of(await connection.administer("ListKeyspaces", request))

    return asyncio.run(ask())


def one_of(found: KeyspaceList, name: str) -> KeyspaceInfo:
    """Return the keyspace of that name. Raises UsageError where there is none."""
    for keyspace in found.keyspaces:
        if keyspace.name == name:
            return keyspace
    known = ", ".join(keyspace.name for keyspace in found.keyspaces)
    raise UsageError(f"keyspace {name!r} does not exist; there are: {known}")


def as_table(found: KeyspaceList) -> str:
    """Return the list as text for a terminal."""
    rows = [["NAME", "MODE", "REPLICAS", "GROUPS", "LEVEL", "TTL", "REDIS", "ID"]]
    for k in found.keyspaces:
        number = "-" if k.redis_number is None else str(k.redis_number)
        replicas = f"{k.replicas}/{k.n}"
        identity = f"{k.keyspace_id:016x}"
        defaults = [k.default_level, _ttl(k)]
        rows.append([k.name, k.mode, replicas, str(k.groups), *defaults, number, identity])
    return "\n".join([_agreement(found), "", *columns(rows, right={2, 3, 5, 6})])


def as_text(k: KeyspaceInfo) -> str:
    """Return one keyspace as text for a terminal, a setting a line."""
    return "\n".join(columns(list(_settings(k)), right=set()))


def as_json(found: KeyspaceList) -> str:
    """Return the list as indented JSON."""
    return json.dumps(
        {
            "answered_by": found.answered_by,
            "epoch": found.epoch,
            "newest_epoch": found.newest_epoch,
            "behind": list(found.behind),
            "keyspaces": [_builtins(keyspace) for keyspace in found.keyspaces],
        },
        indent=2,
    )


def one_as_json(k: KeyspaceInfo) -> str:
    """Return one keyspace as indented JSON."""
    return json.dumps(_builtins(k), indent=2)


def _agreement(found: KeyspaceList) -> str:
    text = f"layout epoch {found.epoch}, as {found.answered_by} sees it"
    if found.newest_epoch > found.epoch:
        return f"{text}; epoch {found.newest_epoch} exists and is not in force there yet"
    if found.behind:
        return f"{text}; not confirmed by {', '.join(found.behind)}"
    return f"{text}; all members have it"


def _settings(k: KeyspaceInfo) -> Iterator[list[str]]:
    yield ["name", k.name]
    yield ["id", f"{k.keyspace_id:016x}"]
    yield ["mode", f"{k.mode} (fixed)"]
    yield ["replicas", f"{k.replicas} wanted (fixed), {k.n} in effect; rq {k.rq}, wq {k.wq}"]
    yield ["groups", f"{k.groups} (fixed)"]
    yield ["hash tags", f"{'yes' if k.hash_tags else 'no'} (fixed)"]
    yield ["default level", k.default_level]
    yield ["default TTL", _ttl(k)]
    yield ["Redis number", "none" if k.redis_number is None else str(k.redis_number)]


def _ttl(k: KeyspaceInfo) -> str:
    return f"{k.default_ttl_ms} ms" if k.default_ttl_ms else "-"


def _builtins(k: KeyspaceInfo) -> dict[str, Any]:
    content: dict[str, Any] = msgspec.to_builtins(k)
    content["keyspace_id"] = f"{k.keyspace_id:016x}"
    return content
