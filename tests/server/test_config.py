import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from dynakv.core.layout import Level, Member, NodeId
from dynakv.errors import UsageError
from dynakv.server.config import FLAGS, Loaded, load

THREE = '[cluster]\nmembers = ["n1=localhost:1", "n2=localhost:2,west", "n3=localhost:3"]\n'


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in list(os.environ):
        if name.upper().startswith("DYNAKV__"):
            monkeypatch.delenv(name)
    return tmp_path / "dynakv.toml"


def loaded(file: Path, text: str, flags: Mapping[str, object] | None = None) -> Loaded:
    file.write_text(text)
    return load(file, flags)


def complaints(file: Path, text: str, flags: Mapping[str, object] | None = None) -> list[str]:
    with pytest.raises(UsageError) as refusal:
        loaded(file, text, flags)
    return str(refusal.value).replace(str(file), "FILE").splitlines()


def test_without_a_word_a_node_is_a_cluster_of_its_own(config_file: Path) -> None:
    config = load().config
    assert config.node_id == "n1"
    assert config.members() == [Member(NodeId("n1"), "127.0.0.1:50151")]
    assert config.listen.client == "127.0.0.1:50051"
    assert config.peer_address == "127.0.0.1:50151"
    assert config.layout().keyspaces[0].settings.name == "default"


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DYNAKV__NODE__ID", "env")
    monkeypatch.setenv("DYNAKV__NODE__ZONE", "env")
    text = '[node]\nid = "file"\nzone = "file"\nregion = "file"\n'
    found = loaded(config_file, text, {"node.id": "flag", "node.zone": None})
    node = found.config.node
    assert (node.id, node.zone, node.region, node.weight) == ("flag", "env", "file", 1)
    assert found.origins == {
        "node.id": "--node-id",
        "node.zone": "DYNAKV__NODE__ZONE",
        "node.region": str(config_file),
    }


