"""`AsyncClient`: DynaKV for asyncio.

Concurrent calls share messages by themselves, so plain `await client.get(key)` in many tasks is
fast; `get_many` and `pipeline` save the tasks. All methods may be called by any number of tasks of
one event loop.

Keys are bytes or str (as UTF-8) of 1 to 4,096 bytes, values bytes or str of up to 1 MiB unless the
cluster allows other sizes. `level` is a `Level` or its name (`one`, `quorum`, `all`); `r` and `w`
are explicit numbers of replicas and override it. `timeout` is seconds or a timedelta for the whole
call with all its attempts.

Errors say what to do next (`dynakv.errors`): UsageError, the call can never succeed; RefusedError,
nothing was done and a later call may succeed; UnknownOutcomeError, a write may have happened.
Retries where they are safe have been made by then.
"""

# The timeouts here are deadlines of retried requests, not of waiting alone.
# ruff: noqa: ASYNC109

import secrets
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from random import Random
from types import TracebackType
from typing import Self

from dynakv import limits
from dynakv.client import arguments, batches, paging, settings, wire
from dynakv.client.atomic import AtomicCalls
from dynakv.client.calls import Key, Timeout
from dynakv.client.core import Core
from dynakv.client.keyspaces import AsyncKeyspaces
from dynakv.client.operation import Kind
from dynakv.client.pipelines import AsyncPipeline
from dynakv.client.results import Entry, Ring, Written
from dynakv.client.session import mono_ms
from dynakv.client.settings import Settings
from dynakv.core.layout import DEFAULT_KEYSPACE, Level


