"""`Client`: DynaKV for threads.

It runs an `AsyncClient` in an event loop of its own, in a background thread; so calls of many
threads share messages as those of many tasks do. Keys, values, levels, timeouts and errors are as
described in `dynakv.client.aio`, and so is each method. Not for processes that fork while a client
is open: make the client after the fork.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from dynakv import limits
from dynakv.client import settings
from dynakv.client.aio import AsyncClient
from dynakv.client.atomic import AtomicCalls
from dynakv.client.atomic_sync import SyncAtomicCalls
from dynakv.client.calls import Key, Timeout
from dynakv.client.keyspaces import Keyspaces
from dynakv.client.paging import Pages
from dynakv.client.pipelines import Pipeline
from dynakv.client.results import Entry, Ring, Written
from dynakv.core.layout import DEFAULT_KEYSPACE, Level
from dynakv.errors import RefusedError

T = TypeVar("T")


class Client(SyncAtomicCalls):
    """A client of one cluster, for any number of threads. Use it with `with`, or close it."""

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
        """Prepare a client, as `AsyncClient` does; it connects with its first call."""
        self._client = AsyncClient(
            endpoints,
            keyspace=keyspace,
            level=level,
            timeout=timeout,
            attempt_timeout=attempt_timeout,
            coalesce=coalesce,
            learn_endpoints=learn_endpoints,
        )
        self.keyspaces = Keyspaces(self._client.keyspaces, self._wait)
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def __enter__(self) -> Self:
        """Return the client; it connects with its first call."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """End what is under way and close all connections; a closed client refuses calls."""
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True
        loop, thread = self._loop, self._thread
        if loop is None or thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._client.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()

    # --- one key -----------------------------------------------------------------------------

    def get(
        self,
        key: Key,
        *,
        level: Level | str | None = None,
        r: int | None = None,
        max_age: Timeout | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> bytes | None:
        """Return the value of a key, None where there is none; see `AsyncClient.get`."""
        return self._wait(
            self._client.get(
                key, level=level, r=r, max_age=max_age, keyspace=keyspace, timeout=timeout
            )
        )

    def get_entry(
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
        return self._wait(
            self._client.get_entry(
                key, level=level, r=r, max_age=max_age, keyspace=keyspace, timeout=timeout
            )
        )

    def put(
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
        """Write a key and return the stamp of the write; see `AsyncClient.put`."""
        return self._wait(
            self._client.put(
                key,
                value,
                ttl=ttl,
                expires_at=expires_at,
                keep_ttl=keep_ttl,
                level=level,
                w=w,
                previous=previous,
                keyspace=keyspace,
                timeout=timeout,
            )
        )

    def delete(
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
        return self._wait(
            self._client.delete(
                key, level=level, w=w, previous=previous, keyspace=keyspace, timeout=timeout
            )
        )

    def expire(
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
        """Set the deadline of an existing key; False where it is absent."""
        return self._wait(
            self._client.expire(
                key,
                ttl,
                expires_at=expires_at,
                level=level,
                w=w,
                keyspace=keyspace,
                timeout=timeout,
            )
        )

    def persist(
        self,
        key: Key,
        *,
        level: Level | str | None = None,
        w: int | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> bool:
        """Take the deadline off an existing key; False where the key is absent."""
        return self._wait(
            self._client.persist(key, level=level, w=w, keyspace=keyspace, timeout=timeout)
        )

    # --- many keys ---------------------------------------------------------------------------

    def get_many(
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
        return self._wait(
            self._client.get_many(
                keys, level=level, r=r, max_age=max_age, keyspace=keyspace, timeout=timeout
            )
        )

    def put_many(
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
        """Write pairs of key and value; see `AsyncClient.put_many`."""
        return self._wait(
            self._client.put_many(
                items,
                ttl=ttl,
                expires_at=expires_at,
                keep_ttl=keep_ttl,
                level=level,
                w=w,
                keyspace=keyspace,
                timeout=timeout,
            )
        )

    def delete_many(
        self,
        keys: Iterable[Key],
        *,
        level: Level | str | None = None,
        w: int | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> list[Written]:
        """Delete keys and return the stamps, in order. Raises BatchError where some failed."""
        return self._wait(
            self._client.delete_many(keys, level=level, w=w, keyspace=keyspace, timeout=timeout)
        )

    def pipeline(
        self,
        *,
        level: Level | str | None = None,
        r: int | None = None,
        w: int | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> Pipeline:
        """Return a pipeline: requests of any kind, run in order in one message.

        with client.pipeline() as pipe:
            pipe.put("a", "1")
            a = pipe.get("a")
        print(a.result())
        """
        pipeline = self._client.pipeline(level=level, r=r, w=w, keyspace=keyspace, timeout=timeout)
        return Pipeline(pipeline, self._wait)

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
    ) -> Iterator[Entry]:
        """Yield the entries of a range in the order of their keys; see `AsyncClient.list`."""
        pages = self._client.pages(prefix, start, end, keyspace, timeout, keys_only, page_keys)
        return self._entries(pages)

    def _entries(self, pages: Pages) -> Iterator[Entry]:
        while not pages.is_over:
            yield from self._wait(pages.next())

    def count(
        self,
        *,
        prefix: Key | None = None,
        start: Key | None = None,
        end: Key | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> int:
        """Return how many keys a range has, by listing them."""
        return self._wait(
            self._client.count(
                prefix=prefix, start=start, end=end, keyspace=keyspace, timeout=timeout
            )
        )

    # --- the cluster -------------------------------------------------------------------------

    def ring(self, *, timeout: Timeout | None = None) -> Ring:
        """Return the layout as one of the nodes sees it now."""
        return self._wait(self._client.ring(timeout=timeout))

    # --- inside ------------------------------------------------------------------------------

    @property
    def _atomic(self) -> AtomicCalls:
        return self._client

    def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        """Run a call in the background loop and wait for it."""
        with self._lock:  # so that no call enters the loop behind the one that ends it
            if self._is_closed:
                call.close()
                raise RefusedError("this client is closed; nothing was sent")
            future = asyncio.run_coroutine_threadsafe(call, self._running())
        try:
            return future.result()
        except BaseException:
            future.cancel()  # an interrupt ends the wait and the call
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        """Return the background loop, started at the first call."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=_run, args=(self._loop,), name="dynakv-client", daemon=True
            )
            self._thread.start()
        return self._loop


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
    finally:
        loop.close()