def test_an_environment_variable_may_be_written_in_lower_case(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("dynakv__limits__value_bytes_max", "7")
    assert load().config.limits.value_bytes_max == 7


def test_members_may_be_tables_texts_or_one_text(
    config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tables = (
        '[node]\nid = "n1"\n[[cluster.members]]\nid = "n1"\naddress = "localhost:1"\n'
        '[[cluster.members]]\nid = "n2"\naddress = "localhost:2"\nzone = "west"\n'
        '[[cluster.members]]\nid = "n3"\naddress = "localhost:3"\n'
    )
    expected = loaded(config_file, tables).config.members()
    assert expected[1] == Member(NodeId("n2"), "localhost:2", "west")
    flags: dict[str, object] = {"node.id": "n1"}
    assert loaded(config_file, THREE, flags).config.members() == expected
    monkeypatch.setenv(
        "DYNAKV__CLUSTER__MEMBERS", "n1=localhost:1,n2=localhost:2,west, n3=localhost:3"
    )
    assert load(None, flags).config.members() == expected


def test_a_node_listens_for_peers_where_the_member_list_says(config_file: Path) -> None:
    config = loaded(config_file, THREE, {"node.id": "n2"}).config
    assert config.peer_address == "localhost:2"
    assert config.node.zone == "west"


def test_all_nodes_of_a_list_derive_the_same_layout(config_file: Path) -> None:
    text = THREE + '[[keyspaces]]\nname = "a"\nreplicas = 2\ngroups = 8\n'
    layouts = [loaded(config_file, text, {"node.id": n}).config.layout() for n in ("n1", "n3")]
    assert layouts[0] == layouts[1]


def test_a_keyspace_of_the_file_becomes_settings(config_file: Path) -> None:
    text = (
        '[[keyspaces]]\nname = "a"\nreplicas = 5\ngroups = 8\nhash_tags = true\n'
        'default_level = "all"\ndefault_ttl_ms = 60000\n'
    )
    (settings,) = loaded(config_file, text).config.keyspace_settings()
    assert (settings.name, settings.replicas, settings.groups) == ("a", 5, 8)
    assert settings.hash_tags
    assert settings.default_level is Level.ALL
    assert settings.default_ttl_ms == 60000


def test_every_flag_names_a_field(config_file: Path) -> None:
    config = load().config
    for name in FLAGS:
        value: object = config
        for part in name.split("."):
            value = getattr(value, part)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[limits]\nvalue_byte_max = 3\n",
            "limits.value_byte_max = 3 (FILE): unknown key; did you mean 'limits.value_bytes_max'?",
        ),
        (
            "[node]\nattempt_ms = 4\n",
            "node.attempt_ms = 4 (FILE): unknown key; did you mean 'timing.attempt_ms'?",
        ),
        ("[nodes]\nx = 1\n", "nodes = {\"x\": 1} (FILE): unknown key; did you mean 'node'?"),
        (
            "[[keyspaces]]\nname = 'a'\nreplica = 3\n",
            "keyspaces[0].replica = 3 (FILE): unknown key; did you mean 'keyspaces[0].replicas'?",
        ),
        (
            "[limits]\nvalue_bytes_max = 9000000\n",
            "limits.value_bytes_max = 9000000 (FILE): must be at most 8388608",
        ),
        (
            "[limits]\nvalue_bytes_max = 0\n",
            "limits.value_bytes_max = 0 (FILE): must be at least 1",
        ),
        (
            "[timing]\nhedge_ms = 'soon'\n",
            'timing.hedge_ms = "soon" (FILE): must be an integer',
        ),
        ("[timing]\nhedge_ms = true\n", "timing.hedge_ms = true (FILE): must be an integer"),
        ("[timing]\nhedge_ms = 1.5\n", "timing.hedge_ms = 1.5 (FILE): must be an integer"),
        (
            "[timing]\nsuspect_ms = 1500\n",
            "timing.suspect_ms = 1500 (FILE): must be at least twice timing.heartbeat_ms = 1000",
        ),
        (
            "[timing]\nrecover_after_ms = 1500\n",
            "timing.recover_after_ms = 1500 (FILE): must exceed timing.attempt_ms = 2000 by 1000",
        ),
        ("insecure = 'perhaps'\n", 'insecure = "perhaps" (FILE): must be true or false'),
        ("limits = 3\n", "limits = 3 (FILE): must be a table of keys"),
        ("keyspaces = 3\n", "keyspaces = 3 (FILE): must be a list"),
        ("[[keyspaces]]\nreplicas = 3\n", "keyspaces[0].name (FILE): is required"),
        (
            "[[keyspaces]]\nname = 'a'\n[[keyspaces]]\nname = 'a'\n",
            'keyspaces[1].name = "a" (FILE): is listed twice',
        ),
        (
            "[[keyspaces]]\nname = 'a'\nreplicas = 17\n",
            "keyspaces[0].replicas = 17 (FILE): must be at most 16",
        ),
        (
            "[[keyspaces]]\nname = 'a'\nreplicas = 0\n",
            "keyspaces[0].replicas = 0 (FILE): must be at least 1",
        ),
        (
            "[[keyspaces]]\nname = 'a'\ngroups = 100\n",
            "keyspaces[0].groups = 100 (FILE): must be a power of two between 1 and 4096",
        ),
        (
            "[[keyspaces]]\nname = 'a'\ngroups = 8192\n",
            "keyspaces[0].groups = 8192 (FILE): must be a power of two between 1 and 4096",
        ),
        (
            "[[keyspaces]]\nname = 'a'\ndefault_ttl_ms = -1\n",
            "keyspaces[0].default_ttl_ms = -1 (FILE): must be at least 0",
        ),
        (
            "[[keyspaces]]\nname = 'a'\ndefault_level = 'two'\n",
            "keyspaces[0].default_level = \"two\" (FILE): must be 'one', 'quorum' or 'all'",
        ),
        (
            "[[keyspaces]]\nname = 'a'\nmode = 'ordered'\n",
            (
                'keyspaces[0].mode = "ordered" (FILE): this version has no ordered keyspaces '
                "(linearizable by two rounds of a quorum) yet; there are 'leaderless' and 'raft'"
            ),
        ),
        (
            "[node]\nid = 'a/b'\n",
            (
                "node.id = \"a/b\" (FILE): must be letters, digits, '.', '_' and '-', "
                "the first a letter or digit"
            ),
        ),
        (
            "[listen]\nclient = 'localhost'\n",
            'listen.client = "localhost" (FILE): must be host:port, such as 127.0.0.1:50051',
        ),
        (
            "[listen]\nclient = 'localhost:0'\n",
            (
                'listen.client = "localhost:0" (FILE): must have a port between 1 and 65535: '
                "others have to know it"
            ),
        ),
        (
            "[listen]\npeer = '127.0.0.1:50051'\n",
            'listen.peer = "127.0.0.1:50051" (FILE): must differ from listen.client',
        ),
        (
            "[listen]\nclient = '0.0.0.0:50051'\n",
            (
                'listen.client = "0.0.0.0:50051" (FILE): listens beyond this machine, where '
                "nothing is authenticated or encrypted yet; say insecure = true (--insecure) if "
                "the network is trusted"
            ),
        ),
        (THREE, "node.id: must say which member of the cluster this is: n1, n2, n3"),
        (
            THREE + "[node]\nid = 'n4'\n",
            'node.id = "n4" (FILE): is not in cluster.members, which are n1, n2, n3',
        ),
        (
            THREE + "[node]\nid = 'n2'\nzone = 'east'\n",
            (
                "node.zone = \"east\" (FILE): contradicts cluster.members, where n2 has 'west'; "
                "the list decides, alike on every node"
            ),
        ),
        (
            "[node]\nid = 'n1'\n[cluster]\nmembers = ['n1=localhost:1', 'n2']\n",
            'cluster.members[1] = "n2" (FILE): must be id=host:port or id=host:port,zone',
        ),
        (
            "[node]\nid = 'n1'\n[cluster]\nmembers = ['n1=localhost:1', 'n2=localhost:1']\n",
            'cluster.members[1].address = "localhost:1" (FILE): is another member\'s',
        ),
        (
            "[node]\nid = 'n1'\n[cluster]\nmembers = ['n1=localhost:1', 'n1=localhost:2']\n",
            'cluster.members[1].id = "n1" (FILE): is listed twice',
        ),
        (
            "[node]\nweight = 0\n",
            "cluster.members: must have a member whose weight is not 0",
        ),
        ("a = \n", "FILE: not TOML: Invalid value (at line 1, column 5)"),
        ("_env_file = 'x'\n", "_env_file (FILE): unknown key"),
    ],
)
def test_a_wrong_value_is_refused_by_field_value_origin_and_limit(
    config_file: Path, text: str, expected: str
) -> None:
    assert complaints(config_file, text) == [expected]


