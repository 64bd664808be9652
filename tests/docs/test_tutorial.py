"""Every command and snippet of the pages for newcomers, run against a real cluster."""

import os
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from dynakv.errors import RefusedError
from dynakv.server import demo_plan
from tests.docs.pages import ROOT, Block, blocks_of, shifted
from tests.docs.terminals import STEP_S, Demo, assert_prints, python, shell

pytestmark = pytest.mark.slow

PAGE_S = 240.0
# Below the ports that the kernel gives to outgoing connections.
BASES = range(18_000, 32_000)


@pytest.mark.parametrize(
    ("name", "section"),
    [("docs/tutorial.md", None), ("docs/clients.md", None), ("README.md", "A short tour")],
)
def test_the_page_does_what_it_says(name: str, section: str | None) -> None:
    base = free_base()
    blocks = blocks_of(shifted((ROOT / name).read_text(), base))
    chosen = [block for block in blocks if block.runs and section in (None, block.section)]
    assert any(block.prints for block in chosen)
    with reader(base, demo_runs=not any(map(starts_demo, chosen))) as page:
        for block in chosen:
            page.do(block)
        assert page.demo_runs == (not any(map(starts_demo, chosen)))


class Reader:
    """Somebody who follows a page, with a terminal for the demo and one for the rest."""

    def __init__(self, base: int, directory: Path, ending: ExitStack) -> None:
        """Open the terminals; `directory` is where they stand."""
        self._base = base
        self._directory = directory
        self._ending = ending
        self._until = time.monotonic() + PAGE_S
        bin_directory = Path(sys.prefix) / "bin"
        assert (bin_directory / "dynakv").exists(), f"dynakv is not installed in {sys.prefix}"
        (directory / ".venv").symlink_to(sys.prefix)
        kept = {name: os.environ[name] for name in ("LANG", "HOME") if name in os.environ}
        self._env = {
            **kept,
            "PATH": f"{bin_directory}{os.pathsep}{os.environ['PATH']}",
            "TMPDIR": str(directory),  # `attach` finds the demos of one TMPDIR: ours alone
            "DYNAKV_ENDPOINTS": ",".join(f"127.0.0.1:{base + i}" for i in (1, 2, 3)),
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }
        self._shell = ending.enter_context(shell(directory, self._env))
        self._python = ending.enter_context(python(directory, self._env))
        self._demo: Demo | None = None

    def do(self, block: Block) -> None:
        """Run a block and compare what it prints; one without output must print nothing."""
        if starts_demo(block):
            assert_prints(block, self.start_demo(block.text.strip()), block.prints or "...")
        elif block.word == "console":
            self._talk(block)
        else:
            terminal = self._python if block.word == "python" else self._shell
            printed, code = terminal.run(block, self._left_s())
            assert_prints(block, printed, block.prints or "")
            assert code == 0, f"line {block.line}: exit code {code} of\n{block.text}\n{printed}"

    @property
    def demo_runs(self) -> bool:
        """Whether there is a demo; a page that started one has to stop it."""
        return self._demo is not None and self._demo.process.poll() is None

    def start_demo(self, command: str) -> str:
        """Start the demo in its terminal and return what it prints."""
        demo = Demo(command, self._base, self._directory, self._env)
        self._demo = self._ending.enter_context(demo)
        return demo.started(self._left_s())

    def _talk(self, block: Block) -> None:
        assert self._demo is not None, f"line {block.line}: no demo was started"
        told = self._demo.talk(block, self._left_s())
        assert_prints(block, told, block.text)
        if not told.rstrip().endswith("dynakv>"):  # it was left
            assert self._demo.process.wait(self._left_s()) == 0

    def _left_s(self) -> float:
        left_s = self._until - time.monotonic()
        assert left_s > 0, f"the page takes longer than {PAGE_S:.0f} s"
        return min(STEP_S, left_s)


@contextmanager
def reader(base: int, *, demo_runs: bool) -> Iterator[Reader]:
    """Yield a reader, with a demo where the page takes one for granted."""
    # Not pytest's directory: its name is too long for a unix socket.
    with tempfile.TemporaryDirectory(prefix="dk-") as directory, ExitStack() as ending:
        page = Reader(base, Path(directory), ending)
        if demo_runs:
            page.start_demo("dynakv demo")
        yield page


def starts_demo(block: Block) -> bool:
    return block.word == "sh" and block.text == "dynakv demo\n"


def free_base() -> int:
    """Return a base port whose ports nobody listens on."""
    for _ in range(100):
        base = random.choice(BASES)
        try:
            demo_plan.refuse_taken_ports(demo_plan.plan(3, base, None))
        except RefusedError:
            continue
        return base
    raise AssertionError("no free ports")
