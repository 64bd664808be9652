"""What a command is: its name, its shape, where its keys stand, and what runs it.

Three kinds decide the order in which commands of one connection run (`connection.py`):

    LOCAL    needs only this process: runs at once
    KEYED    names its keys: waits for earlier commands whose order against it could be seen
    BARRIER  names none but may see or change anything: waits for all before it, and all later
             ones wait for it
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from dynakv.resp.columns import Scope, Slot
from dynakv.resp.replies import CommandError, shown
from dynakv.resp.requests import Request

if TYPE_CHECKING:
    from dynakv.resp.connection import Connection

_ERROR_ARGUMENTS_CHARACTERS: Final = 128  # quoted of a command that nobody knows

Local = Callable[["Connection", Request], bytes]
Start = Callable[["Connection", Scope, Request, Slot], None]


class Kind(Enum):
    """When a command may run; see the module."""

    LOCAL = "local"
    KEYED = "keyed"
    BARRIER = "barrier"


class Support(Enum):
    """Where a command works."""

    YES = "yes"
    RAFT = "Raft only"
    NO = "no"


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `arity` counts its name; negative: at least that many words (as in Redis)."""

    name: str  # upper case
    arity: int
    group: str
    summary: str  # one line for people; says where it differs from Redis
    kind: Kind
    local: Local | None = None  # of a LOCAL command
    start: Start | None = None  # of the other kinds
    writes: bool = False
    first: int = 0  # place of the first key, of the last (negative: from the end), and the step
    last: int = 0
    step: int = 0
    support: Support = Support.YES
    immediate: bool = False  # not queued between MULTI and EXEC

    def keys(self, request: Request) -> Sequence[bytes]:
        """Return the keys of a request whose arity was checked."""
        if self.first == self.last:
            # No keys at all, or one that a subcommand without keys (OBJECT HELP) leaves out.
            return (request[self.first],) if 0 < self.first < len(request) else ()
        end = self.last + 1 if self.last >= 0 else len(request) + self.last + 1
        return request[self.first : end : self.step]

    def fits(self, words: int) -> bool:
        """Say whether a request of so many words, the name included, has the right length."""
        return words == self.arity if self.arity > 0 else words >= -self.arity


def wrong_arity(name: str) -> CommandError:
    """Return the complaint about a request's length; `client|setname` for a subcommand."""
    return CommandError(f"ERR wrong number of arguments for '{name.lower()}' command")


def needs_raft(what: str, keyspace: str) -> CommandError:
    """Return the refusal of a read-modify-write: refused, never faked."""
    return CommandError(
        f"ERR {what} would read and write in one step, which the leaderless keyspace"
        f" '{keyspace}' cannot do without silently undoing concurrent writes; nothing was done;"
        " it needs a Raft keyspace"
    )


def unknown(request: Request) -> CommandError:
    """Return the complaint about a name that is no command, with the beginning of its words."""
    beginning = ""
    for argument in request[1:]:
        room = _ERROR_ARGUMENTS_CHARACTERS - len(beginning)
        if room <= 0:
            break
        beginning += f"'{shown(argument, room)}' "
    name = shown(request[0])
    return CommandError(f"ERR unknown command '{name}', with args beginning with: {beginning}")
