"""Asking real servers, some of which do not answer."""

import asyncio
import socket
import time

import pytest

from dynakv.admin.survey import Survey, any_state, inspect, survey
from dynakv.client.connection import UnreachableError
from dynakv.v1 import node_status_pb2 as pb
from tests.admin.nodes import cluster

NOBODY = "127.0.0.1:1"


def nodes_told(found: Survey) -> list[str]:
    return sorted(r.status.node_id for r in found.replies.values() if r.status is not None)


def test_all_members_are_found_through_one_endpoint() -> None:
    with cluster() as nodes:
        found = asyncio.run(survey([nodes[1].address], 5_000))
    assert nodes_told(found) == ["n1", "n2", "n3"]
    assert all(r.probe_ms is not None and r.probe_ms > 0 for r in found.replies.values())


def test_a_silent_member_costs_the_time_given_and_nothing_else() -> None:
    with cluster() as nodes:
        nodes[2].silent = True
        began = time.monotonic()
        found = asyncio.run(survey([n.address for n in nodes], 300))
        took_s = time.monotonic() - began
    assert nodes_told(found) == ["n1", "n2"]
    assert found.replies[nodes[2].address].error == "no answer within 0.3 s"
    assert 0.3 <= took_s < 1.5


def test_a_member_that_refuses_connections_costs_no_time() -> None:
    with cluster() as nodes:
        for node in nodes[:2]:
            node.ring.members[2].client_address = NOBODY
        began = time.monotonic()
        found = asyncio.run(survey([nodes[0].address], 9_000))
        took_s = time.monotonic() - began
    assert nodes_told(found) == ["n1", "n2"]
    assert found.replies[NOBODY].error == "no connection"
    assert took_s < 4


def test_a_port_that_accepts_and_says_nothing_is_silent() -> None:
    with cluster() as nodes, socket.create_server(("127.0.0.1", 0)) as listener:
        silent = f"127.0.0.1:{listener.getsockname()[1]}"
        for node in nodes[:2]:
            node.ring.members[2].client_address = silent
        found = asyncio.run(survey([nodes[0].address], 300))
    assert found.replies[silent].error in ("no answer within 0.3 s", "no connection")
    assert nodes_told(found) == ["n1", "n2"]


def test_an_endpoint_that_is_an_alias_is_not_waited_for() -> None:
    with cluster() as nodes, socket.create_server(("127.0.0.1", 0)) as listener:
        silent = f"127.0.0.1:{listener.getsockname()[1]}"
        began = time.monotonic()
        found = asyncio.run(survey([silent, nodes[0].address], 9_000))
        took_s = time.monotonic() - began
    assert nodes_told(found) == ["n1", "n2", "n3"]
    assert took_s < 4


def test_nobody_there_leaves_only_errors() -> None:
    found = asyncio.run(survey([NOBODY], 1_000))
    assert {address: reply.error for address, reply in found.replies.items()} == {
        NOBODY: "no connection"
    }


def test_any_state_comes_from_whoever_answers_first() -> None:
    with cluster() as nodes:
        nodes[0].silent = True
        found = asyncio.run(any_state([nodes[0].address, NOBODY, nodes[1].address], 5_000))
    assert found.answered_by == "n2"
    with pytest.raises(UnreachableError, match=r"no endpoint answered within 0.3 s; tried 127"):
        asyncio.run(any_state([NOBODY], 300))


def test_each_replica_is_asked_for_its_own_record() -> None:
    with cluster() as nodes:
        mine = pb.InspectKeyResponse(node_id="n1", held=pb.HELD_VALUE, value_time=7)
        nodes[0].records[b"k"] = mine
        nodes[1].silent = True
        addresses = {"n1": nodes[0].address, "n2": nodes[1].address, "n3": NOBODY, "n4": ""}
        found = asyncio.run(inspect(addresses, b"k", "default", 300))
    assert found["n1"] == mine
    assert str(found["n2"]).startswith(("no answer within", "127."))
    assert found["n3"] == "no connection"
    assert found["n4"] == "its client address is not known"
