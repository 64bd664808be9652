"""Keyspaces of a cluster as clients see and change them: `client.keyspaces`.

A change is sent once: no stamp makes a repetition the same change. So it goes to one node, another
one only where no connection could be made; a retry is the caller's, who sees what became of a
change of unknown outcome in the list.
"""

# The timeouts here are deadlines of requests, not of waiting alone.
# ruff: noqa: ASYNC109

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from google.protobuf.message import Message
from msgspec import Struct

from dynakv import limits
from dynakv.client import arguments, wire
from dynakv.client.core import Core
from dynakv.client.retry import Cause, Trouble
from dynakv.client.session import mono_ms
from dynakv.core.layout import Level, Mode
from dynakv.errors import RefusedError, UnknownOutcomeError, UsageError
from dynakv.v1 import keyspaces_pb2 as pb
from dynakv.v1 import ring_pb2

if TYPE_CHECKING:
    from dynakv.client.calls import Timeout

_MODES = {mode: int(getattr(ring_pb2, f"MODE_{mode.name}")) for mode in Mode}
_UINT64_MAX = (1 << 64) - 1


class KeyspaceChanged(Struct, frozen=True):
    """A change that is in force on every member."""

    epoch: int  # of the layout that has it
    keyspace_id: int


class KeyspaceInfo(Struct, frozen=True):
    """A keyspace and its settings."""

    name: str
    keyspace_id: int  # random, never used again
    mode: str  # leaderless, ordered or raft; fixed for life, as the next three
    replicas: int  # wanted N
    groups: int
    hash_tags: bool
    default_level: str
    default_ttl_ms: int  # 0: none
    redis_number: int | None  # what SELECT calls it
    n: int  # replicas in effect
    rq: int  # answers of a quorum read
    wq: int  # durable copies of a quorum write


class KeyspaceList(Struct, frozen=True):
    """The keyspaces as one node sees them."""

    answered_by: str
    epoch: int  # of its layout
    newest_epoch: int  # of any it has heard of; above `epoch`: it is about to fetch that one
    behind: tuple[str, ...]  # members not heard to have its layout
    keyspaces: tuple[KeyspaceInfo, ...]  # sorted by name


def list_of(reply: pb.ListKeyspacesResponse) -> KeyspaceList:
    """Return a list for users."""
    found = tuple(
        KeyspaceInfo(
            name=k.name,
            keyspace_id=k.keyspace_id,
            mode=wire.word(ring_pb2.Mode, k.mode),
            replicas=k.replicas_wanted,
            groups=k.group_count,
            hash_tags=k.hash_tags,
            default_level=wire.word(ring_pb2.Level, k.default_level),
            default_ttl_ms=k.default_ttl_ms,
            redis_number=k.redis_number if k.HasField("redis_number") else None,
            n=k.n,
            rq=k.rq,
            wq=k.wq,
        )
        for k in reply.keyspaces
    )
    behind = tuple(reply.behind)
    return KeyspaceList(reply.answered_by, reply.epoch, reply.newest_epoch, behind, found)


def creation(
    name: object,
    *,
    replicas: object = None,
    groups: object = None,
    hash_tags: bool = False,
    mode: object = None,
    default_level: object = None,
    default_ttl: timedelta | None = None,
    redis_number: object = None,
    if_epoch: object = None,
) -> pb.CreateKeyspaceRequest:
    """Return the request for a new keyspace; what is None is left to the cluster's defaults."""
    return pb.CreateKeyspaceRequest(
        name=arguments.keyspace(name),
        mode=_mode(mode),  # type: ignore[arg-type]
        replicas=_number("replicas", replicas, limits.REPLICAS_MAX),
        groups=_number("groups", groups, limits.GROUPS_MAX),
        hash_tags=bool(hash_tags),
        default_level=arguments.level(default_level),  # type: ignore[arg-type]
        default_ttl_ms=arguments.ttl_ms(default_ttl) if default_ttl else 0,
        redis_number=_number("redis_number", redis_number, limits.REDIS_NUMBER_MAX),
        if_epoch=_number("if_epoch", if_epoch, _UINT64_MAX) or 0,
    )


