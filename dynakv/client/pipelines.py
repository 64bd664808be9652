"""The pipelines that users fill: requests of any kind, run in order in one message."""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from dynakv.client import arguments, ordered, settings
from dynakv.client.blocks import AsyncBlock, Block, Deferred, Later
from dynakv.client.core import Core
from dynakv.client.operation import Kind, Op, Terms
from dynakv.client.results import BatchError, Entry, Written
from dynakv.client.session import mono_ms
from dynakv.errors import DynaKVError, UsageError

Key = bytes | str


class Requests(Deferred):
    """What is written down before it runs; the same for both clients."""

    WHAT = "pipeline"

    def __init__(self, core: Core, terms: Terms, timeout_ms: int, attempt_ms: int) -> None:
        """Begin empty; all requests have the same terms and one deadline."""
        super().__init__()
        self._core = core
        self._terms = terms
        self._timeout_ms = timeout_ms
        self._attempt_ms = attempt_ms
        self._written: list[dict[str, Any]] = []
        self._bytes = 0

    def parameters(self) -> tuple[Core, Terms, int, int]:
        """Return what another pipeline like this one is made of."""
        return self._core, self._terms, self._timeout_ms, self._attempt_ms

    def get(self, key: Key) -> Later[bytes | None]:
        """Read a value; None where there is none."""
        return self._add(Kind.GET, key)

    def get_entry(self, key: Key) -> Later[Entry]:
        """Read value, stamp and deadline."""
        return self._add(Kind.GET, key, wants_entry=True)

    def put(
        self,
        key: Key,
        value: bytes | str,
        *,
        ttl: timedelta | None = None,
        expires_at: datetime | None = None,
        keep_ttl: bool = False,
    ) -> Later[Written]:
        """Write a key, as `put` of the client does."""
        ttl_ms, expires_at_ms = arguments.expiry(ttl, expires_at, keep_ttl=keep_ttl)
        raw = arguments.value(value)
        return self._add(
            Kind.PUT,
            key,
            value=raw,
            ttl_ms=ttl_ms,
            expires_at_ms=expires_at_ms,
            keep_ttl=keep_ttl,
        )

    def delete(self, key: Key) -> Later[Written]:
        """Delete a key."""
        return self._add(Kind.DELETE, key)

    def expire(
        self, key: Key, ttl: timedelta | None = None, *, expires_at: datetime | None = None
    ) -> Later[bool]:
        """Set the deadline of an existing key; False where it is absent."""
        ttl_ms, expires_at_ms = arguments.needed_expiry(ttl, expires_at)
        return self._add(Kind.EXPIRE, key, ttl_ms=ttl_ms, expires_at_ms=expires_at_ms)

    def persist(self, key: Key) -> Later[bool]:
        """Take the deadline off an existing key; False where it is absent."""
        return self._add(Kind.PERSIST, key)

    def _add(self, kind: Kind, key: Key, **fields: Any) -> Later[Any]:
        self._refuse_if_run()
        raw = arguments.key(key)
        if len(self._written) >= settings.PIPELINE_KEYS_MAX:
            raise UsageError(
                f"the pipeline has {len(self._written)} requests: must have at most "
                f"{settings.PIPELINE_KEYS_MAX}; run it and begin another one"
            )
        size_bytes = self._bytes + len(fields.get("value", b""))
        if size_bytes > settings.PIPELINE_BYTES_MAX:
            raise UsageError(
                f"the values of the pipeline have {size_bytes} bytes: must have at most "
                f"{settings.PIPELINE_BYTES_MAX}; run it and begin another one"
            )
        self._bytes = size_bytes
        self._written.append({"kind": kind, "key": raw, **fields})
        return self._later()

    async def run(self) -> list[Any]:
        """Run all of it and return the results, in order.

        Raises BatchError where some failed, and DynaKVError where all did before they were sent.
        """
        outcomes = await super().run()
        if any(isinstance(outcome, DynaKVError) for outcome in outcomes):
            raise BatchError(outcomes)
        return outcomes

    async def _outcomes(self) -> list[Any]:
        core = self._core
        loop = core.attach()
        deadline_ms = mono_ms() + self._timeout_ms
        await core.session.ready(self._terms.keyspace, deadline_ms)
        ops = [
            _op(fields, self._terms, loop.create_future(), deadline_ms, self._attempt_ms)
            for fields in self._written
        ]
        core.admit_all(ops)
        await ordered.run(core, ops)
        return [op.done.exception() or op.done.result() for op in ops]


def _op(
    fields: dict[str, Any],
    terms: Terms,
    done: "asyncio.Future[Any]",
    deadline_ms: int,
    attempt_ms: int,
) -> Op:
    rest = dict(fields)
    op = Op(rest.pop("kind"), rest.pop("key"), terms, done, deadline_ms, attempt_ms)
    for name, given in rest.items():
        setattr(op, name, given)
    return op


class AsyncPipeline(AsyncBlock, Requests):
    """A pipeline of an AsyncClient; leaving its `async with` block runs it."""

    async def execute(self) -> list[Any]:
        """Run it and return the results, in order. Raises BatchError where some failed."""
        return await self.run()


class Pipeline(Block, Requests):
    """A pipeline of a Client; leaving its `with` block runs it."""

    def __init__(self, requests_of: AsyncPipeline, wait: Callable[[Any], Any]) -> None:
        """Run what `requests_of` would, with `wait` to wait for it."""
        super().__init__(*requests_of.parameters())
        self._wait = wait

    def execute(self) -> list[Any]:
        """Run it and return the results, in order. Raises BatchError where some failed."""
        results: list[Any] = self._wait(self.run())
        return results
