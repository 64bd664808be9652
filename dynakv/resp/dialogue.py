"""Commands about the connection itself: greeting, selecting, transactions, CLIENT."""

from collections.abc import Callable
from typing import Final

from dynakv import limits
from dynakv.core.layout import Level
from dynakv.resp import replies, transactions
from dynakv.resp.columns import Scope, Slot
from dynakv.resp.command import Command, Kind, Local, Support, wrong_arity
from dynakv.resp.connection import Connection
from dynakv.resp.replies import OK, PONG, SYNTAX_ERROR, CommandError, bulk, integer, number, text
from dynakv.resp.requests import Request

# What clients read to decide which commands they may use; the dialect is that of this version.
REDIS_VERSION: Final = "7.2.0"

_USER: Final = b"default"
_UNKNOWN_USER: Final = "WRONGPASS invalid username-password pair or user is disabled."
_LIBRARY: Final = {b"LIB-NAME": "lib-name", b"LIB-VER": "lib-ver"}


# --- greeting --------------------------------------------------------------------------------


def hello(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """HELLO [protover [AUTH user password] [SETNAME name]]"""
    del scope
    protocol = conn.protocol
    if len(request) > 1:
        complaint = "ERR Protocol version is not an integer or out of range"
        protocol = number(request[1], complaint)
        if protocol not in replies.NULLS:
            raise CommandError("NOPROTO unsupported protocol version")
    words = request[2:]
    name: bytes | None = None
    while words:
        option = words[0].upper()
        if option == b"AUTH" and len(words) >= 3:
            _authenticate(words[1])
            words = words[3:]
        elif option == b"SETNAME" and len(words) >= 2:
            name = _checked_name(words[1])
            words = words[2:]
        else:
            shown = replies.shown(words[0])
            raise CommandError(f"ERR Syntax error in HELLO option '{shown}'")
    conn.speak(protocol)
    if name is not None:
        conn.name = name
    conn.fill(slot, _greeting(conn))


def _greeting(conn: Connection) -> bytes:
    return replies.mapping(
        (
            (text("server"), text("redis")),
            (text("version"), text(REDIS_VERSION)),
            (text("proto"), integer(conn.protocol)),
            (text("id"), integer(conn.number)),
            (text("mode"), text("standalone")),
            (text("role"), text("master")),
            (text("modules"), replies.EMPTY_ARRAY),
        ),
        conn.protocol,
    )


def auth(conn: Connection, request: Request) -> bytes:
    """AUTH [user] password: there are no passwords yet, and every door listens on loopback only"""
    del conn
    if len(request) == 2:
        raise CommandError(
            "ERR AUTH <password> called without any password configured for the default user."
            " Are you sure your configuration is correct?"
        )
    if len(request) > 3:
        raise CommandError(SYNTAX_ERROR)
    _authenticate(request[1])
    return OK


def _authenticate(user: bytes) -> None:
    if user != _USER:
        raise CommandError(_UNKNOWN_USER)


def ping(conn: Connection, request: Request) -> bytes:
    """PING [message]"""
    del conn
    if len(request) > 2:
        raise wrong_arity("ping")
    return bulk(request[1]) if len(request) == 2 else PONG


def echo(conn: Connection, request: Request) -> bytes:
    """ECHO message"""
    del conn
    return bulk(request[1])


def quit_(conn: Connection, request: Request) -> bytes:
    """QUIT: what was sent before is answered, then the connection closes"""
    del request
    conn.quit()
    return OK


def reset(conn: Connection, scope: Scope, request: Request, slot: Slot) -> None:
    """RESET: back to what a new connection has"""
    del scope, request
    conn.reset()
    conn.fill(slot, b"+RESET\r\n")


# --- where to work ---------------------------------------------------------------------------


def select(conn: Connection, request: Request) -> bytes:
    """SELECT number of a keyspace"""
    database = number(request[1])
    name = conn.door.databases.get(database)
    if name is None:
        raise CommandError("ERR DB index is out of range")
    conn.select(conn.door.scope(name, conn.scope.level), database)
    return OK


def consistency(conn: Connection, request: Request) -> bytes:
    """DYNAKV.CONSISTENCY [one | quorum | all | default]: the level of later commands"""
    if len(request) > 2:
        raise wrong_arity("dynakv.consistency")
    if len(request) == 1:
        level = conn.scope.level
        return text("default" if level is None else level.value)
    word = request[1].decode(errors="replace").lower()
    known = {level.value: level for level in Level}
    if word != "default" and word not in known:
        raise CommandError(
            f"ERR consistency is '{replies.shown(request[1])}': one, quorum, all or default"
        )
    conn.select(conn.door.scope(conn.scope.keyspace, known.get(word)), conn.database)
    return OK


# --- transactions ----------------------------------------------------------------------------


def multi(conn: Connection, request: Request) -> bytes:
    """MULTI: queue what follows"""
    del request
    if conn.queued is not None:
        raise CommandError("ERR MULTI calls can not be nested")
    conn.discard()
    conn.queued = []
    return OK


def exec_(conn: Connection, request: Request) -> bytes:
    """EXEC: run what was queued, as a pipeline; in a Raft keyspace as one batch

    The reply of a pipeline is the head of an array; the replies of the commands follow it as its
    elements. That of a batch follows as a whole.
    """
    del request
    queued = conn.queued
    if queued is None:
        raise CommandError("ERR EXEC without MULTI")
    aborted = conn.aborted
    conn.discard()
    if aborted:
        conn.watched.take()
        raise CommandError("EXECABORT Transaction discarded because of previous errors.")
    if conn.door.modes.of(conn.scope.keyspace).raft:
        transactions.begin(conn, queued)
        return b""
    conn.watched.take()
    conn.execute(queued)
    return b"*%d\r\n" % len(queued)


def discard(conn: Connection, request: Request) -> bytes:
    """DISCARD: forget what was queued"""
    del request
    if conn.queued is None:
        raise CommandError("ERR DISCARD without MULTI")
    conn.discard()
    conn.watched.take()
    return OK


def unwatch(conn: Connection, request: Request) -> bytes:
    """UNWATCH"""
    del request
    conn.watched.take()
    return OK


# --- CLIENT ----------------------------------------------------------------------------------


def client(conn: Connection, request: Request) -> bytes:
    """CLIENT subcommand"""
    name = request[1].upper()
    known = _CLIENT.get(name)
    if known is None:
        raise CommandError(
            f"ERR unknown subcommand '{replies.shown(request[1])}'. Try CLIENT HELP."
        )
    arity, run = known
    if len(request) != arity if arity > 0 else len(request) < -arity:
        raise wrong_arity(f"client|{name.decode()}")
    return run(conn, request)


def _client_id(conn: Connection, request: Request) -> bytes:
    del request
    return integer(conn.number)


def _client_setname(conn: Connection, request: Request) -> bytes:
    conn.name = _checked_name(request[2])
    return OK


def _checked_name(name: bytes) -> bytes:
    _check_printable(name, "Client names")
    return name


def _check_printable(value: bytes, what: str) -> None:
    if any(not 0x21 <= byte <= 0x7E for byte in value):
        raise CommandError(f"ERR {what} cannot contain spaces, newlines or special characters.")
    if len(value) > limits.RESP_NAME_BYTES_MAX:
        raise CommandError(f"ERR {what} cannot be longer than {limits.RESP_NAME_BYTES_MAX} bytes")


def _client_setinfo(conn: Connection, request: Request) -> bytes:
    option = _LIBRARY.get(request[2].upper())
    if option is None:
        raise CommandError(f"ERR Unrecognized option '{replies.shown(request[2])}'")
    _check_printable(request[3], option)
    conn.client_info[option] = request[3].decode()
    return OK


def _client_getname(conn: Connection, request: Request) -> bytes:
    del request
    return bulk(conn.name) if conn.name else conn.null


def _client_info(conn: Connection, request: Request) -> bytes:
    del request
    return replies.verbatim(f"{_described(conn)}\n", conn.protocol)


def _client_list(conn: Connection, request: Request) -> bytes:
    if len(request) > 2 and [word.upper() for word in request[2:]] != [b"TYPE", b"NORMAL"]:
        raise CommandError(SYNTAX_ERROR)
    lines = "".join(f"{_described(other)}\n" for other in conn.door.connections())
    return replies.verbatim(lines, conn.protocol)


def _client_reply(conn: Connection, request: Request) -> bytes:
    del conn
    if request[2].upper() != b"ON":
        raise CommandError("ERR replies cannot be switched off here: only CLIENT REPLY ON")
    return OK


def _client_tracking(conn: Connection, request: Request) -> bytes:
    del conn
    if request[2].upper() != b"OFF":
        raise CommandError("ERR client-side caching is not offered: only CLIENT TRACKING OFF")
    return OK


def _accepted(conn: Connection, request: Request) -> bytes:
    """Accept a switch that changes nothing here: nothing is ever evicted."""
    del conn
    if request[2].upper() not in (b"ON", b"OFF"):
        raise CommandError(SYNTAX_ERROR)
    return OK


def _client_help(conn: Connection, request: Request) -> bytes:
    del conn, request
    names = ", ".join(sorted(name.decode() for name in _CLIENT))
    return replies.array([replies.simple(f"CLIENT <subcommand>, one of: {names}")])


def _described(conn: Connection) -> str:
    """Return the line of CLIENT LIST about a connection."""
    now_ms = conn.door.wall_ms()
    fields = {
        "id": conn.number,
        "addr": conn.peer,
        "laddr": conn.door.address,
        "name": conn.name.decode(),
        "age": (now_ms - conn.since_ms) // 1000,
        "flags": "N" if conn.queued is None else "x",
        "db": conn.database,
        "multi": -1 if conn.queued is None else len(conn.queued),
        "unanswered": conn.unanswered,
        "cmd": conn.last_command.lower() or "NULL",
        "user": _USER.decode(),
        "resp": conn.protocol,
        "lib-name": conn.client_info.get("lib-name", ""),
        "lib-ver": conn.client_info.get("lib-ver", ""),
    }
    return " ".join(f"{name}={value}" for name, value in fields.items())


_CLIENT: Final[dict[bytes, tuple[int, Local]]] = {
    b"ID": (2, _client_id),
    b"INFO": (2, _client_info),
    b"LIST": (-2, _client_list),
    b"GETNAME": (2, _client_getname),
    b"SETNAME": (3, _client_setname),
    b"SETINFO": (4, _client_setinfo),
    b"GETREDIR": (2, lambda _, __: integer(-1)),
    b"NO-EVICT": (3, _accepted),
    b"NO-TOUCH": (3, _accepted),
    b"REPLY": (3, _client_reply),
    b"TRACKING": (-3, _client_tracking),
    b"HELP": (2, _client_help),
}


def _about(
    name: str,
    arity: int,
    run: Callable[[Connection, Request], bytes],
    summary: str,
    group: str = "connection",
    *,
    immediate: bool = False,
) -> Command:
    return Command(name, arity, group, summary, Kind.LOCAL, local=run, immediate=immediate)


def _tx(name: str, arity: int, run: Local, summary: str) -> Command:
    return Command(name, arity, "transactions", summary, Kind.LOCAL, local=run, immediate=True)


COMMANDS: Final = (
    Command("HELLO", -1, "connection", "protocol 2 or 3", Kind.BARRIER, start=hello),
    _about("AUTH", -2, auth, "no passwords yet: the user default is let in"),
    _about("PING", -1, ping, "PONG, or the message"),
    _about("ECHO", 2, echo, "the message"),
    _about("QUIT", -1, quit_, "answers what was sent, then closes", immediate=True),
    Command(
        "RESET",
        1,
        "connection",
        "back to what a new connection has",
        Kind.BARRIER,
        start=reset,
        immediate=True,
    ),
    _about("SELECT", 2, select, "a keyspace by its number"),
    _about("CLIENT", -2, client, "ID, INFO, LIST, GETNAME, SETNAME, SETINFO and harmless switches"),
    _about("DYNAKV.CONSISTENCY", -1, consistency, "the level of later commands", "dynakv"),
    _tx("MULTI", 1, multi, "queue commands: a batch in Raft keyspaces, else **not atomic**"),
    _tx("EXEC", 1, exec_, "run them: as a whole in Raft keyspaces, else each on its own"),
    _tx("DISCARD", 1, discard, "forget them"),
    Command(
        "WATCH",
        -2,
        "transactions",
        "EXEC only if these values were not written; does not see EXPIRE and PERSIST",
        Kind.BARRIER,
        start=transactions.watch,
        support=Support.RAFT,
        immediate=True,
    ),
    _tx("UNWATCH", 1, unwatch, "forget what is watched"),
)
