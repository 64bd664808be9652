import os
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from dynakv.server import demo_prompt
from dynakv.server.demo_control import Reply


@contextmanager
def piped(data: bytes) -> Iterator[int]:
    """Yield the end of a pipe that has these bytes and then ends."""
    reader, writer = os.pipe()
    os.write(writer, data)
    os.close(writer)
    try:
        yield reader
    finally:
        os.close(reader)


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\nb\n", ["a", "b"]),
        (b"a\r\n\nb", ["a", "", "b"]),
        (b"\xff\xc3\xa4\n", ["\udcffä"]),
    ],
)
def test_lines_of_a_pipe_come_as_they_are(data: bytes, lines: list[str]) -> None:
    with piped(data) as fd:
        assert list(demo_prompt.lines_of(fd)) == lines


def test_lines_of_a_pipe_are_shown_before_their_answers(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with piped(b"status\n") as fd:
        list(demo_prompt.lines_of(fd))
    assert capsys.readouterr().err == "dynakv> status\n"


def test_commands_are_completed_first_and_nodes_further_on() -> None:
    nodes = ["n1", "n2", "n12"]
    first = demo_prompt.completer(nodes, lambda: 0)
    assert [first("re", i) for i in range(3)] == ["restart ", "resume ", None]
    later = demo_prompt.completer(nodes, lambda: 5)
    assert [later("n1", i) for i in range(3)] == ["n1 ", "n12 ", None]


def test_answers_go_to_stdout_and_complaints_to_stderr_until_one_leaves(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked: list[str] = []
    replies = {"good": Reply("done"), "bad": Reply("no", ok=False), "quit": Reply("", leaves=True)}

    def run(line: str) -> Reply:
        asked.append(line)
        return replies[line]

    assert not demo_prompt.serve(run, ["good", "bad", "quit", "good"])
    assert asked == ["good", "bad", "quit"]
    assert capsys.readouterr() == ("done\n", "no\n")


def test_a_prompt_is_well_where_all_commands_were() -> None:
    replies = {"good": Reply("done"), "bad": Reply("no", ok=False), "quit": Reply("", leaves=True)}
    assert demo_prompt.serve(replies.__getitem__, ["good", "quit"])
    assert demo_prompt.serve(replies.__getitem__, [])
    assert not demo_prompt.serve(replies.__getitem__, ["bad", "good"])
