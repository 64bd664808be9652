"""Asks every node of a cluster at the same time, and waits for none of them longer than for all.

Begins with the endpoints it is given; whoever answers names the client addresses of the members,
which are then asked as well. A member that is dead answers nothing at once, one that is stopped or
cut off answers nothing until the time is over: neither delays the answers of the others.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, Final, TypeVar

from msgspec import Struct

from dynakv.client.connection import Connection, Reach, UnreachableError
from dynakv.errors import DynaKVError, UsageError
from dynakv.v1.node_status_pb2 import GetNodeStatusResponse, InspectKeyResponse
from dynakv.v1.ring_pb2 import GetRingStateResponse

WITHIN_MS: Final = 1_200  # with the start of the command less than the two seconds promised

T = TypeVar("T")


class Reply(Struct, frozen=True):
    """What became of the questions to one address."""

    state: GetRingStateResponse | None = None
    status: GetNodeStatusResponse | None = None
    probe_ms: float | None = None  # the round trip of GetNodeStatus on an open connection
    error: str = ""  # why something is missing


class Survey(Struct, frozen=True):
    """What all addresses answered, by address."""

    endpoints: list[str]
    replies: dict[str, Reply]
    within_ms: int


async def survey(endpoints: Sequence[str], within_ms: int = WITHIN_MS) -> Survey:
    """Return what the members of the cluster behind `endpoints` say."""
    tasks: dict[str, asyncio.Task[None]] = {}
    replies: dict[str, Reply] = {}

    def ask(addresses: Iterable[str]) -> None:
        for address in addresses:
            if address and address not in tasks:
                tasks[address] = asyncio.create_task(_ask(address, within_ms, replies, ask))

    ask(endpoints)
    end = time.monotonic() + within_ms / 1000
    while not _complete(replies):
        pending = [task for task in tasks.values() if not task.done()]
        left_s = end - time.monotonic()
        if not pending or left_s <= 0:
            break
        await asyncio.wait(pending, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
    await _cancel(tasks.values())
    for address in tasks:
        reply = replies.get(address, Reply())
        if reply.status is None and not reply.error:
            error = f"no answer within {within_ms / 1000:g} s"
            replies[address] = Reply(reply.state, None, None, error)
    return Survey(list(endpoints), replies, within_ms)


async def any_state(endpoints: Sequence[str], within_ms: int = WITHIN_MS) -> GetRingStateResponse:
    """Return the ring as the first node sees it that answers. Raises UnreachableError."""

    async def state(connection: Connection) -> GetRingStateResponse:
        return await connection.ring_state(within_ms)

    tasks = [asyncio.create_task(_with(e, within_ms, state)) for e in endpoints]
    try:
        for done in asyncio.as_completed(tasks, timeout=within_ms / 1000):
            try:
                return await done
            except DynaKVError:
                continue
    except TimeoutError:
        pass
    finally:
        await _cancel(tasks)
    raise UnreachableError(
        f"no endpoint answered within {within_ms / 1000:g} s; tried {', '.join(endpoints)} "
        "(name others with --endpoints or DYNAKV_ENDPOINTS)"
    )


def addresses(state: GetRingStateResponse) -> dict[str, str]:
    """Return where each member serves clients, as the answering node knows it; nodes sorted."""
    return {member.node_id: member.client_address for member in state.members}


def named(where: dict[str, str], names: Sequence[str]) -> dict[str, str]:
    """Return those of the nodes that are named, in that order. Raises UsageError."""
    unknown = [name for name in names if name not in where]
    if unknown:
        raise UsageError(f"no node is named {unknown[0]!r}; there are: {', '.join(where)}")
    return {name: where[name] for name in names}


async def inspect(
    addresses: dict[str, str], key: bytes, keyspace: str, within_ms: int = WITHIN_MS
) -> dict[str, InspectKeyResponse | str]:
    """Return what each node holds under a key, or why that is not known; nodes by id."""

    async def one(connection: Connection) -> InspectKeyResponse:
        return await connection.inspect_key(key, Reach(keyspace, timeout_ms=within_ms))

    return await each(addresses, one, within_ms)


async def each(
    addresses: dict[str, str],
    question: Callable[[Connection], Coroutine[Any, Any, T]],
    within_ms: int = WITHIN_MS,
) -> dict[str, T | str]:
    """Return what each node answers to a question, or why it does not; nodes by id."""

    async def answer(address: str) -> T | str:
        if not address:
            return "its client address is not known"
        try:
            async with asyncio.timeout(within_ms / 1000):
                return await _with(address, within_ms, question)
        except TimeoutError:
            return f"no answer within {within_ms / 1000:g} s"
        except DynaKVError as error:
            return _why(error)

    answers = await asyncio.gather(*map(answer, addresses.values()))
    return dict(zip(addresses, answers, strict=True))


async def _ask(
    address: str,
    within_ms: int,
    replies: dict[str, Reply],
    learn: Callable[[Iterable[str]], None],
) -> None:
    """Ask one address; what it answered stands in `replies` even if it then falls silent."""
    state: GetRingStateResponse | None = None
    try:
        async with Connection([address], within_ms) as connection:
            state = await connection.ring_state(within_ms)
            replies[address] = Reply(state)
            learn(member.client_address for member in state.members)
            began = time.perf_counter()
            status = await connection.node_status(within_ms)
            probe_ms = (time.perf_counter() - began) * 1000
            replies[address] = Reply(state, status, probe_ms)
    except DynaKVError as error:
        replies[address] = Reply(state, error=_why(error))


def _complete(replies: dict[str, Reply]) -> bool:
    """Say whether every member that any node knows has said everything."""
    members: set[str] = set()
    for reply in replies.values():
        if reply.state is not None:
            members.update(member.node_id for member in reply.state.members)
    told = {reply.status.node_id for reply in replies.values() if reply.status is not None}
    return bool(members) and members <= told


def _why(error: DynaKVError) -> str:
    if isinstance(error, UnreachableError):
        return "no connection"
    if isinstance(error, UsageError) and "UNIMPLEMENTED" in str(error):
        return "its version does not tell"
    return str(error)


async def _with(
    address: str, within_ms: int, use: Callable[[Connection], Coroutine[Any, Any, T]]
) -> T:
    async with Connection([address], within_ms) as connection:
        return await use(connection)


async def _cancel(tasks: Iterable[asyncio.Task[Any]]) -> None:
    tasks = list(tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
