"""Every command that the pages show exists, with all its options.

Looks at fenced shell blocks and at indented ones, in the README and in `docs` and `deploy`. That
the commands do what the pages say is the matter of `test_tutorial`.
"""

import functools
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path, PurePath

import pytest
import typer

from dynakv.admin.main import app as admin
from dynakv.client import terminal
from dynakv.client.cli import app as cli
from dynakv.server.main import app as server
from tests.docs.pages import ROOT, blocks_of

APPS: dict[str, typer.Typer] = {"dynakv": server, "dynakv-admin": admin, "dynakv-cli": cli}
MODULES = {
    "dynakv": ("dynakv",),
    "dynakv.sim": ("python", "-m", "dynakv.sim"),
    "dynakv.sim.linearizability": ("python", "-m", "dynakv.sim.linearizability"),
    "loadtest.bench": ("python", "-m", "loadtest.bench"),
    "loadtest.client_bench": ("python", "-m", "loadtest.client_bench"),
    "loadtest.compare": ("python", "-m", "loadtest.compare"),
    "loadtest.latency": ("python", "-m", "loadtest.latency"),
    "loadtest.storage_bench": ("python", "-m", "loadtest.storage_bench"),
}
# Locust answers --help before it has read our file, so its parser is asked itself.
LOCUST = (
    "import loadtest.locustfile; from locust.argument_parser import get_parser; "
    "get_parser().print_help()"
)
SHELLS = ("sh", "bash", "shell")
BEFORE_COMMANDS = ("do", "then", "else", "until", "while", "if", "time", "!", "{", "timeout")
PAGES = sorted([ROOT / "README.md", *ROOT.glob("docs/*.md"), *ROOT.glob("deploy/*.md")])
HELP_S = 60


def commands_of(script: str) -> Iterator[list[str]]:
    """Yield the words of our own commands in a script, the program first."""
    for line in script.replace("\\\n", " ").splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.commenters = "#"
        lexer.whitespace_split = True  # at these and at punctuation, nowhere else
        try:
            words = list(lexer)
        except ValueError:  # a quotation that goes over several lines has no command of ours
            continue
        simple: list[str] = []
        for word in [*words, ";"]:
            if set(word) <= set("();<>|&"):
                if word[0] in "<>" and simple and simple[-1].isdigit():
                    simple.pop()  # the 2 of 2> file
                if (ours := _ours(simple)) is not None:
                    yield ours
                simple = []
            else:
                simple.append(word)


def _ours(words: list[str]) -> list[str] | None:
    """Return a simple command from its program on, None where that is not one of ours."""
    while words and (words[0] in BEFORE_COMMANDS or re.match(r"\w+=", words[0])):
        words = words[1:]
    name = PurePath(words[0]).name if words else ""
    if re.fullmatch(r"python[\d.]*", name) and words[1:2] == ["-m"]:
        return [" ".join(MODULES[words[2]]), *words[3:]] if words[2] in MODULES else None
    return [name, *words[1:]] if name in (*APPS, "locust") else None


def shown() -> list[tuple[str, list[str]]]:
    """Return (page, command) for everything of ours that a page tells people to type."""
    found = []
    for page in PAGES:
        text = page.read_text()
        blocks = blocks_of(text)
        fenced = "\n".join(block.text for block in blocks if block.word in SHELLS)
        indented = "\n".join(re.findall(r"^ {4,}(\S.*)$", _without_blocks(text), re.MULTILINE))
        name = str(page.relative_to(ROOT))
        found += [(name, command) for command in commands_of(f"{fenced}\n{indented}")]
    return found


def _without_blocks(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


@functools.cache
def help_of(program: str, *path: str) -> str:
    """Return what a command says about itself."""
    if program in APPS:
        printed = StringIO()
        with redirect_stdout(printed):
            code = terminal.exit_code(program, APPS[program], {}, [*path, "--help"])
        assert code == 0
        return printed.getvalue()
    words = ["-c", LOCUST] if program == "locust" else [*program.split()[1:], "--help"]
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
        timeout=HELP_S,
    )
    return done.stdout


def complaint(command: list[str], help_: Callable[..., str] = help_of) -> str | None:
    """Return what is wrong with a command, None where all of it exists."""
    program, *words = command
    path: list[str] = []
    text = help_(program)
    for word in words:
        if word.startswith("-") and word != "-":
            option = word.partition("=")[0]
            if not re.search(rf"(?<![\w-]){re.escape(option)}(?![\w-])", text):
                return f"{' '.join([program, *path])} has no option {option}"
        elif names := _commands_in(text):
            if word not in names:
                return f"{' '.join([program, *path])} has no command {word}"
            path.append(word)
            text = help_(program, *path)
    return None


def _commands_in(text: str) -> list[str]:
    listed = re.search(r"^Commands:\n((?:  .*\n?)+)", text, re.MULTILINE)
    return re.findall(r"^  (\S+)", listed[1], re.MULTILINE) if listed else []


@pytest.mark.parametrize(
    ("page", "command"), [pytest.param(*one, id=f"{one[0]}: {' '.join(one[1])}") for one in shown()]
)
def test_a_command_on_a_page_exists_with_its_options(page: str, command: list[str]) -> None:
    assert complaint(command) is None, page


def test_commands_are_found_wherever_they_stand_on_a_page() -> None:
    pages = {page for page, _ in shown()}
    assert {"README.md", "docs/tutorial.md", "docs/load.md"} <= pages
    programs = {command[0] for _, command in shown()}
    assert {*APPS, "locust", "python -m loadtest.bench", "python -m dynakv.sim"} <= programs


def test_commands_are_found_in_pipes_lists_and_continued_lines() -> None:
    script = (
        ". .venv/bin/activate && .venv/bin/dynakv demo # dynakv-cli\n"
        "A=1 dynakv-cli put \\\n  k v | head -n 1 || (dynakv-admin ring)\n"
        "while read k; do python3 -m dynakv.sim --seed 7 2> log & done\n"
        "python -m pip install locust; echo dynakv\n"
    )
    assert list(commands_of(script)) == [
        ["dynakv", "demo"],
        ["dynakv-cli", "put", "k", "v"],
        ["dynakv-admin", "ring"],
        ["python -m dynakv.sim", "--seed", "7"],
    ]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("dynakv-cli put k v --tll 30s", "dynakv-cli put has no option --tll"),
        ("dynakv-cli put k v --keep", "dynakv-cli put has no option --keep"),
        ("dynakv-cli putt k v", "dynakv-cli has no command putt"),
        ("dynakv demo atach", "dynakv demo has no command atach"),
        ("dynakv demo attach --once", "dynakv demo attach has no option --once"),
        ("dynakv-cli batch - --format=csv", None),
        ("dynakv config show -o json", None),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(command: str, text: str | None) -> None:
    assert complaint(command.split()) == text


@pytest.mark.parametrize(
    "command", [" ".join(words) for _, words in shown() if words[:2] == ["dynakv", "start"]]
)
def test_a_node_would_start_with_the_flags_shown(command: str) -> None:
    for variable, value in (("$members", "n1=127.0.0.1:50151"), ("$data", "/tmp"), ("$i", "1")):
        command = command.replace(variable, value)
    words = command.split()
    assert "$" not in command, "give this test a value for it"
    assert terminal.exit_code("dynakv", server, {}, ["config", "check", *words[2:]]) == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_pages_that_a_page_points_to_exist(page: Path) -> None:
    text = _without_blocks(page.read_text())
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if "://" not in target:
            assert (page.parent / target).exists(), target
