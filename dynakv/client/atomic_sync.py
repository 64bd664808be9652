"""The calls of `Client` that only keyspaces in Raft mode serve; see `dynakv.client.atomic`."""

from abc import abstractmethod
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from dynakv.client.atomic import AtomicCalls
from dynakv.client.calls import Key, Timeout
from dynakv.client.results import Attempt, Stamp
from dynakv.client.transactions import Transaction

T = TypeVar("T")


class SyncAtomicCalls:
    """Read-modify-write in one step, for threads."""

    @property
    @abstractmethod
    def _atomic(self) -> AtomicCalls:
        """Return the client that does the work."""

    @abstractmethod
    def _wait(self, call: Coroutine[Any, Any, T]) -> T:
        """Run a call in the background loop and wait for it."""

    def append(
        self,
        key: Key,
        suffix: bytes | str,
        *,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> int:
        """Put bytes behind a value and return its new length; an absent key counts as empty."""
        return self._wait(self._atomic.append(key, suffix, keyspace=keyspace, timeout=timeout))

    def increment(
        self,
        key: Key,
        amount: int = 1,
        *,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> int:
        """Add to a number and return what it came to; see `AsyncClient.increment`."""
        return self._wait(self._atomic.increment(key, amount, keyspace=keyspace, timeout=timeout))

    def compare_and_set(
        self,
        key: Key,
        expected: bytes | str | Stamp | None,
        value: bytes | str | None,
        *,
        ttl: timedelta | None = None,
        expires_at: datetime | None = None,
        keep_ttl: bool = False,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> Attempt:
        """Write a key only where it is as expected; see `AsyncClient.compare_and_set`."""
        return self._wait(
            self._atomic.compare_and_set(
                key,
                expected,
                value,
                ttl=ttl,
                expires_at=expires_at,
                keep_ttl=keep_ttl,
                keyspace=keyspace,
                timeout=timeout,
            )
        )

    def put_if_absent(
        self,
        key: Key,
        value: bytes | str,
        *,
        ttl: timedelta | None = None,
        expires_at: datetime | None = None,
        keyspace: str | None = None,
        timeout: Timeout | None = None,
    ) -> Attempt:
        """Write a key only where it has no value; see `AsyncClient.compare_and_set`."""
        return self._wait(
            self._atomic.put_if_absent(
                key, value, ttl=ttl, expires_at=expires_at, keyspace=keyspace, timeout=timeout
            )
        )

    def get_and_delete(
        self, key: Key, *, keyspace: str | None = None, timeout: Timeout | None = None
    ) -> bytes | None:
        """Delete a key and return the value that it had, None where there was none."""
        return self._wait(self._atomic.get_and_delete(key, keyspace=keyspace, timeout=timeout))

    def transaction(
        self, *, keyspace: str | None = None, timeout: Timeout | None = None
    ) -> Transaction:
        """Return a transaction: operations that take place together, or not at all.

        with client.transaction(keyspace="accounts") as change:
            change.check("{7}paid", None)
            change.put("{7}paid", "yes")
            balance = change.increment("{7}balance", -10)
        print(balance.result())
        """
        return Transaction(self._atomic.transaction(keyspace=keyspace, timeout=timeout), self._wait)
