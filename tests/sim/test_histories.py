"""Recorded histories of other stores, with the verdicts of others, get the same verdict here.

The files stay where they are: `DYNAKV_HISTORIES` names their folder (default
`../shared/histories`), `verdicts.tsv` beside them has `name<tab>linearizable|not`.
"""

import os
from pathlib import Path

import pytest

from dynakv.sim import linearizability_files
from dynakv.sim.linearizability import STEPS_MAX, check, overall

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(os.environ.get("DYNAKV_HISTORIES") or ROOT.parent / "shared" / "histories")
VERDICTS = FOLDER / "verdicts.tsv"


def expected() -> list[tuple[str, str]]:
    if not VERDICTS.exists():
        return []
    lines = VERDICTS.read_text(encoding="utf-8").splitlines()
    return [(name, verdict) for name, verdict in (line.split("\t") for line in lines if line)]


def test_there_are_histories_to_judge() -> None:
    if not VERDICTS.exists():
        pytest.skip(f"no {VERDICTS}: set DYNAKV_HISTORIES to the folder that holds it")
    assert expected()


@pytest.mark.parametrize(("name", "verdict"), expected())
def test_the_verdict_is_that_of_others(name: str, verdict: str) -> None:
    operations, model = linearizability_files.read(FOLDER / name)
    assert operations
    verdicts = check(operations, model)
    assert overall(verdicts).value == verdict, "\n".join(map(str, verdicts))
    assert sum(v.steps for v in verdicts) < STEPS_MAX / 4  # far from the bound, on any machine
