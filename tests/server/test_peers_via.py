"""`peers.via`: where this node dials its peers, whatever the member list says."""

from pathlib import Path

import pytest

from dynakv.errors import UsageError
from dynakv.server.config import load

MEMBERS = "a=10.0.0.1:1,b=10.0.0.2:2,c=10.0.0.3:3"


def flags(via: object) -> dict[str, object]:
    return {
        "node.id": "a",
        "cluster.members": MEMBERS,
        "listen.peer": "127.0.0.1:9",
        "peers.via": via,
    }


@pytest.mark.parametrize(
    ("via", "table"),
    [
        (None, {}),
        ("", {}),
        ("b=localhost:7", {"b": "localhost:7"}),
        (" b=localhost:7, c=[::1]:08,", {"b": "localhost:7", "c": "[::1]:8"}),
        ('{"b": "localhost:7"}', {"b": "localhost:7"}),
    ],
)
def test_peers_can_be_dialed_elsewhere(via: object, table: dict[str, str]) -> None:
    config = load(flags=flags(via)).config
    assert config.peers.via == table


def test_the_layout_stays_alike_on_every_node() -> None:
    elsewhere = load(flags=flags("b=localhost:7")).config
    assert elsewhere.layout() == load(flags=flags(None)).config.layout()


def test_the_environment_and_a_file_can_say_it_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "dynakv.toml"
    file.write_text('[peers.via]\nb = "localhost:5"\n')
    assert load(file, flags(None)).config.peers.via == {"b": "localhost:5"}
    monkeypatch.setenv("DYNAKV__PEERS__VIA", "b=localhost:6")
    assert load(file, flags(None)).config.peers.via == {"b": "localhost:6"}


@pytest.mark.parametrize(
    ("via", "complaint"),
    [
        ("b", 'peers.via = "b" (--peer-via): must be id=host:port,id=host:port'),
        ("b=h:1,b=h:2", 'peers.via = "b=h:1,b=h:2" (--peer-via): names b twice'),
        ("b=h", 'peers.via.b = "h" (--peer-via): must be host:port, such as 127.0.0.1:50051'),
        ("b=h:0", "must have a port between 1 and 65535"),
        ("a=h:1", 'peers.via.a = "h:1" (--peer-via): is not the way to a peer; the peers are b, c'),
        ("d=h:1", 'peers.via.d = "h:1" (--peer-via): is not the way to a peer; the peers are b, c'),
        ("{", "must be a JSON object"),
    ],
)
def test_what_leads_to_no_peer_is_refused(via: str, complaint: str) -> None:
    with pytest.raises(UsageError) as refusal:
        load(flags={**flags(via), "listen.peer": "127.0.0.1:9"})
    assert complaint in str(refusal.value)
