"""`python -m loadtest.raft_bench`: what Raft mode takes where it is not asked for keys.

    failover   how long groups have no leader after a start and after the kill -9 of one; the
               increments that clients count meanwhile, and whether all of them are there afterwards
    idle       what many groups cost a node that nobody asks for anything
    log        a group that takes many times its size in writes: what stays of it on disk and in
               memory, and how long a member with an empty directory needs to be whole again
               while the writes go on

Three nodes with their defaults on 127.0.0.1. Prints one JSON line for each thing that was measured.
"""

import argparse
import asyncio
import contextlib
import functools
import json
import os
import shutil
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from dynakv import AsyncClient
from dynakv.client.connection import Connection
from dynakv.errors import DynaKVError
from dynakv.v1 import raft_pb2 as pb
from loadtest import systems
from loadtest.systems import Processes, System

LOOK_S: Final = 0.02
WITHIN_S: Final = 120.0
WRITERS: Final = 8
SETTLE_S: Final = 20.0  # until groups that nobody asks for anything sleep


def say(**figures: object) -> None:
    """Print one line."""
    figures["load"] = round(os.getloadavg()[0], 1)
    print(json.dumps(figures), flush=True)


async def groups_of(address: str) -> list[pb.RaftGroup]:
    """Return what a node says of its groups; nothing where it does not answer."""
    with contextlib.suppress(DynaKVError):
        async with Connection([address]) as connection:
            request = pb.ListRaftGroupsRequest()
            told: pb.ListRaftGroupsResponse = await connection.administer(
                "ListRaftGroups", request, 500
            )
            return list(told.groups)
    return []


async def seconds_until(true: Callable[[], Any]) -> float:
    """Return how long it takes until a look says yes. Raises TimeoutError."""
    began = time.monotonic()
    async with asyncio.timeout(WITHIN_S):
        while True:
            if await true():
                break
            await asyncio.sleep(LOOK_S)
    return time.monotonic() - began


async def all_led(addresses: Sequence[str], groups: int) -> bool:
    """Say whether each group is led by one of these nodes."""
    led: dict[int, None] = {}
    for address in addresses:
        for one in await groups_of(address):
            if one.role == "leader":
                led[one.group] = None
    return len(led) == groups


# --- leaders -------------------------------------------------------------------------------------


async def _count(kv: AsyncClient, key: str, acknowledged: list[float], over: list[bool]) -> None:
    """Increment a key again and again; `acknowledged` gets the moments."""
    while not over:
        await kv.increment(key)
        acknowledged.append(time.monotonic())


async def _failovers(
    system: System, processes: Processes, groups: int, rounds: int, began: float
) -> None:
    for address in system.clients:
        await seconds_until(functools.partial(groups_of, address))
    answer_s = time.monotonic() - began
    await seconds_until(functools.partial(all_led, system.clients, groups))
    led_s = time.monotonic() - began
    say(
        measured="first leaders", s_until_all_answer=round(answer_s, 2), s_until_led=round(led_s, 2)
    )
    elections, gaps = [], []
    async with AsyncClient(system.clients, timeout=60) as kv:
        counts: dict[str, list[float]] = {f"counter-{i}": [] for i in range(WRITERS)}
        over: list[bool] = []
        tasks = [asyncio.create_task(_count(kv, key, at, over)) for key, at in counts.items()]
        for number in range(rounds):
            await asyncio.sleep(3)
            place = number % 3
            others = [a for i, a in enumerate(system.clients) if i != place]
            processes.stop(system.pids[place])
            killed = time.monotonic()
            elections.append(await seconds_until(functools.partial(all_led, others, groups)))
            await asyncio.sleep(3)
            late = [next((t for t in at if t > killed + 0.01), killed) for at in counts.values()]
            gaps.append(max(late) - killed)
            name, command = f"n{place}-{number}", system.commands[place]
            system.pids[place] = processes.start(name, command, system.environment)
            await seconds_until(functools.partial(_whole, system.clients[place], groups))
        over.append(True)
        await asyncio.gather(*tasks)
        lost = 0
        for key, at in counts.items():
            found = await kv.get(key)
            lost += len(at) - int(found or b"0")
    say(
        measured="failover",
        kills=rounds,
        s_until_all_led=_spread(elections),
        s_until_every_writer_went_on=_spread(gaps),
        acknowledged=sum(map(len, counts.values())),
        lost_or_twice=lost,
    )


async def _whole(address: str, groups: int) -> bool:
    """Say whether a node knows leaders of all its groups and is wanting in none."""
    told = await groups_of(address)
    return len(told) == groups and all(one.leader and not one.why for one in told)


def _spread(values: list[float]) -> list[float]:
    """Return the least, the median and the greatest."""
    return [round(v, 2) for v in (min(values), statistics.median(values), max(values))]


def failover(options: argparse.Namespace) -> None:
    """Measure leaders after a start, and after kills."""
    groups = options.groups or 16
    began = time.monotonic()
    with systems.dynakv(3, groups, raft=True, serves=False) as (system, processes):
        asyncio.run(_failovers(system, processes, groups, options.rounds, began))


