"""What a get prints in each form."""

import json

import pytest

from dynakv.client import terminal
from dynakv.client.cli import EXIT_CODES, app
from tests.client.conftest import FakeStore

STAMP = "2023-11-14T22:13:20.123Z+4@00000000000000ff"


@pytest.fixture(autouse=True)
def _endpoint(store: FakeStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DYNAKV_ENDPOINTS", store.endpoint)
    store.values[b"k"] = b"a\nb\xff"


def run(*words: str) -> int:
    return terminal.exit_code("dynakv-cli", app, EXIT_CODES, ["get", "k", *words])


def test_raw_is_the_value_and_nothing_else(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert run("-o", "raw") == 0
    assert run("-o", "raw", "--raw") == 0
    assert capfdbinary.readouterr().out == b"a\nb\xff" * 2


def test_json_has_value_stamp_and_deadline(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("-o", "json") == 0
    assert json.loads(capfd.readouterr().out) == {
        "key": "k",
        "value_base64": "YQpi/w==",
        "stamp": STAMP,
        "expires_at_ms": 1_700_000_060_000,
    }


def test_a_table_names_what_it_shows(capfd: pytest.CaptureFixture[str]) -> None:
    assert run("-o", "table") == 0
    assert capfd.readouterr().out.splitlines() == [
        "key     k",
        "value   a\\nb\\xff",
        "bytes   4",
        f"stamp   {STAMP}",
        "expires 2023-11-14T22:14:20.000Z",
    ]


def test_raw_and_another_form_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--raw", "-o", "json") == 64
    assert capsys.readouterr().err == "dynakv-cli: --raw and --output exclude each other\n"
