"""The rules that values of a configuration must keep, one small function each.

Those for one value run before pydantic's own types and raise ValueError with a sentence that names
the limit; those for values together yield field, value and sentence. `config_report` turns either
into a complaint.
"""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import TYPE_CHECKING, Any

from dynakv import limits
from dynakv.core import address as addresses
from dynakv.core.keyspaces import LATER_MODES
from dynakv.core.layout import DEFAULT_KEYSPACE

if TYPE_CHECKING:
    from dynakv.server.config import Config, MemberEntry

Wrong = tuple[str, object, str]  # dotted name, value (None: not given), sentence

_BEYOND_LOOPBACK = (
    "listens beyond this machine, where nothing is authenticated or encrypted yet; "
    "say insecure = true (--insecure) if the network is trusted"
)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def no_boolean(value: object) -> object:
    """Refuse true and false where a number belongs: pydantic would read them as 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be an integer")  # noqa: TRY004 - pydantic collects only ValueError
    return value


def node_id(value: object) -> object:
    """Refuse an id that does not fit file names, environment variables and member lists."""
    if isinstance(value, str):
        if len(value) > limits.NODE_ID_BYTES_MAX:
            raise ValueError(f"must be at most {limits.NODE_ID_BYTES_MAX} bytes, not {len(value)}")
        if not _ID.fullmatch(value):
            raise ValueError(
                "must be letters, digits, '.', '_' and '-', the first a letter or digit"
            )
    return value


def keyspace_name(value: object) -> object:
    """Refuse a name that breaks the rules of ids or the limit of keyspace names."""
    if isinstance(value, str) and len(value.encode()) > limits.KEYSPACE_NAME_BYTES_MAX:
        raise ValueError(f"must be at most {limits.KEYSPACE_NAME_BYTES_MAX} bytes")
    return node_id(value)


def place(value: object) -> object:
    """Refuse a zone or region that is too long or would not survive a member list."""
    if isinstance(value, str):
        size = len(value.encode())
        if size > limits.ZONE_BYTES_MAX:
            raise ValueError(f"must be at most {limits.ZONE_BYTES_MAX} bytes, not {size}")
        if not value.isprintable() or any(c in ",=" or c.isspace() for c in value):
            raise ValueError("must have no spaces, commas or equal signs")
    return value


def address(value: object) -> object:
    """Return `host:port` in its one spelling; refuse port 0: peers and clients dial it."""
    if not isinstance(value, str):
        return value
    host, port = addresses.parsed(value)
    if port == 0:
        raise ValueError("must have a port between 1 and 65535: others have to know it")
    return addresses.joined(host, port)


def groups(value: object) -> object:
    """Refuse a number of shard groups that is no power of two, or too large."""
    if isinstance(value, int) and not isinstance(value, bool):
        in_range = 1 <= value <= limits.GROUPS_MAX
        if not in_range or value & (value - 1):
            raise ValueError(f"must be a power of two between 1 and {limits.GROUPS_MAX}")
    return value


def mode(value: object) -> object:
    """Refuse by name the modes that this version does not have."""
    for later, what in LATER_MODES.items():
        if value in (later, later.value):
            raise ValueError(f"this version has no {what} yet; there are 'leaderless' and 'raft'")
    return value


def member(value: object) -> object:
    """Return the table of a member written as `n1=host:port` or `n1=host:port,zone`."""
    if not isinstance(value, str):
        return value
    name, equals, rest = value.partition("=")
    if not equals:
        raise ValueError("must be id=host:port or id=host:port,zone")
    where, comma, zone = rest.partition(",")
    entry = {"id": name.strip(), "address": where.strip()}
    return {**entry, "zone": zone.strip()} if comma else entry


def member_list(value: object) -> object:
    """Return the list of `n1=host:port,zone,n2=host:port` or of JSON; lists pass through.

    A part without an equal sign is the zone of the member before it.
    """
    if not isinstance(value, str) or value.lstrip().startswith("["):
        return json_list(value)
    entries: list[str] = []
    for part in filter(None, (p.strip() for p in value.split(","))):
        if "=" in part or not entries:
            entries.append(part)
        else:
            entries[-1] += "," + part
    return entries


def peers_via(value: object) -> object:
    """Return the table of `n2=host:port,n3=host:port` or of JSON; tables pass through."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("{"):
        try:
            return json.loads(value)
        except ValueError as error:
            raise ValueError(f"must be a JSON object: {error}") from None
    table: dict[str, str] = {}
    for part in filter(None, (p.strip() for p in value.split(","))):
        name, equals, where = part.partition("=")
        if not equals:
            raise ValueError("must be id=host:port,id=host:port")
        if name.strip() in table:
            raise ValueError(f"names {name.strip()} twice")
        table[name.strip()] = where.strip()
    return table


def json_list(value: object) -> object:
    """Return the list that a JSON text (from the environment) holds; others pass through."""
    if not isinstance(value, str):
        return value
    try:
        decoded: Any = json.loads(value)
    except ValueError as error:
        raise ValueError(f"must be a JSON list: {error}") from None
    return decoded


def contradictions(config: "Config") -> Iterator[Wrong]:
    """Yield what is wrong only together with something else."""
    timing = config.timing
    if timing.suspect_ms < 2 * timing.heartbeat_ms:
        least = f"must be at least twice timing.heartbeat_ms = {timing.heartbeat_ms}"
        yield "timing.suspect_ms", timing.suspect_ms, least
    if timing.recover_after_ms < timing.attempt_ms + 1_000:
        least = f"must exceed timing.attempt_ms = {timing.attempt_ms} by 1000"
        yield "timing.recover_after_ms", timing.recover_after_ms, least
    names = [k.name for k in config.keyspaces]
    count = len({DEFAULT_KEYSPACE, *names})
    if count > limits.KEYSPACES_MAX:
        sentence = f"are {count} keyspaces with the default one; at most {limits.KEYSPACES_MAX}"
        yield "keyspaces", None, sentence
    for i, name in enumerate(names):
        if name in names[:i]:
            yield f"keyspaces[{i}].name", name, "is listed twice"
    if config.cluster.members:
        yield from _wrong_list(config.cluster.members)
        yield from _wrong_place(config)
    completed = config.completed()
    if not any(m.weight for m in completed.cluster.members):
        yield "cluster.members", None, "must have a member whose weight is not 0"
    yield from _wrong_ways(completed)
    yield from _wrong_numbers(config)
    yield from _wrong_listens(config, completed)


def _wrong_listens(config: "Config", completed: "Config") -> Iterator[Wrong]:
    """Yield the addresses that clash, or that strangers could reach."""
    listens = {"listen.client": completed.listen.client, "listen.peer": completed.peer_address}
    if completed.listen.redis is not None:
        listens["listen.redis"] = completed.listen.redis
    for name, text in listens.items():
        if not (config.insecure or addresses.is_loopback(addresses.parsed(text)[0])):
            yield name, text, _BEYOND_LOOPBACK
    for (earlier, taken), (name, text) in combinations(listens.items(), 2):
        if text == taken:
            yield name, text, f"must differ from {earlier}"


def _wrong_numbers(config: "Config") -> Iterator[Wrong]:
    """Yield the Redis numbers that two keyspaces have, or the default one's that another has."""
    entries = config.keyspaces
    for i, entry in enumerate(entries):
        number = entry.redis_number
        if number is None:
            continue
        if (number == 0) != (entry.name == DEFAULT_KEYSPACE):
            sentence = f"must be 0 for keyspace {DEFAULT_KEYSPACE!r} and above 0 for all others"
            yield f"keyspaces[{i}].redis_number", number, sentence
        elif any(number == other.redis_number for other in entries[:i]):
            yield f"keyspaces[{i}].redis_number", number, "is another keyspace's"


def _wrong_list(entries: "tuple[MemberEntry, ...]") -> Iterator[Wrong]:
    """Yield what no cluster can have in its member list."""
    if len(entries) > limits.MEMBERS_MAX:
        sentence = f"has {len(entries)} members; must have at most {limits.MEMBERS_MAX}"
        yield "cluster.members", None, sentence
    for i, entry in enumerate(entries):
        if any(entry.id == m.id for m in entries[:i]):
            yield f"cluster.members[{i}].id", entry.id, "is listed twice"
        if any(entry.address == m.address for m in entries[:i]):
            yield f"cluster.members[{i}].address", entry.address, "is another member's"


def _wrong_place(config: "Config") -> Iterator[Wrong]:
    """Yield where this node and the member list disagree about this node."""
    node = config.node
    known = ", ".join(dict.fromkeys(m.id for m in config.cluster.members))
    if node.id is None:
        yield "node.id", None, f"must say which member of the cluster this is: {known}"
        return
    mine = next((m for m in config.cluster.members if m.id == node.id), None)
    if mine is None:
        yield "node.id", node.id, f"is not in cluster.members, which are {known}"
        return
    for field in ("zone", "region", "weight"):
        own, listed = getattr(node, field), getattr(mine, field)
        if own not in (None, listed):
            sentence = f"contradicts cluster.members, where {mine.id} has {listed!r}"
            yield f"node.{field}", own, f"{sentence}; the list decides, alike on every node"


def _wrong_ways(completed: "Config") -> Iterator[Wrong]:
    """Yield the ways to peers that are none."""
    peers = [m.id for m in completed.cluster.members if m.id != completed.node.id]
    for name, where in completed.peers.via.items():
        if name not in peers:
            sentence = f"is not the way to a peer; the peers are {', '.join(peers) or 'none'}"
            yield f"peers.via.{name}", where, sentence
