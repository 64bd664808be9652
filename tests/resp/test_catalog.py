from pathlib import Path

import pytest

from dynakv.resp import catalog
from dynakv.resp.command import Kind
from tests.resp.harness import Client

DOCS = Path(__file__).resolve().parents[2] / "docs" / "redis.md"


def test_the_page_shows_the_table_as_it_is() -> None:
    assert catalog.as_markdown() in DOCS.read_text(encoding="utf-8")


def test_nothing_is_both_offered_and_not() -> None:
    refused = {name for names in catalog.NOT_OFFERED.values() for name in names.split()}
    assert not refused & set(catalog.CATALOG)


def test_each_command_has_what_its_kind_runs() -> None:
    for command in catalog.CATALOG.values():
        assert (command.local is None) is not (command.start is None)
        assert (command.kind is Kind.LOCAL) is (command.local is not None), command.name
        assert bool(command.first) is bool(command.step), command.name


@pytest.mark.parametrize("name", [*catalog.CATALOG])
def test_no_number_of_arguments_breaks_the_connection(client: Client, name: str) -> None:
    if name == "QUIT":
        return
    for count in range(7):
        for word in (b"1", b"\xff\x00", b""):
            client.say([name.encode(), *[word] * count])
            client.say("RESET")
