"""What can be said to a running demo: words to commands, without doing anything.

Nodes are named `n2` or `2`, lists of them `n1,n2` or `n1 n2`. Every complaint is one line that
says what would have been right.
"""

import difflib
import os
import shlex
from collections.abc import Callable, Sequence
from typing import Final, TypeAlias

from msgspec import Struct

from dynakv import limits
from dynakv.errors import UsageError
from dynakv.server.demo_links import DELAY_MS_MAX

LINE_BYTES_MAX: Final = 64 << 10  # of one command; what is larger is for dynakv-cli


class Help(Struct, frozen=True):
    """Show the commands."""


class Quit(Struct, frozen=True):
    """Leave the prompt."""


class Status(Struct, frozen=True):
    """Show every node's process and what it sees of the others."""


class Ring(Struct, frozen=True):
    """Show who holds how much."""


class Leaders(Struct, frozen=True):
    """Show who leads the Raft groups."""


class Kill(Struct, frozen=True):
    """SIGKILL."""

    nodes: list[str]


class Restart(Struct, frozen=True):
    """End it if it runs, and start it with its data."""

    nodes: list[str]


class Pause(Struct, frozen=True):
    """SIGSTOP."""

    nodes: list[str]


class Resume(Struct, frozen=True):
    """SIGCONT."""

    nodes: list[str]


class Partition(Struct, frozen=True):
    """Cut each side from every other one, or with `one_way` what the first sends to the second."""

    sides: list[list[str]]
    one_way: bool = False


class Heal(Struct, frozen=True):
    """Undo all partitions and delays."""


class Slow(Struct, frozen=True):
    """Delay all that a node sends and all that is sent to it."""

    node: str
    delay_ms: int


class Put(Struct, frozen=True):
    """Write a key; `via` None: through any node that runs."""

    key: bytes
    value: bytes
    via: str | None = None


class Get(Struct, frozen=True):
    """Read a key."""

    key: bytes
    via: str | None = None


Command: TypeAlias = (
    Help
    | Quit
    | Status
    | Ring
    | Leaders
    | Kill
    | Restart
    | Pause
    | Resume
    | Partition
    | Heal
    | Slow
    | Put
    | Get
)

HELP: Final = f"""\
  status                  every node, what it sees of the others, and the links
  ring                    who holds how much of the keys
  leaders                 who leads the Raft groups, where a keyspace is in Raft mode
  kill N                  SIGKILL a node, as a power cut would
  restart N               start it again with its data (stops it first if it runs)
  pause N, resume N       SIGSTOP and SIGCONT: a node that is there and says nothing
  partition n1 | n2,n3    cut the sides from each other; nodes not named keep all their links
  partition n1            cut a node from all others
  partition n1 > n2       cut only what n1 sends to n2
  slow N MS               delay what a node sends and is sent, up to {DELAY_MS_MAX} ms; 0: not
  heal                    undo all partitions and delays
  put K V [via N]         write a key at quorum, through any running node or this one
  get K [via N]           read a key at quorum
  help, quit
Nodes are n1 or 1; kill, restart, pause and resume take several. Partitions add up until heal.
A command may be cut short (st, par) as long as it is clear."""


def parsed(line: str, nodes: Sequence[str]) -> Command | None:
    """Return the command of a line, None for a blank one. Raises UsageError."""
    if len(os.fsencode(line)) > LINE_BYTES_MAX:
        raise UsageError(f"the line is too long: a command has at most {LINE_BYTES_MAX} bytes")
    verb, _, rest = line.strip().partition(" ")
    if not verb or verb.startswith("#"):
        return None
    verb = _ALIASES.get(verb.lower(), verb.lower())
    begun = [name for name in VERBS if name.startswith(verb)]
    parser = _PARSERS.get(begun[0] if len(begun) == 1 else verb)
    if parser is None and len(begun) > 1:
        raise UsageError(f"{verb!r} could be {' or '.join(begun)}")
    if parser is None:
        close = difflib.get_close_matches(verb, VERBS, n=1)
        hint = f"did you mean {close[0]!r}?" if close else "'help' lists all"
        raise UsageError(f"no such command: {verb!r:.40}; {hint}")
    return parser(rest, nodes)