def alteration(
    name: object,
    *,
    default_level: object = None,
    default_ttl: timedelta | None = None,
    redis_number: object = None,
    no_redis_number: bool = False,
    if_epoch: object = None,
) -> pb.AlterKeyspaceRequest:
    """Return the request for a change of settings; what is None stays as it is."""
    ttl_ms = None
    if default_ttl is not None:
        ttl_ms = arguments.ttl_ms(default_ttl) if default_ttl else 0
    return pb.AlterKeyspaceRequest(
        name=arguments.keyspace(name),
        default_level=arguments.level(default_level),  # type: ignore[arg-type]
        default_ttl_ms=ttl_ms,
        redis_number=_number("redis_number", redis_number, limits.REDIS_NUMBER_MAX),
        no_redis_number=bool(no_redis_number),
        if_epoch=_number("if_epoch", if_epoch, _UINT64_MAX) or 0,
    )


def drop(name: object, *, if_epoch: object = None) -> pb.DropKeyspaceRequest:
    """Return the request that removes a keyspace."""
    return pb.DropKeyspaceRequest(
        name=arguments.keyspace(name), if_epoch=_number("if_epoch", if_epoch, _UINT64_MAX) or 0
    )


class AsyncKeyspaces:
    """The keyspaces of an `AsyncClient`."""

    def __init__(self, core: Core, times: "Callable[[Timeout | None], tuple[int, int]]") -> None:
        """For `AsyncClient` only."""
        self._core = core
        self._times = times

    async def list(self, *, timeout: "Timeout | None" = None) -> KeyspaceList:
        """Return the keyspaces as one of the nodes sees them now."""
        timeout_ms, attempt_ms = self._times(timeout)
        self._core.attach()
        session = self._core.session

        async def call(endpoint: str, left_ms: int) -> Any:
            request = pb.ListKeyspacesRequest()
            return await session.channels.call(endpoint, "ListKeyspaces", request, left_ms)

        return list_of(await session.ask(call, mono_ms() + timeout_ms, attempt_ms))

    async def create(
        self,
        name: str,
        *,
        replicas: int | None = None,
        groups: int | None = None,
        hash_tags: bool = False,
        mode: Mode | str | None = None,
        default_level: Level | str | None = None,
        default_ttl: timedelta | None = None,
        redis_number: int | None = None,
        if_epoch: int | None = None,
        timeout: "Timeout | None" = None,
    ) -> KeyspaceChanged:
        """Make a keyspace, empty; returns when every member has it.

        `replicas` (default 3), `groups` (256, a power of two), `hash_tags` and `mode` (leaderless)
        are fixed for its life. With `if_epoch` only while the layout has that epoch. Raises
        RefusedError, with nothing done, while a member is down.
        """
        request = creation(
            name,
            replicas=replicas,
            groups=groups,
            hash_tags=hash_tags,
            mode=mode,
            default_level=default_level,
            default_ttl=default_ttl,
            redis_number=redis_number,
            if_epoch=if_epoch,
        )
        return await self._change("CreateKeyspace", request, timeout)

    async def alter(
        self,
        name: str,
        *,
        default_level: Level | str | None = None,
        default_ttl: timedelta | None = None,
        redis_number: int | None = None,
        no_redis_number: bool = False,
        if_epoch: int | None = None,
        timeout: "Timeout | None" = None,
    ) -> KeyspaceChanged:
        """Change what may change; what is not given stays. A `timedelta(0)` removes the TTL."""
        request = alteration(
            name,
            default_level=default_level,
            default_ttl=default_ttl,
            redis_number=redis_number,
            no_redis_number=no_redis_number,
            if_epoch=if_epoch,
        )
        return await self._change("AlterKeyspace", request, timeout)

    async def drop(
        self, name: str, *, if_epoch: int | None = None, timeout: "Timeout | None" = None
    ) -> KeyspaceChanged:
        """Remove a keyspace with all it holds; it cannot be undone."""
        return await self._change("DropKeyspace", drop(name, if_epoch=if_epoch), timeout)

    async def _change(
        self, method: str, request: Message, timeout: "Timeout | None"
    ) -> KeyspaceChanged:
        timeout_ms, _ = self._times(timeout)
        self._core.attach()
        session = self._core.session
        deadline_ms = mono_ms() + timeout_ms
        await session.opened(deadline_ms)
        tried: tuple[str, ...] = ()
        while True:
            now_ms = mono_ms()
            endpoint = session.router.choose_any(tried, now_ms)
            left_ms = max(deadline_ms - now_ms, 1)
            reply = await session.channels.call(endpoint, method, request, left_ms)
            if not isinstance(reply, Trouble):
                session.spawn(session.greet(endpoint))  # the layout is another one now
                return KeyspaceChanged(reply.epoch, reply.keyspace_id)
            session.note(endpoint, reply, mono_ms())
            tried = (*tried, endpoint)
            others = set(session.router.endpoints) - set(tried)
            if reply.cause is not Cause.UNREACHED or not others or mono_ms() >= deadline_ms:
                raise _error_of(reply)


