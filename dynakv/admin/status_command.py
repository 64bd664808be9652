"""How `dynakv-admin status` runs: once, again and again, or until the cluster is as wanted."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from dynakv.admin import status_text
from dynakv.admin.status import State, Status, view
from dynakv.admin.survey import survey
from dynakv.client import terminal, texts

WATCH: Final = "2"  # seconds, where --watch names none
WAIT_MS: Final = 30_000
AGAIN_MS: Final = 250  # between two looks of --wait-for
INTERVAL_MS_MAX: Final = 3_600_000
WAIT_MS_MAX: Final = 24 * 3_600_000

_RANK: Final = {state: rank for rank, state in enumerate(State)}
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")
_CLEAR: Final = "\x1b[H\x1b[J"

Look = Callable[[], Awaitable[Status]]


class Plan:
    """What the options ask for. Raises UsageError for times that make no sense."""

    def __init__(
        self, watch: str | None, wanted: State | None, timeout: str | None, *, json: bool
    ) -> None:
        self.interval_ms = 0 if watch is None else interval_ms(watch)
        self.wanted = wanted
        self.json = json
        given = timeout is not None
        self.timeout_ms = (
            texts.duration_ms(timeout or "", "--timeout", WAIT_MS_MAX) if given else WAIT_MS
        )


def interval_ms(text: str) -> int:
    """Return an interval in milliseconds; a bare number is seconds. Raises UsageError."""
    unit = "s" if _SECONDS.fullmatch(text) else ""
    return texts.duration_ms(f"{text}{unit}", "--watch", INTERVAL_MS_MAX)


def with_interval(words: Sequence[str]) -> list[str]:
    """Return the words with an interval behind a `--watch` that names none."""
    found: list[str] = []
    for i, word in enumerate(words):
        found.append(word)
        following = words[i + 1] if i + 1 < len(words) else ""
        if word == "--watch" and not following[:1].isdigit():
            found.append(WATCH)
    return found


async def run(endpoints: list[str], plan: Plan, *, color: bool, clear: bool) -> int:
    """Look and print as planned; return the exit code of the last look."""

    async def look() -> Status:
        return view(await survey(endpoints))

    return await repeat(look, plan, color=color, clear=clear)


async def repeat(look: Look, plan: Plan, *, color: bool, clear: bool) -> int:
    """Run `look` once, or until what is wanted was seen, or for ever; return the exit code."""
    end = time.monotonic() + plan.timeout_ms / 1000
    said = ""
    looks = 0
    while True:
        shown = await look()
        reached = plan.wanted is not None and _RANK[shown.state] <= _RANK[plan.wanted]
        over = plan.wanted is not None and time.monotonic() >= end
        last = reached or over or (plan.wanted is None and not plan.interval_ms)
        if plan.interval_ms or last:
            _print(shown, plan, color=color, clear=clear, first=not looks)
        elif shown.verdict != said:
            said = shown.verdict
            terminal.say(said)
        looks += 1
        if over and not reached:
            assert plan.wanted is not None
            terminal.say(
                f"dynakv-admin: not {plan.wanted.value} within {texts.lasting(plan.timeout_ms)}"
            )
        if last:
            return shown.exit_code
        pause_ms = plan.interval_ms or AGAIN_MS
        if plan.wanted is not None:
            pause_ms = min(pause_ms, max(0, round((end - time.monotonic()) * 1000)))
        await asyncio.sleep(pause_ms / 1000)


def _print(shown: Status, plan: Plan, *, color: bool, clear: bool, first: bool) -> None:
    if plan.json:
        print(status_text.as_json(shown, indent=None if plan.interval_ms else 2), flush=True)
        return
    table = status_text.as_table(shown, color=color)
    if plan.interval_ms and clear:
        table = _CLEAR + table
    elif plan.interval_ms and not first:
        table = f"\n{table}"
    print(table, flush=True)
