"""One kind of request for many keys of one caller: a result for each, or an error that has them."""

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

from dynakv.client import settings
from dynakv.client.core import Core
from dynakv.client.operation import Kind, Op, Terms
from dynakv.client.results import BatchError
from dynakv.client.session import mono_ms
from dynakv.errors import DynaKVError


class Batch(NamedTuple):
    """What is to be done, column by column."""

    kind: Kind
    keys: Sequence[bytes]
    terms: Terms
    values: Sequence[bytes] | None = None
    expiry: tuple[int, int] = (0, 0)  # ttl_ms, expires_at_ms: of all keys
    keep_ttl: bool = False

    async def run(self, core: Core, timeout_ms: int, attempt_ms: int) -> list[Any]:
        """Return the results in the order of the keys. Raises BatchError where some failed.

        A window of keys is under way at a time, so that a batch of any length is bounded.
        """
        core.attach()
        deadline_ms = mono_ms() + timeout_ms
        await core.session.ready(self.terms.keyspace, deadline_ms)
        results: list[Any] = []
        for begin in range(0, len(self.keys), settings.WINDOW_KEYS):
            end = min(begin + settings.WINDOW_KEYS, len(self.keys))
            ops = [self._op(core, i, deadline_ms, attempt_ms) for i in range(begin, end)]
            results += await _results(core, ops)
        if any(isinstance(result, DynaKVError) for result in results):
            raise BatchError(results)
        return results

    def _op(self, core: Core, i: int, deadline_ms: int, attempt_ms: int) -> Op:
        done = core.attach().create_future()
        value = b"" if self.values is None else self.values[i]
        op = Op(self.kind, self.keys[i], self.terms, done, deadline_ms, attempt_ms, value=value)
        op.ttl_ms, op.expires_at_ms = self.expiry
        op.keep_ttl = self.keep_ttl
        return op


async def _results(core: Core, ops: Sequence[Op]) -> list[Any]:
    """Submit requests and return a result or a DynaKVError for each."""
    for op in ops:
        try:
            core.submit(op)
        except DynaKVError as error:
            op.done.set_exception(error)
    futures = [op.done for op in ops]
    try:
        await asyncio.wait(futures)
    except asyncio.CancelledError:
        for future in futures:
            future.cancel()
        raise
    return [_result_of(future) for future in futures]


def _result_of(future: "asyncio.Future[Any]") -> Any:
    error = future.exception()
    if error is None:
        return future.result()
    if isinstance(error, DynaKVError):
        return error
    raise error