class Keyspaces:
    """The keyspaces of a `Client`; methods as those of `AsyncKeyspaces`."""

    def __init__(
        self,
        keyspaces: AsyncKeyspaces,
        wait: Callable[[Coroutine[Any, Any, Any]], Any],
    ) -> None:
        """For `Client` only."""
        self._keyspaces = keyspaces
        self._wait = wait

    def list(self, *, timeout: "Timeout | None" = None) -> KeyspaceList:
        """Return the keyspaces as one of the nodes sees them now."""
        found: KeyspaceList = self._wait(self._keyspaces.list(timeout=timeout))
        return found

    def create(self, name: str, **settings: Any) -> KeyspaceChanged:
        """Make a keyspace; see `AsyncKeyspaces.create`."""
        changed: KeyspaceChanged = self._wait(self._keyspaces.create(name, **settings))
        return changed

    def alter(self, name: str, **settings: Any) -> KeyspaceChanged:
        """Change what may change; see `AsyncKeyspaces.alter`."""
        changed: KeyspaceChanged = self._wait(self._keyspaces.alter(name, **settings))
        return changed

    def drop(
        self, name: str, *, if_epoch: int | None = None, timeout: "Timeout | None" = None
    ) -> KeyspaceChanged:
        """Remove a keyspace with all it holds; it cannot be undone."""
        changed: KeyspaceChanged = self._wait(
            self._keyspaces.drop(name, if_epoch=if_epoch, timeout=timeout)
        )
        return changed


def _error_of(trouble: Trouble) -> Exception:
    match trouble.cause:
        case Cause.USAGE | Cause.STAMP:
            return UsageError(trouble.text)
        case Cause.REFUSED | Cause.BUSY:
            return RefusedError(trouble.text)
        case Cause.UNREACHED:
            return RefusedError(f"{trouble.text}; nothing was done")
        case _:
            return UnknownOutcomeError(
                f"{trouble.text}; the change may have happened: list the keyspaces to see"
            )


def _mode(given: object) -> int:
    if given is None:
        return int(ring_pb2.MODE_UNSPECIFIED)
    try:
        return _MODES[Mode(given)]
    except ValueError:
        known = ", ".join(mode.value for mode in Mode)
        raise UsageError(f"mode = {given!r}: must be one of {known}") from None


def _number(name: str, given: object, most: int) -> int | None:
    """Return a number that fits its field, or None."""
    if given is None:
        return None
    if type(given) is not int or not 1 <= given <= most:
        raise UsageError(f"{name} = {given!r}: must be an int from 1 to {most}")
    return given