def test_all_complaints_are_made_at_once(config_file: Path) -> None:
    text = "[limits]\nvalue_bytes_max = 0\n[timing]\nhedge_ms = 0\nx = 1\n"
    assert len(complaints(config_file, text)) == 3


def test_insecure_allows_a_bind_beyond_loopback(config_file: Path) -> None:
    text = "insecure = true\n[listen]\nclient = '0.0.0.0:50051'\n"
    assert loaded(config_file, text).config.listen.client == "0.0.0.0:50051"


def test_a_peer_address_taken_from_the_member_list_is_held_to_loopback_too(
    config_file: Path,
) -> None:
    text = "[node]\nid = 'n1'\n[cluster]\nmembers = ['n1=db1:1']\n"
    (complaint,) = complaints(config_file, text)
    assert complaint.startswith('listen.peer = "db1:1": listens beyond this machine')


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "DYNAKV__LIMITS__VALUE_BYTES_MAX",
            "x",
            'limits.value_bytes_max = "x" (DYNAKV__LIMITS__VALUE_BYTES_MAX): must be an integer',
        ),
        (
            "DYNAKV__LIMIT__X",
            "3",
            'limit.x = "3" (DYNAKV__LIMIT__X): unknown key',
        ),
        (
            "DYNAKV__TIMING__HEDGE",
            "3",
            (
                'timing.hedge = "3" (DYNAKV__TIMING__HEDGE): unknown key; '
                "did you mean 'timing.hedge_ms'?"
            ),
        ),
        (
            "DYNAKV__KEYSPACES",
            "a",
            (
                'keyspaces = "a" (DYNAKV__KEYSPACES): must be a JSON list: '
                "Expecting value: line 1 column 1 (char 0)"
            ),
        ),
        ("DYNAKV__LIMITS", "x", 'DYNAKV__*: error parsing value for field "limits"'),
    ],
)
def test_a_wrong_environment_variable_is_named(
    config_file: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, expected: str
) -> None:
    monkeypatch.setenv(name, value)
    (complaint,) = complaints(config_file, "")
    assert complaint.startswith(expected)


def test_a_flag_is_named_in_its_complaint(config_file: Path) -> None:
    (complaint,) = complaints(config_file, "", {"listen.client": "x"})
    assert complaint.startswith('listen.client = "x" (--listen-client): must be host:port')


def test_a_file_that_is_missing_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"nowhere\.toml: No such file or directory"):
        load(tmp_path / "nowhere.toml")


def test_a_file_that_is_no_text_is_a_usage_error(config_file: Path) -> None:
    config_file.write_bytes(b"\xff\xfe")
    with pytest.raises(UsageError, match="not TOML"):
        load(config_file)


def test_too_many_members_are_refused(config_file: Path) -> None:
    members = ",".join(f"n{i}=localhost:{i}" for i in range(1, 258))
    (complaint,) = complaints(config_file, "", {"node.id": "n1", "cluster.members": members})
    assert complaint == "cluster.members (--cluster): has 257 members; must have at most 256"