def _bare(make: Callable[[], Command]) -> Callable[[str, Sequence[str]], Command]:
    def parser(rest: str, nodes: Sequence[str]) -> Command:
        del nodes
        if rest.strip():
            raise UsageError(f"{make.__name__.lower()} takes nothing more, not {rest.strip()!r}")
        return make()

    return parser


def _of_nodes(make: Callable[[list[str]], Command]) -> Callable[[str, Sequence[str]], Command]:
    def parser(rest: str, nodes: Sequence[str]) -> Command:
        names = _names(rest, nodes)
        if not names:
            raise UsageError(f"{make.__name__.lower()} which node? there are {', '.join(nodes)}")
        return make(names)

    return parser


def _partition(rest: str, nodes: Sequence[str]) -> Command:
    one_way = ">" in rest
    if one_way and "|" in rest:
        raise UsageError("partition is either A|B (both ways) or A > B (one way), not both")
    sides = [_names(side, nodes) for side in rest.split(">" if one_way else "|")]
    if len(sides) == 1 and sides[0]:
        sides.append([n for n in nodes if n not in sides[0]])
    if len(sides) < 2 or not all(sides) or (one_way and len(sides) != 2):
        raise UsageError("partition takes two sides: n1 | n2,n3 (both ways) or n1 > n2 (one way)")
    named = [name for side in sides for name in side]
    twice = next((name for name in named if named.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"partition: {twice} cannot stand on both sides")
    return Partition(sides, one_way)


def _slow(rest: str, nodes: Sequence[str]) -> Command:
    words = rest.split()
    if len(words) != 2:
        raise UsageError("slow takes a node and milliseconds, such as: slow n2 200")
    text = words[1].lower().removesuffix("ms")
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) <= DELAY_MS_MAX):
        raise UsageError(f"slow: {words[1]!r:.40} must be 0 to {DELAY_MS_MAX} milliseconds")
    return Slow(_name(words[0], nodes), int(text))


def _put(rest: str, nodes: Sequence[str]) -> Command:
    words, via = _words_and_via(rest, nodes, 2)
    if len(words) != 2:
        raise UsageError('put takes a key and a value; quote what has spaces: put k "two words"')
    value = os.fsencode(words[1])
    return Put(_key(words[0]), value, via)


def _get(rest: str, nodes: Sequence[str]) -> Command:
    words, via = _words_and_via(rest, nodes, 1)
    if len(words) != 1:
        raise UsageError('get takes one key; quote one that has spaces: get "two words"')
    return Get(_key(words[0]), via)


def _words_and_via(rest: str, nodes: Sequence[str], count: int) -> tuple[list[str], str | None]:
    """Return the words, and the node of a trailing `via N` beyond the first `count`."""
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise UsageError(f"{str(error).lower()}: {rest.strip()!r:.60}") from None
    if len(words) == count + 2 and words[count] == "via":
        return words[:count], _name(words[count + 1], nodes)
    return words, None


def _key(text: str) -> bytes:
    key = os.fsencode(text)
    if not 1 <= len(key) <= limits.KEY_BYTES_MAX:
        raise UsageError(f"the key has {len(key)} bytes: must have 1 to {limits.KEY_BYTES_MAX}")
    return key


def _names(text: str, nodes: Sequence[str]) -> list[str]:
    """Return the nodes of a list, each once, in its order."""
    return list(dict.fromkeys(_name(word, nodes) for word in text.replace(",", " ").split()))


def _name(word: str, nodes: Sequence[str]) -> str:
    for name in (word.lower(), f"n{word}"):
        if name in nodes:
            return name
    raise UsageError(f"no node {word!r:.40}; there are {', '.join(nodes)}")


_PARSERS: Final[dict[str, Callable[[str, Sequence[str]], Command]]] = {
    "help": _bare(Help),
    "status": _bare(Status),
    "ring": _bare(Ring),
    "leaders": _bare(Leaders),
    "kill": _of_nodes(Kill),
    "restart": _of_nodes(Restart),
    "pause": _of_nodes(Pause),
    "resume": _of_nodes(Resume),
    "partition": _partition,
    "heal": _bare(Heal),
    "slow": _slow,
    "put": _put,
    "get": _get,
    "quit": _bare(Quit),
}
_ALIASES: Final = {"?": "help", "exit": "quit"}
VERBS: Final = tuple(_PARSERS)
