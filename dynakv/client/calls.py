"""What all calls of an `AsyncClient` have in common: terms, deadlines, and an open session."""

# The timeouts here are deadlines of retried requests, not of waiting alone.
# ruff: noqa: ASYNC109

from datetime import timedelta

from dynakv.client import arguments
from dynakv.client.core import Core
from dynakv.client.operation import Kind, Op, Terms
from dynakv.client.session import mono_ms
from dynakv.client.settings import Settings
from dynakv.core.layout import Level

Key = bytes | str
Timeout = float | timedelta


class Calls:
    """The part of a client that makes requests out of arguments."""

    def __init__(self, settings: Settings, core: Core) -> None:
        """Make requests for `core`, with the defaults of `settings`."""
        self._settings = settings
        self._core = core
        self._terms = Terms(settings.keyspace, settings.level)

    def _terms_of(
        self,
        keyspace: str | None,
        level: Level | str | None,
        *,
        r: int | None = None,
        w: int | None = None,
        previous: bool = False,
        max_age: Timeout | None = None,
    ) -> Terms:
        if (keyspace, level, r, w, previous, max_age) == _PLAIN:
            return self._terms
        return Terms(
            self._terms.keyspace if keyspace is None else arguments.keyspace(keyspace),
            self._terms.level if level is None else arguments.level(level),
            arguments.replicas(r, "r"),
            arguments.replicas(w, "w"),
            bool(previous),
            arguments.max_age_ms(max_age),
        )

    def _times(self, timeout: Timeout | None) -> tuple[int, int]:
        """Return the ms of the whole call and of one attempt."""
        if timeout is None:
            return self._settings.timeout_ms, self._settings.attempt_ms
        return arguments.duration_ms(timeout, "timeout"), self._settings.attempt_ms

    async def _op(
        self, kind: Kind, key: Key, terms: Terms, timeout: Timeout | None, value: bytes = b""
    ) -> Op:
        """Return a request that can be submitted: its session is open."""
        raw = arguments.key(key)
        timeout_ms, attempt_ms = self._times(timeout)
        core = self._core
        loop = core.attach()
        deadline_ms = mono_ms() + timeout_ms
        if not core.session.is_ready(terms.keyspace):
            await core.session.ready(terms.keyspace, deadline_ms)
        return Op(kind, raw, terms, loop.create_future(), deadline_ms, attempt_ms, value=value)


_PLAIN = (None, None, None, None, False, None)
