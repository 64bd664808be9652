"""What a user sees of a node that will not start: an exit code and one line; nothing is lost."""

import os
import re
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from dynakv.v1 import kvstore_pb2 as pb
from tests.process.harness import (
    ALL,
    QUORUM,
    Clients,
    NodeProcess,
    bounded,
    planned,
    refused,
    retry_of,
    serving,
    told,
    until,
)
from tests.process.history import stamps_on_disk

pytestmark = pytest.mark.slow

FAILED, USAGE = 1, 64


async def assert_refused(
    node: NodeProcess,
    code: int,
    sentence: str,
    *more: str,
    words: Sequence[str] | None = None,
    env: Mapping[str, str] | None = None,
    prefix: Sequence[str] = (),
) -> None:
    """Start the node and fail unless it ends with this code and this one line (a regex).

    Lines of its log (it may have met its peers already) are no lines for the user.
    """
    node.start(*more, words=words, env=env, prefix=prefix)
    found = await node.ended()
    assert found == code, node.output()
    lines = [line for line in node.output().splitlines() if not line.startswith("{")]
    assert len(lines) == 1, node.output()
    assert re.fullmatch(sentence, lines[0]), lines[0]


@bounded
async def test_a_port_in_use_is_named_with_its_purpose(tmp_path: Path) -> None:
    with planned(tmp_path, 2) as cluster:
        first, second = cluster.nodes
        await first.start().ready()
        for flag, purpose in (("--listen-client", "clients"), ("--listen-peer", "peers")):
            sentence = (
                rf"dynakv: cannot listen on {re.escape(first.client)} for {purpose}: another "
                r"process uses the port, or the address is none of this machine; .*"
            )
            await assert_refused(second, FAILED, sentence, flag, first.client)
        await second.start().ready()  # the refusals left nothing behind


@bounded
async def test_a_directory_serves_one_process_and_one_node_only(tmp_path: Path) -> None:
    async with serving(tmp_path, 2) as (cluster, clients):
        first, second = cluster.nodes
        put = pb.PutRequest(key=b"k", value=b"v", level=ALL)
        stamp = (await clients[0].Put(put, timeout=10)).stamp
        where = re.escape(str(first.data_dir))
        twin = NodeProcess(first.node_id, tmp_path / "twin")
        (tmp_path / "twin").mkdir()
        twin.words = [*first.words, "--listen-client", twin.client]
        sentence = (
            rf"dynakv: node n1 cannot start: data directory {where} is in use by process"
            rf" {first.pid} \(it holds {where}/lock\)"
        )
        try:
            await assert_refused(twin, FAILED, sentence)
        finally:
            twin.kill()
        await clients.until_serving()  # the first one does not mind
        cluster.kill()
        sentence = (
            rf"dynakv: node n2 cannot start: data directory {where} belongs to node 'n1', not 'n2'"
        )
        await assert_refused(second, FAILED, sentence, "--data-dir", str(first.data_dir))
        await cluster.start()
        await clients.until_serving()
        found = await clients[0].Get(pb.GetRequest(key=b"k", level=ALL), timeout=10)
        assert found.stamp == stamp


@bounded
async def test_a_newer_format_is_refused_and_not_touched(tmp_path: Path) -> None:
    async with serving(tmp_path, 1) as (cluster, clients):
        node = cluster[0]
        await clients[0].Put(pb.PutRequest(key=b"k", value=b"v"), timeout=10)
        node.kill()
        database = node.data_dir / "dynakv.db"
        set_format(database, 99)
        before = database.read_bytes()
        sentence = (
            rf"dynakv: node n1 cannot start: database {re.escape(str(database))} has format 99, "
            r"and this version of DynaKV reads up to format 3"
        )
        await assert_refused(node, FAILED, sentence)
        assert database.read_bytes() == before
        set_format(database, 3)
        await node.start().ready()
        await clients.until_serving()
        assert (await clients[0].Get(pb.GetRequest(key=b"k"), timeout=10)).value == b"v"


def set_format(database: Path, number: int) -> None:
    connection = sqlite3.connect(database)
    connection.execute(f"PRAGMA user_version = {number}")
    connection.close()


@bounded
async def test_a_read_only_directory_is_refused(tmp_path: Path) -> None:
    prefix: list[str] = []
    if os.geteuid() == 0:  # to whom permissions say nothing, unless this capability is taken away
        if shutil.which("setpriv") is None:
            pytest.skip("root ignores permissions, and there is no setpriv to change that")
        prefix = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"]
    with planned(tmp_path, 1) as cluster:
        node = cluster[0]
        node.data_dir.mkdir()
        node.data_dir.chmod(0o500)
        where = re.escape(str(node.data_dir))
        sentence = (
            rf"dynakv: node n1 cannot start: data directory {where} cannot be read and written:"
            r" Permission denied"
        )
        try:
            await assert_refused(node, FAILED, sentence, prefix=prefix)
            assert list(node.data_dir.iterdir()) == []
            node.data_dir.chmod(0o700)
            await node.start(prefix=prefix).ready()
        finally:
            node.data_dir.chmod(0o700)


