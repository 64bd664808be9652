"""What the replicas of a key hold, compared."""

import json
from collections.abc import Mapping

import pytest

from dynakv.admin import key as keys
from dynakv.admin.key import KeyView, place, view
from dynakv.admin.main import app
from dynakv.client import terminal
from dynakv.core.layout import token_of
from dynakv.errors import UsageError
from dynakv.v1 import node_status_pb2 as pb
from tests.admin.nodes import cluster, state

WHERE = place(state(3), "default", b"k")
TIME = 1_700_000_000_123 << 16


def held(time: int = TIME, writer: int = 1, **fields: int) -> pb.InspectKeyResponse:
    content = {"held": pb.HELD_VALUE, "value_bytes": 5, "checksum": 0xAB} | fields
    stamps = {"value_time": time, "value_writer": writer, "expiry_time": time}
    return pb.InspectKeyResponse(**(stamps | content), expiry_writer=writer)  # type: ignore[arg-type]


NOTHING = pb.InspectKeyResponse(held=pb.HELD_NOTHING)
DAMAGED = pb.InspectKeyResponse(held=pb.HELD_DAMAGED)


def shown(*answers: pb.InspectKeyResponse | str) -> KeyView:
    named: Mapping[str, pb.InspectKeyResponse | str] = dict(
        zip(sorted(WHERE.replicas), answers, strict=True)
    )
    return view(b"k", WHERE, named)


def states(found: KeyView) -> dict[str, str]:
    return {replica.node: replica.state for replica in found.replicas}


def test_a_key_lives_where_the_layout_says() -> None:
    found = place(state(5), "default", b"k")
    token = token_of(b"k", hash_tags=False)
    assert (found.token, found.group) == (token, token >> 56)
    ring = state(5)
    names = [ring.members[i].node_id for i in ring.keyspaces[0].groups[found.group].replicas]
    assert found.replicas == {name: f"{name}:1" for name in names}
    with pytest.raises(UsageError, match="keyspace 'x' does not exist; there are default"):
        place(state(5), "x", b"k")


def test_hash_tags_decide_where_the_keyspace_says_so() -> None:
    ring = state(5)
    plain = place(ring, "default", b"{a}1").token
    ring.keyspaces[0].hash_tags = True
    assert place(ring, "default", b"{a}1").token == place(ring, "default", b"{a}2").token != plain


def test_replicas_that_hold_the_same_agree() -> None:
    found = shown(held(), held(), held())
    assert found.verdict == "all 3 replicas agree (value)"
    assert (found.exit_code, set(states(found).values())) == (0, {"newest"})
    assert found.replicas[0].stamp == "2023-11-14T22:13:20.123Z+0@0000000000000001"


def test_nothing_anywhere_is_agreement_too() -> None:
    found = shown(NOTHING, NOTHING, NOTHING)
    assert (found.verdict, found.exit_code) == ("all 3 replicas agree (nothing)", 0)
    assert set(states(found).values()) == {"empty"}


@pytest.mark.parametrize(
    "older", [held(TIME - 1), held(TIME, 0), held(expiry_time=TIME - 1), NOTHING]
)
def test_an_older_register_or_none_is_behind(older: pb.InspectKeyResponse) -> None:
    found = shown(held(), older, held())
    assert states(found) == {"n1": "newest", "n2": "behind", "n3": "newest"}
    assert found.verdict == "2 of 3 replicas hold the newest known (value); behind: n2"
    assert found.exit_code == 2


def test_nothing_on_some_and_silence_on_others_is_no_agreement() -> None:
    found = shown(NOTHING, "no connection", NOTHING)
    assert found.verdict == "2 of 3 replicas hold nothing; silent: n2"
    assert found.exit_code == 2


def test_the_newest_on_too_few_replicas_is_said() -> None:
    found = shown(held(), held(TIME + 1, held=pb.HELD_TOMBSTONE), NOTHING)
    assert states(found) == {"n1": "behind", "n2": "newest", "n3": "behind"}
    assert found.verdict == (
        "1 of 3 replicas hold the newest known (tombstone); behind: n1, n3; "
        "fewer than the 2 of a quorum write"
    )


def test_one_stamp_with_two_contents_is_somebody_s_bug_and_shown() -> None:
    found = shown(held(), held(checksum=0xCD), held())
    assert set(states(found).values()) == {"differs"}
    assert found.exit_code == 2


def test_damaged_and_silent_replicas_are_told_apart() -> None:
    found = shown(held(), DAMAGED, "no connection")
    assert states(found) == {"n1": "newest", "n2": "damaged", "n3": "silent"}
    assert "damaged: n2; silent: n3" in found.verdict
    assert found.exit_code == 2


def test_no_answer_at_all_is_exit_code_4() -> None:
    found = shown("no connection", "no connection", "no connection")
    assert (found.verdict, found.exit_code) == ("no replica of 3 tells what it holds", 4)


def test_the_table_has_a_line_for_each_replica() -> None:
    found = shown(held(expires_at_ms=1_700_000_060_000), NOTHING, "no connection")
    lines = keys.as_table(found, color=False).splitlines()
    assert lines[0] == f"k: {found.verdict}"
    assert lines[1].startswith(f"token {WHERE.token:016x}, shard group {WHERE.group} of keyspace")
    rows = {line.split()[0]: " ".join(line.split()) for line in lines[4:]}
    stamp = "2023-11-14T22:13:20.123Z+0@0000000000000001"
    assert rows == {
        "n1": f"n1 n1:1 newest value 5 {stamp} 2023-11-14T22:14:20.000Z 00000000000000ab",
        "n2": "n2 n2:1 behind nothing - - - -",
        "n3": "n3 n3:1 silent no connection",
    }
    colored = keys.as_table(found, color=True)
    assert "\x1b[32mnewest\x1b[0m" in colored
    assert "\x1b[33mbehind\x1b[0m" in colored


def test_the_command_asks_every_replica(capsys: pytest.CaptureFixture[str]) -> None:
    with cluster() as nodes:
        for node in nodes[:2]:
            node.records[b"\xff"] = held()
        words = ["key", "\udcff", "-e", nodes[2].address, "-o", "json"]
        assert terminal.exit_code("dynakv-admin", app, {}, words) == 2
    found = json.loads(capsys.readouterr().out)
    assert found["key"] == "\\xff"
    assert sorted(r["state"] for r in found["replicas"]) == ["behind", "newest", "newest"]