class AsyncClient(AtomicCalls):
    """A client of one cluster for one event loop. Use it with `async with`, or close it."""

    def __init__(
        self,
        endpoints: str | Iterable[str] | None = None,
        *,
        keyspace: str = DEFAULT_KEYSPACE,
        level: Level | str | None = None,
        timeout: Timeout = settings.DEADLINE_MS / 1000,
        attempt_timeout: Timeout = limits.ATTEMPT_MS / 1000,
        coalesce: bool = True,
        learn_endpoints: bool = True,
    ) -> None:
        """Prepare a client; it connects with its first call.

        `endpoints` are the client addresses of nodes, as `host:port,host:port` or a list; without
        them DYNAKV_ENDPOINTS, else 127.0.0.1:50051. One that answers is enough: it names the
        others, which are used where they can be reached from here, unless `learn_endpoints=False`,
        as for tunnels. `keyspace` and `level` are the defaults of
        all calls; without a level the keyspace's own counts. `timeout` is the deadline of a call,
        `attempt_timeout` that of one attempt; both 1 ms to 60 s. With `coalesce=False` every call
        is a message of its own. Raises UsageError.
        """
        chosen = Settings(
            endpoints=arguments.endpoints(endpoints),
            keyspace=arguments.keyspace(keyspace),
            level=arguments.level(level),
            timeout_ms=arguments.duration_ms(timeout, "timeout"),
            attempt_ms=arguments.duration_ms(attempt_timeout, "attempt_timeout"),
            coalesce=coalesce,
            learn_endpoints=learn_endpoints,
        )
        random = Random(secrets.randbits(64))  # noqa: S311 - spreads load, hides nothing
        super().__init__(chosen, Core(chosen, random))
        self.keyspaces = AsyncKeyspaces(self._core, self._times)

    async def __aenter__(self) -> Self:
        """Return the client; it connects with its first call."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """End what is under way and close all connections; a closed client refuses calls."""
        await self._core.close()

    # --- one key -----------------------------------------------------------------------------

    async def get(
        self,
        key: Key,
        *,
        level: Level | str | None = None,
        r: int | None = None,
        max_age: Timeout | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> bytes | None:
        """Return the value of a key, None where there is none.

        In a keyspace in Raft mode the answer may be `max_age` old, and any replica can give it;
        without, it is as fresh as there is (linearizable).
        """
        terms = self._terms_of(keyspace, level, r=r, max_age=max_age)
        op = await self._op(Kind.GET, key, terms, timeout)
        self._core.submit(op)
        value: bytes | None = await op.done
        return value

    async def get_entry(
        self,
        key: Key,
        *,
        level: Level | str | None = None,
        r: int | None = None,
        max_age: Timeout | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> Entry:
        """Return value, stamp and deadline of a key; the value is None where there is none."""
        terms = self._terms_of(keyspace, level, r=r, max_age=max_age)
        op = await self._op(Kind.GET, key, terms, timeout)
        op.wants_entry = True
        self._core.submit(op)
        entry: Entry = await op.done
        return entry

    async def put(
        self,
        key: Key,
        value: bytes | str,
        *,
        ttl: timedelta | None = None,
        expires_at: datetime | None = None,
        keep_ttl: bool = False,
        level: Level | str | None = None,
        w: int | None = None,
        previous: bool = False,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> Written:
        """Write a key and return the stamp of the write.

        At most one of `ttl` (1 ms to a century), `expires_at` (with a time zone) and `keep_ttl`
        (keep the deadline the key has); none of them: the keyspace's default TTL. With `previous`
        the result says what was seen under the key before; exactly, in a keyspace in Raft mode.
        """
        raw = arguments.value(value)
        terms = self._terms_of(keyspace, level, w=w, previous=previous)
        expiry = (0, 0)
        if ttl is not None or expires_at is not None:
            expiry = arguments.expiry(ttl, expires_at, keep_ttl=keep_ttl)
        op = await self._op(Kind.PUT, key, terms, timeout, raw)
        op.ttl_ms, op.expires_at_ms = expiry
        op.keep_ttl = keep_ttl
        self._core.submit(op)
        written: Written = await op.done
        return written

    async def delete(
        self,
        key: Key,
        *,
        level: Level | str | None = None,
        w: int | None = None,
        previous: bool = False,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> Written:
        """Delete a key, whether it exists or not, and return the stamp of the delete."""
        terms = self._terms_of(keyspace, level, w=w, previous=previous)
        op = await self._op(Kind.DELETE, key, terms, timeout)
        self._core.submit(op)
        written: Written = await op.done
        return written

    async def expire(
        self,
        key: Key,
        ttl: timedelta | None = None,
        *,
        expires_at: datetime | None = None,
        level: Level | str | None = None,
        w: int | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> bool:
        """Set the deadline of an existing key by exactly one of the two; False where it is absent.

        It carries no stamp of this client, so it is not repeated once it may have happened, except
        in keyspaces in Raft mode.
        """
        expiry = arguments.needed_expiry(ttl, expires_at)
        op = await self._op(Kind.EXPIRE, key, self._terms_of(keyspace, level, w=w), timeout)
        op.ttl_ms, op.expires_at_ms = expiry
        self._core.submit(op)
        applied: bool = await op.done
        return applied

    async def persist(
        self,
        key: Key,
        *,
        level: Level | str | None = None,
        w: int | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> bool:
        """Take the deadline off an existing key; False where the key is absent. See `expire`."""
        op = await self._op(Kind.PERSIST, key, self._terms_of(keyspace, level, w=w), timeout)
        self._core.submit(op)
        applied: bool = await op.done
        return applied

    # --- many keys ---------------------------------------------------------------------------

    async def get_many(
        self,
        keys: Iterable[Key],
        *,
        level: Level | str | None = None,
        r: int | None = None,
        max_age: Timeout | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> list[bytes | None]:
        """Return the values of keys, in their order. Raises BatchError where some failed."""
        terms = self._terms_of(keyspace, level, r=r, max_age=max_age)
        batch = batches.Batch(Kind.GET, arguments.keys(keys), terms)
        return await batch.run(self._core, *self._times(timeout))

    async def put_many(
        self,
        items: Mapping[Key, bytes | str] | Iterable[tuple[Key, bytes | str]],
        *,
        ttl: timedelta | None = None,
        expires_at: datetime | None = None,
        keep_ttl: bool = False,
        level: Level | str | None = None,
        w: int | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> list[Written]:
        """Write pairs of key and value and return their stamps, in order.

        Not atomic: each key is a write of its own. Of a key that occurs twice the later value wins.
        Raises BatchError where some failed; the others are written then.
        """
        expiry = arguments.expiry(ttl, expires_at, keep_ttl=keep_ttl)
        keys, values = arguments.pairs(items)
        terms = self._terms_of(keyspace, level, w=w)
        batch = batches.Batch(Kind.PUT, keys, terms, values, expiry, keep_ttl)
        return await batch.run(self._core, *self._times(timeout))

    async def delete_many(
        self,
        keys: Iterable[Key],
        *,
        level: Level | str | None = None,
        w: int | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> list[Written]:
        """Delete keys and return the stamps, in order. Raises BatchError where some failed."""
        terms = self._terms_of(keyspace, level, w=w)
        batch = batches.Batch(Kind.DELETE, arguments.keys(keys), terms)
        return await batch.run(self._core, *self._times(timeout))

    def pipeline(
        self,
        *,
        level: Level | str | None = None,
        r: int | None = None,
        w: int | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> AsyncPipeline:
        """Return a pipeline: up to 1,000 requests of any kind, run in order in one message.

            async with client.pipeline() as pipe:
                pipe.put("a", "1")
                a = pipe.get("a")
            print(a.result())

        No transaction: others may see part of it, and part of it may fail.
        """
        terms = self._terms_of(keyspace, level, r=r, w=w)
        return AsyncPipeline(self._core, terms, *self._times(timeout))

    # --- ranges ------------------------------------------------------------------------------

    def list(
        self,
        *,
        prefix: Key | None = None,
        start: Key | None = None,
        end: Key | None = None,
        keys_only: bool = False,
        page_keys: int | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> AsyncIterator[Entry]:
        """Yield the entries of a range in the order of their keys.

        `prefix`, or `start` (included) and `end` (excluded); without them the whole keyspace. With
        `keys_only` the values are left out (None). Pages of up to `page_keys` keys (1 to 1,000) are
        fetched as the loop goes on, each within `timeout`. No snapshot: each key is as at the
        moment its page was read.
        """
        pages = self.pages(prefix, start, end, keyspace, timeout, keys_only, page_keys)
        return paging.entries(pages)

    async def count(
        self,
        *,
        prefix: Key | None = None,
        start: Key | None = None,
        end: Key | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> int:
        """Return how many keys a range has, by listing them: the cost is that of a listing."""
        pages = self.pages(prefix, start, end, keyspace, timeout, True, None)
        count = 0
        while not pages.is_over:
            count += len(await pages.next())
        return count

    def pages(
        self,
        prefix: Key | None,
        start: Key | None,
        end: Key | None,
        keyspace: str | None,
        timeout: Timeout | None,
        keys_only: bool,
        page_keys: int | None,
    ) -> paging.Pages:
        """Return a listing page by page, for those who make an iterator of it."""
        request = paging.request_of(prefix, start, end, keys_only, page_keys)
        request.keyspace = self._terms_of(keyspace, None).keyspace
        return paging.Pages(self._core, request, *self._times(timeout))

    # --- the cluster -------------------------------------------------------------------------

    async def ring(self, *, timeout: Timeout | None = None) -> Ring:
        """Return the layout as one of the nodes sees it now."""
        timeout_ms, attempt_ms = self._times(timeout)
        self._core.attach()
        session = self._core.session
        state = await session.ask(session.channels.ring, mono_ms() + timeout_ms, attempt_ms)
        session.learn(state)
        return wire.ring_of(state, session.router.endpoints_by_node())