@bounded
async def test_another_member_list_on_an_existing_directory_is_refused_with_the_difference(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as (cluster, clients):
        put = pb.PutRequest(key=b"k", value=b"v", level=ALL)
        await clients[0].Put(put, timeout=10)
        node = cluster[0]
        node.kill()
        members = cluster.members()
        fewer = members.rpartition(",")[0]
        moved = members.replace(cluster[2].peer, "127.0.0.1:9")
        address = (
            f"address of member 'n3' is '{cluster[2].peer}' in the directory, '127.0.0.1:9' given"
        )
        start = "dynakv: node n1 cannot start: data directory .*"
        for given, difference in (
            (f"{members},n4=127.0.0.1:9", "member 'n4' is in the configuration but not in .*"),
            (fewer, "member 'n3' is in the directory but not in the configuration"),
            (f"{members},east", "zone of member 'n3' is '' in the directory, 'east' given"),
            (moved, address),
        ):
            words = cluster.words_of(node, given)
            await assert_refused(node, FAILED, f"{start}: {difference}", words=words)
        await node.start().ready()
        await clients.until_serving()
        assert (await clients[0].Get(pb.GetRequest(key=b"k"), timeout=10)).value == b"v"


@bounded
async def test_nodes_with_differing_member_lists_do_not_serve_each_other(tmp_path: Path) -> None:
    with planned(tmp_path) as cluster:
        first, second, odd = cluster.nodes
        first.start()
        second.start()
        odd.start(words=cluster.words_of(odd, f"{cluster.members()},east"))
        for node, stranger in ((first, odd), (second, odd), (odd, first), (odd, second)):
            await until(
                lambda node=node, stranger=stranger: any(  # type: ignore[misc]
                    e["event"] == "peer_foreign" and e["peer"] == stranger.node_id
                    for e in node.logged()
                ),
                f"{node.node_id} says that {stranger.node_id} is foreign",
            )
        async with Clients(cluster) as clients:
            # Two of three agree, and are a quorum; the third is none, in nobody's eyes.
            await clients.until_serving([0, 1], level=QUORUM)
            for number in range(30):
                key = b"k%d" % number
                await clients[number % 2].Put(pb.PutRequest(key=key, value=key), timeout=10)
            for place, level in ((2, QUORUM), (0, ALL), (1, ALL)):
                put = pb.PutRequest(key=b"refused", value=b"x", level=level)
                error = await refused(clients[place].Put(put, timeout=10))
                assert error.code().name == "UNAVAILABLE", told(error)
                assert retry_of(error) == "safe"
                get = pb.GetRequest(key=b"k0", level=level)
                error = await refused(clients[place].Get(get, timeout=10))
                assert error.code().name in ("UNAVAILABLE", "DEADLINE_EXCEEDED"), told(error)
            found = await clients[0].Get(pb.GetRequest(key=b"refused"), timeout=10)
            assert not found.found
        cluster.kill()
        assert stamps_on_disk(odd.data_dir, tmp_path / "copy") == {}


@bounded
async def test_a_wrong_configuration_is_exit_code_64_with_a_hint(tmp_path: Path) -> None:
    with planned(tmp_path, 2) as cluster:
        node = cluster[0]
        file = tmp_path / "node.toml"
        for text, sentence in (
            ("[timing]\nheartbeatms = 5", r"unknown key; did you mean 'timing.heartbeat_ms'\?"),
            ("[nod]\nid = 'n1'", r"unknown key; did you mean 'node'\?"),
            ('[[keyspaces]]\nname = "a"\nreplicas = 17', "must be at most 16"),
            ('[[keyspaces]]\nname = "a"\nreplicas = 0', "must be at least 1"),
            ('[[keyspaces]]\nname = "a"\ngroups = 3', "must be a power of two between 1 and 4096"),
            ("[limits]\nvalue_bytes_max = 8388609", "must be at most 8388608"),
        ):
            file.write_text(text)
            complaint = rf"dynakv: \S+ = .* \({re.escape(str(file))}\): {sentence}"
            await assert_refused(node, USAGE, complaint, "--config", str(file))
        await assert_refused(
            node,
            USAGE,
            r'dynakv: node.id = "n9" \(--node-id\): is not in cluster.members, which are n1, n2',
            *("--node-id", "n9"),
        )
        await assert_refused(
            node,
            USAGE,
            r"dynakv: timing.suspects_ms = \"4\" \(DYNAKV__TIMING__SUSPECTS_MS\): unknown key; .*",
            env={"DYNAKV__TIMING__SUSPECTS_MS": "4"},
        )
        await assert_refused(
            node,
            USAGE,
            r'dynakv: listen.client = "0.0.0.0:18000" \(--listen-client\): listens beyond .*',
            *("--listen-client", "0.0.0.0:18000"),
        )
        assert not node.data_dir.exists()
