"""What clients do with Raft keyspaces, against real doors and the real meaning of commands."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from dynakv import AsyncClient, Client
from dynakv.client.results import BatchError, ConditionError, Entry
from dynakv.errors import Kind, RefusedError, UnknownOutcomeError, UsageError
from dynakv.node.messages import Found, Put, Stored
from dynakv.node.raft_messages import Execute
from tests.client.raft_world import (
    RaftWorld,
    is_silent,
    keeps,
    raft_world,
    raft_world_beside,
    reads_of,
    refuses,
    refuses_first,
    run_raft,
)
from tests.raft_groups import WALL_MS, WRITER, keys_in_groups, raft_layout

MINUTE = timedelta(minutes=1)


# --- what they do ----------------------------------------------------------------------------


def test_plain_writes_go_without_a_stamp_and_with_a_request_id() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        written = await client.put("k", "v", ttl=MINUTE)
        entry = await client.get_entry("k")
        assert entry == Entry(b"k", b"v", written.stamp, WALL_MS + 60_000)
        assert await client.persist("k")
        assert not await client.persist("k")
        assert await client.expire("k", MINUTE)
        before = (await client.put("k", "w", keep_ttl=True, previous=True)).previous
        assert before is not None
        assert before.value == b"v"
        assert (await client.get_entry("k")).expires_at_ms == WALL_MS + 60_000
        assert (await client.delete("k")).stamp > written.stamp
        assert await client.get("k") is None
        assert not await client.expire("k", MINUTE)
        messages = [message for _, message in world.asked if not isinstance(message, Execute)]
        assert not any(isinstance(message, Put) for message in messages)
        clients, sequences = zip(*world.ids, strict=True)
        assert len(set(clients)) == 1
        assert sequences == tuple(range(1, 8))

    run_raft(scenario)


def test_many_keys_and_pipelines_work_as_elsewhere() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        await client.put_many([(f"k{i}", str(i)) for i in range(20)])
        assert await client.get_many(["k3", "k19", "none"]) == [b"3", b"19", None]
        async with client.pipeline() as pipe:
            pipe.put("k1", "x")
            seen = pipe.get("k1")
            pipe.delete("k1")
            gone = pipe.get("k1")
            pipe.expire("k2", MINUTE)
        assert (seen.result(), gone.result()) == (b"x", None)
        await client.delete_many(["k3", "k4"])
        assert await client.count() == 17

    run_raft(scenario)


def test_append_and_increment_answer_what_they_came_to() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        assert await client.append("a", "xy") == 2
        assert await client.append("a", b"z") == 3
        assert await client.increment("n") == 1
        assert await client.increment("n", -5) == -4
        with pytest.raises(UsageError, match="value is not an integer"):
            await client.increment("a")
        with pytest.raises(UsageError, match="amount = 'x'"):
            await client.increment("n", "x")  # type: ignore[arg-type]

    run_raft(scenario)


def test_a_key_is_set_where_it_is_as_expected() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        first = await client.put_if_absent("k", "1", ttl=MINUTE)
        assert first
        assert first.found == Entry(b"k", None, None)
        again = await client.put_if_absent("k", "2")
        assert not again
        assert (again.stamp, again.found.value, again.found.stamp) == (None, b"1", first.stamp)
        assert not await client.compare_and_set("k", "0", "3")
        by_value = await client.compare_and_set("k", "1", "3", keep_ttl=True)
        assert by_value.applied
        assert by_value.stamp is not None
        assert by_value.found.value == b"1"
        assert not await client.compare_and_set("k", first.stamp, "4")
        assert await client.compare_and_set("k", by_value.stamp, "4")
        assert not await client.compare_and_set("k", "3", None)
        assert await client.compare_and_set("k", "4", None)
        assert await client.get("k") is None
        assert await client.compare_and_set("k", None, "5")
        assert await client.get_and_delete("k") == b"5"
        assert await client.get_and_delete("k") is None

    run_raft(scenario)


def test_a_transaction_takes_place_as_a_whole_or_not_at_all() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        async with client.transaction() as change:
            change.check("{a}paid", None)
            change.put("{a}paid", "yes", ttl=MINUTE)
            balance = change.increment("{a}balance", 7)
            text = change.append("{a}text", "ab")
            seen = change.get("{a}paid")
            entry = change.get_entry("{a}none")
            persisted = change.persist("{a}paid")
            expired = change.expire("{a}none", MINUTE)
            deleted = change.delete("{a}text")
        assert (balance.result(), text.result(), seen.result()) == (7, 2, b"yes")
        assert (entry.result().value, persisted.result(), expired.result()) == (None, True, False)
        assert deleted.result().previous == Entry(b"{a}text", b"ab", change_stamp(deleted))
        change = client.transaction()
        change.check("{a}paid", None)
        lost = change.increment("{a}balance", 7)
        with pytest.raises(UsageError, match="the transaction of this result has not been run"):
            lost.result()
        with pytest.raises(ConditionError, match="paid' has another value") as error:
            await change.execute()
        assert error.value.found[0].value == b"yes"
        with pytest.raises(ConditionError):
            lost.result()
        assert await client.get("{a}balance") == b"7"
        one, other = keys_in_groups(world.groups, "r", 2)
        change = client.transaction()
        change.increment(one)
        change.increment(other)
        with pytest.raises(UsageError, match="spans shard groups"):
            await change.execute()
        assert await client.transaction().execute() == []
        with pytest.raises(UsageError, match="has been run"):
            change.get("k")

    def change_stamp(deleted: object) -> object:
        return deleted.result().previous.stamp  # type: ignore[attr-defined]

    run_raft(scenario)


def test_a_stale_read_names_its_age_and_goes_to_any_replica() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        await client.put("k", "v")
        assert await client.get("k", max_age=1.5) == b"v"
        assert (await client.get_entry("k", max_age=timedelta(0))).value == b"v"
        assert await client.get_many(["k"]) == [b"v"]
        ages = [message.max_age_ms for _, message in reads_of(world)]
        assert ages == [1_500, 0, None]
        with pytest.raises(UsageError, match="max_age = -1 s"):
            await client.get("k", max_age=-1)

    run_raft(scenario)


def test_leaderless_keyspaces_refuse_them() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        with pytest.raises(UsageError, match="keyspace default is leaderless"):
            await client.append("k", "v", keyspace="default")

    run_raft(scenario)


# --- exactly once ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.UNKNOWN, Kind.UNAVAILABLE, Kind.EXHAUSTED])
def test_an_increment_is_done_once_however_often_it_is_sent(kind: Kind) -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        done = kind is Kind.UNKNOWN
        world.script.extend([refuses(kind, done=done)] * 3)
        assert await client.increment("n") == 1
        assert len(world.ids) == 4
        assert len(set(world.ids)) == 1
        issued = {m.issued_ms[0] for _, m in world.asked if isinstance(m, Execute) and m.issued_ms}
        assert len(issued) == 1
        assert abs(issued.pop() - WALL_MS) < 60_000
        assert await client.get("n") == b"1"

    run_raft(scenario)


def test_an_answer_that_was_lost_is_fetched_by_asking_again_elsewhere() -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10), raft_world() as world:
            client = AsyncClient(world.endpoints, keyspace="r", attempt_timeout=0.05)
            async with client:
                await client.get("n")
                world.script.append(is_silent())
                assert await client.append("n", "x") == 1
                assert len(world.ids) == 2
                assert len(set(world.ids)) == 1
                nodes = [node for node, m in world.asked if isinstance(m, Execute)]
                assert nodes[0] != nodes[1]

    asyncio.run(bounded())


def test_expire_is_repeated_too_where_it_may_have_happened() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        await client.put("k", "v", ttl=MINUTE)
        world.script.append(refuses(Kind.UNKNOWN, done=True))
        assert await client.persist("k")  # asked anew it would say that there is no deadline

    run_raft(scenario)


def test_an_outcome_that_stays_unknown_is_said_to_be() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        world.script.extend([refuses(Kind.UNKNOWN)] * 100)
        with pytest.raises(UnknownOutcomeError, match="may have happened"):
            await client.increment("n", timeout=0.1)
        world.script.clear()
        world.script.extend([refuses(Kind.UNAVAILABLE)] * 100)
        with pytest.raises(RefusedError, match="nothing was changed"):
            await client.increment("n", timeout=0.1)

    run_raft(scenario)


def test_what_was_settled_is_said_with_the_next_request() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        for _ in range(3):
            await client.increment("n")
        settled = [m.settled_below for _, m in world.asked if isinstance(m, Execute)]
        assert settled == [[1], [2], [3]]

    run_raft(scenario)


def test_no_more_is_under_way_to_a_group_than_it_remembers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dynakv.client.request_ids.SEQUENCES_MAX", 4)

    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        await client.get("n")
        answers: list[Callable[[], None]] = []
        world.script.append(keeps(answers))
        calls = [asyncio.ensure_future(client.increment("n")) for _ in range(11)]
        waiting = asyncio.ensure_future(client.increment("n", timeout=0.02))
        with pytest.raises(RefusedError, match="nothing was sent"):
            await waiting
        assert [sequence for _, sequence in world.ids] == [1, 2, 3, 4]
        answers.pop()()
        assert sorted(await asyncio.gather(*calls)) == list(range(1, 12))
        assert [sequence for _, sequence in world.ids] == list(range(1, 12))
        assert await client.increment("n") == 12

    run_raft(scenario)


def test_a_long_pipeline_is_sent_in_parts_that_a_group_remembers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("dynakv.client.request_ids.SEQUENCES_MAX", 4)

    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        pipe = client.pipeline()
        for i in range(10):
            pipe.put("k", str(i))
        last = pipe.get("k")
        assert len(await pipe.execute()) == 11
        assert last.result() == b"9"
        sizes = [len(m.batches) for _, m in world.asked if isinstance(m, Execute)]
        assert sizes == [4, 4, 2]

    run_raft(scenario)


def test_a_write_of_a_pipeline_does_not_overtake_a_later_one() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        world.script.append(refuses_first(Kind.UNAVAILABLE))
        pipe = client.pipeline()
        pipe.put("k", "1")
        pipe.put("k", "2")
        with pytest.raises(BatchError) as error:
            await pipe.execute()
        assert [*error.value.errors] == [0]
        assert isinstance(error.value.errors[0], RefusedError)
        assert await client.get("k") == b"2"

    run_raft(scenario)


def test_a_closed_client_leaves_nobody_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dynakv.client.request_ids.SEQUENCES_MAX", 1)

    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        await client.get("n")
        world.script.append(keeps([]))
        calls = [asyncio.ensure_future(client.increment("n")) for _ in range(3)]
        while not world.ids:  # noqa: ASYNC110 - no event says so
            await asyncio.sleep(0)
        await client.close()
        errors = await asyncio.gather(*calls, return_exceptions=True)
        kinds = [type(error) for error in errors]
        assert kinds == [UnknownOutcomeError, RefusedError, RefusedError]

    run_raft(scenario)


# --- leaders ---------------------------------------------------------------------------------


def test_requests_go_to_the_leader_of_their_group_once_it_is_known() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        await client.get("k")
        while len(client._core.session.router.endpoints_by_node()) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for leader in ("n2", "n3", "n1"):
            world.groups.leader = leader
            await client.put("k", "v")  # the former leader forwards it, and says who leads now
            world.asked.clear()
            await client.put("k", "v")
            await client.get("k")
            assert {node for node, _ in world.asked} == {leader}

    run_raft(scenario)


def test_a_refusal_names_the_leader_who_is_asked_next() -> None:
    async def scenario(world: RaftWorld, client: AsyncClient) -> None:
        router = client._core.session.router
        await client.get("k")
        while len(router.endpoints_by_node()) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0)
        for leader in ("n1", "n2", "n3"):
            world.asked.clear()
            asked = router.choose("r", b"k", (), 0)
            if router.endpoints_by_node()[leader] == asked:
                continue
            world.script.append(refuses(Kind.UNAVAILABLE, leader))
            world.groups.leader = leader
            await client.increment("k")
            assert [node for node, _ in world.asked][1] == leader

    run_raft(scenario)


def test_a_keyspace_that_the_client_has_not_heard_of_is_looked_for_first() -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10), raft_world() as world:
            everything = world.layout
            without = type(everything)(
                everything.epoch,
                everything.cluster_id,
                everything.members,
                tuple(k for k in everything.keyspaces if k.settings.name != "r"),
            )
            for inbox in world.inboxes.values():
                inbox.the_layout = without
            async with AsyncClient(world.endpoints) as client:
                with pytest.raises(UsageError):
                    await client.put("k", "v")  # default is leaderless, of which there is none here
                for inbox in world.inboxes.values():
                    inbox.the_layout = everything
                assert (await client.put("k", "v", keyspace="r")).stamp.writer == 11

    asyncio.run(bounded())


def test_a_keyspace_that_was_made_anew_in_raft_mode_takes_no_stamps_any_more() -> None:
    async def bounded() -> None:
        async with asyncio.timeout(10), raft_world() as world:
            for inbox in world.inboxes.values():
                inbox.client_reply = lambda message: [Stored([0], [5], [6], None)]
            async with AsyncClient(world.endpoints) as client:
                assert (await client.put("k", "v")).stamp.writer == 6
                world.renew(raft_layout("default"))
                assert (await client.put("k", "v")).stamp.writer == WRITER
                assert (await client.delete("k")).stamp.writer == WRITER
            async with AsyncClient(world.endpoints) as client:
                world.renew(world.layout)
                for inbox in world.inboxes.values():
                    inbox.client_reply = lambda message: [Found([0], [None])]
                await client.get("k")
                world.renew(raft_layout("default"))
                async with client.pipeline() as pipe:
                    first = pipe.put("a", "1")
                    seen = pipe.get("a")
                assert (first.result().stamp.writer, seen.result()) == (WRITER, b"1")

    asyncio.run(bounded())


# --- threads ---------------------------------------------------------------------------------


def test_the_synchronous_client_does_the_same() -> None:
    with raft_world_beside() as world, Client(world.endpoints, keyspace="r") as client:
        assert client.append("a", "x") == 1
        assert client.increment("n", 4) == 4
        assert client.put_if_absent("k", "1").applied
        assert client.compare_and_set("k", "1", "2").found.value == b"1"
        assert client.get("k", max_age=1) == b"2"
        assert client.get_and_delete("k") == b"2"
        with client.transaction() as change:
            number = change.increment("n", 1)
        assert number.result() == 5
        assert client.transaction().execute() == []
