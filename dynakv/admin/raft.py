"""What `dynakv-admin raft` does: shows the Raft groups as their leaders see them, moves leaders."""

import asyncio
import json
import time
from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from dynakv.admin import survey
from dynakv.admin.tables import columns
from dynakv.client import terminal, texts
from dynakv.client.connection import Connection
from dynakv.v1 import raft_pb2 as pb

WITHIN_MS: Final = 1_200
AGAIN_MS: Final = 50  # between two looks at who leads
EXIT_FAILED: Final = 1
EXIT_DEGRADED: Final = 2
EXIT_UNKNOWN: Final = 4

Told = dict[str, pb.ListRaftGroupsResponse | str]  # node id -> what it said, or why nothing


class Wish(Struct, frozen=True):
    """A group and the node that shall lead it."""

    keyspace: str
    group: int
    to: str


class GroupView(Struct, frozen=True):
    """A group as all nodes together see it."""

    keyspace: str
    group: int
    leader: str  # node id; empty: no node that answered leads it
    told: pb.RaftGroup | None  # by the leader
    stopped: dict[str, str]  # members that take part in nothing, and why


def views(told: Told) -> list[GroupView]:
    """Return the groups, sorted. Of two that say they lead, the one of the higher term does."""
    leaders: dict[tuple[str, int], tuple[str, pb.RaftGroup]] = {}
    stopped: dict[tuple[str, int], dict[str, str]] = {}
    for node, said in told.items():
        for one in () if isinstance(said, str) else said.groups:
            where = (one.keyspace, one.group)
            stopped.setdefault(where, {})
            if one.why:
                stopped[where][node] = one.why
            if one.role == "leader":
                known = leaders.get(where)
                if known is None or known[1].term < one.term:
                    leaders[where] = (node, one)
    found = []
    for where in sorted(stopped):
        leader, group = leaders.get(where, ("", None))
        found.append(GroupView(*where, leader, group, stopped[where]))
    return found


async def show(endpoints: list[str], keyspace: str, *, as_data: bool) -> int:
    """Print all groups; return the exit code of `raft status`. Raises UsageError."""
    told = await _ask_all(endpoints, keyspace)
    shown = views(told)
    print(as_json(shown, told) if as_data else as_table(shown, told))
    if all(isinstance(said, str) for said in told.values()):
        return EXIT_UNKNOWN
    whole = all(view.leader and not view.stopped for view in shown)
    silent = any(isinstance(said, str) for said in told.values())
    return 0 if whole and not silent else EXIT_DEGRADED


def as_table(shown: list[GroupView], told: Told) -> str:
    """Return a summary and the groups, for a person."""
    silent = [f"{node}: {said}" for node, said in told.items() if isinstance(said, str)]
    if not shown:
        none = "no node answered" if len(silent) == len(told) else "no keyspace is in Raft mode"
        return "\n".join([none, *silent])
    rows = [["KEYSPACE", "GROUP", "LEADER", "TERM", "COMMIT", "APPLIED", "LAG", "LOG", ""]]
    rows += [_row(view) for view in shown]
    return "\n".join([_summary(shown), *silent, "", *columns(rows, right={1, 3, 4, 5, 7})])


def as_json(shown: list[GroupView], told: Told) -> str:
    """Return the same for programs, on one line."""
    silent = {node: said for node, said in told.items() if isinstance(said, str)}
    return json.dumps({"groups": [_shown(view) for view in shown], "silent": silent})


def _summary(shown: list[GroupView]) -> str:
    counts: dict[str, int] = {}
    for view in shown:
        if view.leader:
            counts[view.leader] = counts.get(view.leader, 0) + 1
    parts = [f"{node} leads {counts[node]}" for node in sorted(counts)]
    without = sum(not view.leader for view in shown)
    if without:
        parts.append(f"{without} without a leader that answers")
    stopped = sum(bool(view.stopped) for view in shown)
    if stopped:
        parts.append(f"{stopped} with a member that stopped")
    groups = "1 group" if len(shown) == 1 else f"{len(shown)} groups"
    return f"{groups}: {', '.join(parts)}"


def _row(view: GroupView) -> list[str]:
    notes = [f"{node} stopped: {why}" for node, why in view.stopped.items()]
    told = view.told
    if told is None:
        return [view.keyspace, str(view.group), "-", "", "", "", "", "", "; ".join(notes)]
    if not told.awake:
        notes.insert(0, "asleep")
    lags = ", ".join(f"{f.node_id} {told.last - f.match}{_flow(f)}" for f in told.followers)
    kept = f"{told.entries} ({texts.size(told.log_bytes)})"
    progress = [str(told.term), str(told.commit), str(told.applied)]
    return [view.keyspace, str(view.group), view.leader, *progress, lags, kept, "; ".join(notes)]