# --- idle groups ---------------------------------------------------------------------------------


def idle(options: argparse.Namespace) -> None:
    """Measure what groups cost that nobody asks for anything, beside one group."""
    for groups in (1, options.groups or 1024):
        with systems.dynakv(3, groups, raft=True) as (system, _):
            led = functools.partial(all_led, system.clients, groups)
            asyncio.run(seconds_until(led))
            time.sleep(SETTLE_S)
            before = [_cpu_s(pid) for pid in system.pids]
            time.sleep(options.seconds)
            after = [_cpu_s(pid) for pid in system.pids]
            shares = [(b - a) / options.seconds for a, b in zip(before, after, strict=True)]
            awake = [sum(one.awake for one in asyncio.run(groups_of(a))) for a in system.clients]
            say(
                measured="idle",
                groups=groups,
                share_of_a_core=[round(share, 3) for share in shares],
                awake=awake,
                resident_mb=round(systems.resident_mb(system)),
            )


def _cpu_s(pid: int) -> float:
    return systems.cpu_ticks(Path(f"/proc/{pid}/stat").read_text()) / systems.TICKS


# --- a long log ----------------------------------------------------------------------------------


async def _written(
    system: System, options: argparse.Namespace, total_bytes: int, *, told: bool
) -> float:
    """Write values until so many bytes went through; return the seconds."""
    value = os.urandom(options.value_bytes)
    count = total_bytes // options.value_bytes
    numbers = iter(range(count))
    began = time.monotonic()

    async with AsyncClient(system.clients, timeout=60) as kv:

        async def write() -> None:
            for i in numbers:
                await kv.put(f"key-{i % options.keys}", value)
                if told and i % (count // 8) == 0:
                    await _tell_size(system, i * options.value_bytes)

        await asyncio.gather(*(write() for _ in range(WRITERS)))
    return time.monotonic() - began


async def _tell_size(system: System, written: int) -> None:
    kept = [one for one in await groups_of(system.clients[0]) if not one.group]
    say(
        measured="log",
        written_mb=written >> 20,
        on_disk_mb=systems.usage(system).stored_bytes // len(system.pids) >> 20,
        resident_mb=round(systems.resident_mb(system)),
        entries_kept=kept[0].entries if kept else None,
        log_mb=kept[0].log_bytes >> 20 if kept else None,
    )


async def _log(system: System, processes: Processes, options: argparse.Namespace) -> None:
    took_s = await _written(system, options, options.megabytes << 20, told=True)
    await _tell_size(system, options.megabytes << 20)
    state_mb = options.keys * options.value_bytes >> 20
    say(measured="written", mb=options.megabytes, s=round(took_s, 1), state_mb=state_mb)
    place = 2
    processes.stop(system.pids[place])
    assert system.directory is not None
    shutil.rmtree(system.directory / f"n{place}")
    writes = asyncio.create_task(
        _written(system, options, options.more_megabytes << 20, told=False)
    )
    system.pids[place] = processes.start("n2-again", system.commands[place], system.environment)
    address = system.clients[place]
    back_s = await seconds_until(lambda: _caught_up(system, address))
    took_s = await writes
    say(
        measured="wiped member",
        state_mb=state_mb,
        s_until_a_voter_that_lags_under_100=round(back_s, 1),
        mb_per_s=round(state_mb / back_s, 1),
        written_meanwhile_mb=options.more_megabytes,
        in_s=round(took_s, 1),
    )


async def _caught_up(system: System, address: str) -> bool:
    """Say whether a node's member votes, and has applied nearly all that is committed."""
    mine = await groups_of(address)
    if not mine or any(one.why or not one.leader for one in mine):
        return False
    applied = {one.group: one.applied for one in mine}
    for other in system.clients:
        for one in await groups_of(other):
            if one.role == "leader" and one.commit - applied.get(one.group, 0) > 100:
                return False
            if any(f.learner for f in one.followers):
                return False
    return True


def log(options: argparse.Namespace) -> None:
    """Measure what a long log leaves, and how a member comes back that has nothing."""
    with systems.dynakv(3, options.groups or 1, raft=True) as (system, processes):
        asyncio.run(_log(system, processes, options))


# --- the command line ----------------------------------------------------------------------------


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.raft_bench",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("failover", "idle", "log"))
    parser.add_argument("--groups", type=int, help="default: 16, 1024, 1")
    parser.add_argument("--rounds", type=int, default=6, help="kills")
    parser.add_argument("--seconds", type=float, default=20.0, help="of the idle window")
    parser.add_argument("--megabytes", type=int, default=1024, help="written to the log")
    parser.add_argument("--more-megabytes", type=int, default=128, help="while a member comes back")
    parser.add_argument("--value-bytes", type=int, default=64 << 10)
    parser.add_argument("--keys", type=int, default=1_000)
    options = parser.parse_args(arguments)
    {"failover": failover, "idle": idle, "log": log}[options.what](options)


if __name__ == "__main__":
    main()
