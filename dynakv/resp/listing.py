"""Commands that name no keys: KEYS, SCAN, DBSIZE, RANDOMKEY, FLUSHDB, FLUSHALL.

All of them list the keyspace page by page, over all nodes, at a read quorum of every shard group.
Nothing is counted in advance: an exact number over leaderless replicas can only be had by looking.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Struct

from dynakv import limits
from dynakv.core.record import Record
from dynakv.errors import Failure
from dynakv.node.messages import List, Listed
from dynakv.resp import asks, replies
from dynakv.resp.columns import Scope, Slot
from dynakv.resp.command import Command, Kind, Start
from dynakv.resp.connection import Connection
from dynakv.resp.cursors import CURSOR_MAX, END, cursor_of
from dynakv.resp.glob import after_prefix, matcher, prefix_of
from dynakv.resp.replies import OK, SYNTAX_ERROR, CommandError, number
from dynakv.resp.requests import Request

_COUNT: Final = 10  # of SCAN without COUNT, as in Redis
_SCAN_PAGES_MAX: Final = 16  # of one SCAN: it answers soon even among deleted keys


class Range(Struct, frozen=True):
    """Keys from `start` on and below `end`, or behind `after`."""

    start: bytes = b""
    end: bytes | None = None
    after: bytes | None = None


class Walk:
    """Lists keys page by page, one page under way.

    `look` gets each page and says whether to go on; `done` gets None at the end or when `look` had
    enough, or the Failure that ended the walk.
    """

    def __init__(
        self,
        conn: Connection,
        keyspace: str,
        look: Callable[[Listed], bool],
        done: Callable[[Failure | None], None],
        limit: int = limits.PAGE_ROWS_MAX,
    ) -> None:
        """Prepare; pages have at most `limit` keys."""
        self._turn = conn.turn
        self._keyspace = keyspace
        self._look = look
        self._done = done
        self.limit = limit
        self._range = Range()

    def over(self, keys: Range) -> None:
        """Begin, or go on, with these keys."""
        self._range = keys
        message = List(
            self._keyspace, keys.start, keys.end, keys.after, limit=self.limit, keys_only=True
        )
        asks.page(self._turn, message, self._take)

    def _take(self, listed: Listed | Failure) -> None:
        if isinstance(listed, Failure):
            self._done(listed)
        elif not self._look(listed) or listed.next is None:
            self._done(None)
        else:
            self.over(Range(self._range.start, self._range.end, listed.next))


def matching(pattern: bytes) -> Range:
    """Return the range that holds all keys a pattern can match."""
    prefix = prefix_of(pattern)[: limits.KEY_BYTES_MAX]
    return Range(prefix, after_prefix(prefix))


def keys(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """KEYS pattern"""
    matches = matcher(request[1])
    found: list[bytes] = []

    def look(page: Listed) -> bool:
        found.extend(record.key for record in page.records if matches(record.key))
        return len(found) <= limits.RESP_KEYS_MAX and not conn.closed

    def done(failure: Failure | None) -> None:
        if failure is not None:
            conn.fill(slot, replies.failure(failure))
        elif len(found) > limits.RESP_KEYS_MAX:
            conn.fill(
                slot,
                replies.error(f"ERR more than {limits.RESP_KEYS_MAX} keys match: use SCAN instead"),
            )
        else:
            conn.fill(slot, replies.bulks(found))

    Walk(conn, scope.keyspace, look, done).over(matching(request[1]))


def dbsize(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """DBSIZE: counted by listing all keys"""
    del request
    count = 0

    def look(page: Listed) -> bool:
        nonlocal count
        count += len(page.records)
        return not conn.closed

    def done(failure: Failure | None) -> None:
        conn.fill(slot, replies.integer(count) if failure is None else replies.failure(failure))

    Walk(conn, scope.keyspace, look, done).over(Range())


def randomkey(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """RANDOMKEY: one of the first keys, each as likely (Vitter's reservoir of one)"""
    del request
    seen = pages = 0
    chosen: Record | None = None

    def look(page: Listed) -> bool:
        nonlocal seen, pages, chosen
        pages += 1
        for record in page.records:
            seen += 1
            if conn.door.random.randrange(seen) == 0:
                chosen = record
        return pages < limits.RESP_SAMPLE_PAGES_MAX

    def done(failure: Failure | None) -> None:
        if failure is not None:
            conn.fill(slot, replies.failure(failure))
        else:
            conn.fill(slot, conn.null if chosen is None else replies.bulk(chosen.key))

    Walk(conn, scope.keyspace, look, done).over(Range())


# --- flush -----------------------------------------------------------------------------------


def flush(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """FLUSHDB [ASYNC | SYNC]; FLUSHALL: the same for every keyspace with a number"""
    if len(request) > 2 or (len(request) == 2 and request[1].upper() not in (b"ASYNC", b"SYNC")):
        raise CommandError(SYNTAX_ERROR)
    scopes = [scope]
    if request[0].upper() == b"FLUSHALL":
        scopes = [conn.door.scope(name, scope.level) for name in conn.door.databases.values()]
    _Flush(conn, slot, scopes).next()


class _Flush:
    """Deletes what it lists, page by page, keyspace by keyspace."""

    def __init__(self, conn: Connection, slot: Slot, scopes: list[Scope]) -> None:
        self._conn = conn
        self._slot = slot
        self._scopes = scopes
        self._deleted = 0

    def next(self) -> None:
        """Begin with the next keyspace, or answer."""
        if not self._scopes:
            self._conn.fill(self._slot, OK)
            return
        self._page(self._scopes.pop(0), None)

    def _page(self, scope: Scope, after: bytes | None) -> None:
        def listed(page: Listed | Failure) -> None:
            if isinstance(page, Failure):
                self._fail(page)
            elif page.records:
                self._delete(scope, [record.key for record in page.records], page.next)
            else:
                self._behind(scope, page.next)

        message = List(scope.keyspace, after=after, limit=limits.PAGE_ROWS_MAX, keys_only=True)
        asks.page(self._conn.turn, message, listed)

    def _delete(self, scope: Scope, found: list[bytes], after: bytes | None) -> None:
        def deleted(result: asks.Records | Failure) -> None:
            if isinstance(result, Failure):
                self._fail(result)
            else:
                self._deleted += len(found)
                self._behind(scope, after)

        nothing: list[bytes | None] = [None] * len(found)
        asks.write(self._conn.turn, scope, found, nothing, deleted)

    def _behind(self, scope: Scope, after: bytes | None) -> None:
        if after is None:
            self.next()
        else:
            self._page(scope, after)

    def _fail(self, failure: Failure) -> None:
        reason = f"stopped after {self._deleted} deleted keys: {failure.reason}"
        self._conn.fill(self._slot, replies.failure(Failure(failure.kind, reason)))


# --- SCAN ------------------------------------------------------------------------------------


class _Options(Struct, frozen=True):
    """What a SCAN asks for."""

    pattern: bytes = b"*"
    count: int = _COUNT
    strings: bool = True  # TYPE names another type: there are none of it


def scan(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """SCAN cursor [MATCH pattern] [COUNT n] [TYPE type]"""
    cursor = request[1]
    if not cursor.isdigit() or len(cursor) > 20 or int(cursor) > CURSOR_MAX:
        raise CommandError("ERR invalid cursor")
    options = _options(request)
    position = int(cursor)
    if position == END:
        _scan_behind(conn, scope, slot, options, None)
        return
    after = conn.door.cursors.find(position)
    if after is not None:
        _scan_behind(conn, scope, slot, options, after)
    else:
        _search(conn, scope, slot, options, position)


def _options(request: Request) -> _Options:
    words = request[2:]
    pattern, count, strings = b"*", _COUNT, True
    if len(words) % 2:
        raise CommandError(SYNTAX_ERROR)
    for name, value in zip(words[::2], words[1::2], strict=True):
        match name.upper():
            case b"MATCH":
                pattern = value
            case b"COUNT":
                count = number(value)
                if count < 1:
                    raise CommandError(SYNTAX_ERROR)
            case b"TYPE":
                strings = value.lower() == b"string"
            case _:
                raise CommandError(SYNTAX_ERROR)
    return _Options(pattern, count, strings)


def _scan_behind(
    conn: Connection, scope: Scope, slot: Slot, options: _Options, after: bytes | None
) -> None:
    """Answer the keys of one step of a scan.

    The step ends behind a key that exists wherever it can, so that other nodes can find it.
    """
    seen = pages = 0
    found: list[bytes] = []
    matches = matcher(options.pattern)
    position: bytes | None = None

    def look(page: Listed) -> bool:
        nonlocal seen, pages, position
        records = page.records[: options.count - seen]
        seen += len(records)
        pages += 1
        found.extend(record.key for record in records if matches(record.key))
        position = records[-1].key if records else page.next
        if page.next is None and len(records) == len(page.records):
            position = None
            return False
        walk.limit = limits.PAGE_ROWS_MAX  # most of the page was deleted: look further ahead
        return seen < options.count and pages < _SCAN_PAGES_MAX

    def done(failure: Failure | None) -> None:
        if failure is not None:
            conn.fill(slot, replies.failure(failure))
            return
        cursor = END if position is None else conn.door.cursors.give(scope.keyspace, position)
        listed = found if options.strings else []
        conn.fill(slot, replies.array([replies.bulk(b"%d" % cursor), replies.bulks(listed)]))

    whole = matching(options.pattern)
    limit = min(options.count, limits.PAGE_ROWS_MAX)
    walk = Walk(conn, scope.keyspace, look, done, limit)
    walk.over(Range(whole.start, whole.end, after))


def _search(conn: Connection, scope: Scope, slot: Slot, options: _Options, cursor: int) -> None:
    """Look for the key that a cursor stands for."""
    pages = 0
    position: bytes | None = None
    keyspace = scope.keyspace

    def look(page: Listed) -> bool:
        nonlocal pages, position
        pages += 1
        for record in page.records:
            if cursor_of(keyspace, record.key) == cursor:
                position = record.key
                return False
        return pages < limits.RESP_SEARCH_PAGES_MAX and not conn.closed

    def done(failure: Failure | None) -> None:
        if failure is not None:
            conn.fill(slot, replies.failure(failure))
        elif position is None:
            conn.fill(
                slot,
                replies.error(
                    "ERR invalid cursor: this node did not give it, and no key stands there (any"
                    " more); begin again at 0"
                ),
            )
        else:
            _scan_behind(conn, scope, slot, options, position)

    Walk(conn, keyspace, look, done).over(matching(options.pattern))


def _keyless(name: str, arity: int, start: Start, summary: str, *, writes: bool = False) -> Command:
    return Command(name, arity, "generic", summary, Kind.BARRIER, start=start, writes=writes)


COMMANDS: Final = (
    _keyless("KEYS", 2, keys, "all keys that match; lists the whole range of the pattern's prefix"),
    _keyless("SCAN", -2, scan, "MATCH, COUNT, TYPE; in key order"),
    _keyless("RANDOMKEY", 1, randomkey, "one of the first 16,384 keys, each as likely"),
    _keyless("DBSIZE", 1, dbsize, "exact, and as slow as listing all keys"),
    _keyless("FLUSHDB", -1, flush, "deletes every key it lists; not atomic", writes=True),
    _keyless("FLUSHALL", -1, flush, "FLUSHDB of every keyspace with a number", writes=True),
)