def _flow(follower: pb.RaftFollower) -> str:
    notes = ["learner"] if follower.learner else []
    if follower.flow != "replicate":
        notes.append(follower.flow)
    return f" ({', '.join(notes)})" if notes else ""


def _shown(view: GroupView) -> dict[str, Any]:
    told = view.told
    data: dict[str, Any] = {
        "keyspace": view.keyspace,
        "group": view.group,
        "leader": view.leader or None,
        "stopped": view.stopped,
    }
    if told is None:
        return data
    return data | {
        "term": told.term,
        "commit": told.commit,
        "applied": told.applied,
        "last": told.last,
        "log_entries": told.entries,
        "log_bytes": told.log_bytes,
        "awake": told.awake,
        "followers": [
            {
                "node": one.node_id,
                "match": one.match,
                "lag": told.last - one.match,
                "flow": one.flow,
                "learner": one.learner,
            }
            for one in told.followers
        ],
    }


# --- who leads ---------------------------------------------------------------------------------


async def transfer(endpoints: list[str], wish: Wish, within_ms: int) -> int:
    """Let a node lead a group and wait until it does; return the exit code.

    Raises UsageError for what does not exist, RefusedError where the node cannot.
    """
    where = survey.named(survey.addresses(await survey.any_state(endpoints)), [wish.to])
    end = time.monotonic() + within_ms / 1000
    async with Connection([where[wish.to]], within_ms) as connection:
        request = pb.TakeLeadershipRequest(keyspace=wish.keyspace, group=wish.group)
        await connection.administer("TakeLeadership", request, within_ms)
        while True:
            listing = pb.ListRaftGroupsRequest(keyspace=wish.keyspace)
            told = await connection.administer("ListRaftGroups", listing, within_ms)
            mine = _of(told.groups, wish.group)
            if mine is not None and mine.role == "leader":
                print(f"{wish.to} leads group {wish.group} of keyspace {wish.keyspace}")
                return 0
            if time.monotonic() > end:
                break
            await asyncio.sleep(AGAIN_MS / 1000)
    leader = mine.leader if mine is not None and mine.leader else "nobody that it knows of"
    terminal.say(
        f"dynakv-admin: {wish.to} does not lead group {wish.group} of keyspace {wish.keyspace}"
        f" after {within_ms / 1000:g} s: {leader} does; see `dynakv-admin raft status`"
    )
    return EXIT_FAILED


async def rebalance(endpoints: list[str], keyspace: str) -> int:
    """Let all nodes hand over what others should lead; return 1 if not all were told."""
    where = survey.addresses(await survey.any_state(endpoints))

    async def tell(connection: Connection) -> int:
        request = pb.RebalanceLeadersRequest(keyspace=keyspace)
        reply = await connection.administer("RebalanceLeaders", request, WITHIN_MS)
        return int(reply.groups)

    told = await survey.each(where, tell, WITHIN_MS)
    for node, said in told.items():
        if isinstance(said, str):
            terminal.say(f"dynakv-admin: {node} was not told: {said}")
        else:
            print(f"{node} hands over {said} {'group' if said == 1 else 'groups'}")
    return EXIT_FAILED if any(isinstance(said, str) for said in told.values()) else 0


async def _ask_all(endpoints: list[str], keyspace: str) -> Told:
    where = survey.addresses(await survey.any_state(endpoints))
    if keyspace:  # what is wrong with it is an error of the caller, not of the nodes
        request = pb.ListRaftGroupsRequest(keyspace=keyspace)
        async with Connection(endpoints, WITHIN_MS) as connection:
            await connection.administer("ListRaftGroups", request, WITHIN_MS)
    return await told_by(where, keyspace)


async def told_by(where: dict[str, str], keyspace: str) -> Told:
    """Return what each node says of its groups, or why it says nothing."""
    request = pb.ListRaftGroupsRequest(keyspace=keyspace)

    async def ask(connection: Connection) -> pb.ListRaftGroupsResponse:
        told: pb.ListRaftGroupsResponse = await connection.administer(
            "ListRaftGroups", request, WITHIN_MS
        )
        return told

    return await survey.each(where, ask, WITHIN_MS)


def _of(groups: Iterable[pb.RaftGroup], number: int) -> pb.RaftGroup | None:
    return next((one for one in groups if one.group == number), None)
