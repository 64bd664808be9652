"""The shape of the code, held by a test: layers, purity, sizes, and a test file for each module.

    L3  server   admin   client   sim      wiring, terminal; the simulator is a second shell
    L2  storage  rpc                       SQLite; gRPC; never import each other
    L1  node                               what one node does             PURE
    L0  core     errors  limits            ideas: values and machines     PURE

Each rule is a small function from source text to complaints, so that it can be tried on bad
samples (at the end of this file) as well as on the tree. Whoever has a reason to widen a list here
writes it beside the entry.
"""

import ast
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "dynakv"

FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 60

L0 = frozenset({"core", "errors", "limits"})
# What the modules of a part may import from dynakv, beside the part itself.
MAY_IMPORT: dict[str, frozenset[str]] = {
    "errors": frozenset(),
    "limits": frozenset(),
    "core": frozenset({"errors", "limits"}),
    "node": L0,
    "storage": L0 | {"node"},
    "rpc": L0 | {"node", "v1"},
    "resp": L0 | {"node", "rpc.ports"},
    # A client needs the stubs and the messages they carry, nothing of how a node works.
    "client": L0 | {"v1", "rpc.codec"},
    "admin": L0 | {"v1", "rpc.codec", "client"},
    "server": L0 | {"node", "storage", "resp", "rpc", "v1", "client", "admin"},
    "sim": L0 | {"node", "storage", "rpc"},
    "__main__": frozenset({"server"}),
    # Only so that `from dynakv import Client` works; imported lazily.
    "__init__": frozenset({"client"}),
}

# The generated protobuf ends where messages are translated: the node never sees it.
PROTOBUF_IMPORTERS = {
    "rpc/codec.py": "node.messages to and from the frames between nodes",
    "rpc/gossip_codec.py": "the messages of gossip, a part of the codec",
    "rpc/record_columns.py": "records to and from columns, a part of the codec",
    "rpc/repair_codec.py": "the messages of repair, a part of the codec",
    "rpc/raft_codec.py": "the messages of Raft keyspaces, a part of the codec",
    "rpc/fields.py": "node.messages to and from the fields of KVStore",
    "rpc/kvstore.py": "the KVStore service",
    "rpc/commands.py": "what Raft keyspaces do, to and from the messages of KVStore",
    "rpc/command_methods.py": "the methods of KVStore that Raft keyspaces serve",
    "rpc/keyspaces.py": "the methods about keyspaces of KVStore",
    "rpc/layout_codec.py": "layouts and changes of keyspaces, in frames and from clients",
    "rpc/node_status.py": "what a node knows of itself, as its service shows it",
    "rpc/node_internal.py": "the NodeInternal service",
    "rpc/peers.py": "the links to other nodes",
    "rpc/pipeline.py": "the streaming method of KVStore",
    "rpc/ring_state.py": "the layout as both services show it",
    "rpc/raft_join_codec.py": "members of Raft groups that come back, as parts of a frame",
    "rpc/node_raft.py": "the Raft groups of a node, as its service shows them",
    "rpc/node_tasks.py": "what a node works on, as its service shows it",
    "rpc/snapshots.py": "snapshots, as their methods show them",
    "rpc/status.py": "error details",
    "client/": "a client of KVStore",
    "admin/": "a client of the admin methods",
    "server/demo_load.py": "loads the cluster that a demo has started, as any client would",
}

PURE_PARTS = ("core", "node")
# Everything else may wait, look at a clock, roll dice or touch the machine.
PURE_IMPORTS = frozenset(
    (
        "__future__",
        "array",
        "bisect",
        "collections",
        "dataclasses",
        "dynakv",
        "enum",
        "fractions",
        "functools",
        "heapq",
        "ipaddress",
        "itertools",
        "math",
        "msgspec",
        "operator",
        "random",
        "re",
        "sortedcontainers",
        "string",
        "struct",
        "typing",
        "xxhash",
    )
)
PURE_BUILTINS_BANNED = frozenset({"open", "print", "input", "hash", "id", "eval", "exec"})
# What may be done with a set in spite of its order.
ORDER_BLIND = frozenset(
    {"sorted", "len", "min", "max", "sum", "any", "all", "set", "frozenset", "bool", "isinstance"}
)

# Modules without a test file of their own, and why.
WITHOUT_PARTNER = {
    "node/messages.py": "values without behaviour",
    "core/gossip_messages.py": "values without behaviour",
    "node/layout_messages.py": "values without behaviour",
    "rpc/ports.py": "an interface without behaviour",
}
PARTNERED = ("core", "node", "storage", "rpc")

Checker = Callable[[str, ast.Module], Iterator[str]]


def imported(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the line and the full name of everything a module imports, at any depth."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def part_of(path: str) -> str:
    """Return the part of the package that a path below it belongs to."""
    return path.partition("/")[0].removesuffix(".py")


def upward_imports(path: str, tree: ast.Module) -> Iterator[str]:
    """Imports point down only, and parts of one layer do not know each other."""
    part = part_of(path)
    for line, name in imported(tree):
        parts = name.split(".")
        if parts[0] != "dynakv" or len(parts) < 2 or parts[1] == "__version__":
            continue
        allowed = MAY_IMPORT[part] | {part}
        if parts[1] not in allowed and ".".join(parts[1:3]) not in allowed:
            yield f"{path}:{line}: {part} must not import {name}"


def protobuf_imports(path: str, tree: ast.Module) -> Iterator[str]:
    """Generated protobuf is imported only where it is translated."""
    if path in PROTOBUF_IMPORTERS or f"{part_of(path)}/" in PROTOBUF_IMPORTERS:
        return
    for line, name in imported(tree):
        if name.startswith("dynakv.v1"):
            yield f"{path}:{line}: only {', '.join(PROTOBUF_IMPORTERS)} may import {name}"


def impurities(path: str, tree: ast.Module) -> Iterator[str]:
    """The pure parts wait for nothing, read no clock, roll no dice of their own, open no file."""
    if part_of(path) not in PURE_PARTS:
        return
    for line, name in imported(tree):
        if name.split(".")[0] not in PURE_IMPORTS:
            yield f"{path}:{line}: {name} is not on the list of what pure code imports"
        elif name == "random" or (name.startswith("random.") and name != "random.Random"):
            yield f"{path}:{line}: {name}: dice are given as a Random, never taken"
    set_names = names_of_sets(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)):
            yield f"{path}:{node.lineno}: pure code never waits"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            if node.func.id in PURE_BUILTINS_BANNED:
                yield f"{path}:{node.lineno}: {node.func.id}() has no place in pure code"
            elif node.func.id == "Random":
                yield f"{path}:{node.lineno}: dice are given as a Random, never made"
        elif isinstance(node, (ast.FunctionDef, ast.Lambda)):
            for argument in defaulted(node.args):
                if argument == "now" or argument.startswith("now_"):
                    yield f"{path}:{node.lineno}: {argument} must not have a default"
        for iterated in iterations(node):
            if is_set(iterated, set_names):
                yield f"{path}:{iterated.lineno}: the order of a set differs from run to run"


def defaulted(arguments: ast.arguments) -> Iterator[str]:
    """Yield the names of the arguments that have a default."""
    positional = [*arguments.posonlyargs, *arguments.args]
    yield from (a.arg for a in positional[len(positional) - len(arguments.defaults) :])
    for keyword, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            yield keyword.arg


def names_of_sets(tree: ast.Module) -> frozenset[str]:
    """Return the variables and fields that the module binds to sets or declares as such."""
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and is_set(node.value, frozenset()):
            targets = node.targets
        elif isinstance(node, ast.AnnAssign) and names_a_set_type(node.annotation):
            targets = [node.target]
        elif isinstance(node, ast.arg) and node.annotation and names_a_set_type(node.annotation):
            names.append(node.arg)
            continue
        else:
            continue
        names += [t.id for t in targets if isinstance(t, ast.Name)]
        names += [t.attr for t in targets if isinstance(t, ast.Attribute)]
    return frozenset(names)


def names_a_set_type(annotation: ast.expr) -> bool:
    return ast.unparse(annotation).split("[")[0] in (
        "set",
        "frozenset",
        "AbstractSet",
        "MutableSet",
    )


def is_set(expression: ast.expr, names: frozenset[str]) -> bool:
    """Say whether an expression certainly is a set."""
    if isinstance(expression, (ast.Set, ast.SetComp)):
        return True
    if isinstance(expression, ast.Call) and isinstance(expression.func, ast.Name):
        return expression.func.id in ("set", "frozenset")
    if isinstance(expression, ast.BinOp):
        return is_set(expression.left, names) or is_set(expression.right, names)
    if isinstance(expression, ast.Name):
        return expression.id in names
    return isinstance(expression, ast.Attribute) and expression.attr in names


def iterations(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what a node runs through in an order that can be seen from outside."""
    if isinstance(node, ast.For):
        yield node.iter
    elif isinstance(node, (ast.ListComp, ast.DictComp, ast.GeneratorExp)):
        if not getattr(node, "order_blind", False):
            yield from (generator.iter for generator in node.generators)
    elif isinstance(node, ast.Starred):
        yield node.value
    elif isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name) and node.func.id in ORDER_BLIND:
            for argument in node.args:
                argument.order_blind = True  # type: ignore[attr-defined]
        else:
            yield from node.args if takes_in_order(node.func) else ()


def takes_in_order(function: ast.expr) -> bool:
    name = function.id if isinstance(function, ast.Name) else getattr(function, "attr", "")
    return name in ("list", "tuple", "iter", "enumerate", "zip", "map", "filter", "join", "extend")


def oversizes(path: str, tree: ast.Module) -> Iterator[str]:
    """Functions stay small enough to be read at once."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines of {FUNCTION_LINES_MAX}"


def too_long(path: str, source: str) -> Iterator[str]:
    """Files stay small enough to have one subject."""
    lines = len(source.splitlines())
    if lines > FILE_LINES_MAX:
        yield f"{path}: {lines} lines of {FILE_LINES_MAX}"


def modules() -> Iterator[tuple[str, str]]:
    """Yield path and source of every module that people write."""
    for file in sorted(PACKAGE.rglob("*.py")):
        path = file.relative_to(PACKAGE).as_posix()
        if not path.startswith("v1/"):
            yield path, file.read_text(encoding="utf-8")


CHECKERS: list[Checker] = [upward_imports, protobuf_imports, impurities, oversizes]


@pytest.mark.parametrize("check", CHECKERS, ids=lambda check: check.__name__)
def test_the_tree_keeps_the_rule(check: Checker) -> None:
    complaints = [c for path, source in modules() for c in check(path, ast.parse(source))]
    assert not complaints, "\n".join(complaints)


def test_no_file_is_too_long() -> None:
    complaints = [c for path, source in modules() for c in too_long(path, source)]
    assert not complaints, "\n".join(complaints)


def test_every_part_has_its_rule() -> None:
    assert {part_of(path) for path, _ in modules()} <= set(MAY_IMPORT)


@pytest.mark.parametrize("part", PARTNERED)
def test_every_module_has_a_test_file_of_its_name(part: str) -> None:
    missing = [
        f"tests/{part}/test_{file.name}"
        for file in sorted((PACKAGE / part).glob("*.py"))
        if file.name != "__init__.py" and f"{part}/{file.name}" not in WITHOUT_PARTNER
        if not (ROOT / "tests" / part / f"test_{file.name}").exists()
    ]
    assert not missing, "missing: " + ", ".join(missing)


def test_the_lists_of_exceptions_name_only_what_exists() -> None:
    for path in [*PROTOBUF_IMPORTERS, *WITHOUT_PARTNER]:
        assert (PACKAGE / path).exists(), path


# --- the rules find what they are for --------------------------------------------------------

BANNED_SAMPLES = (
    "time",
    "os",
    "socket",
    "asyncio",
    "logging",
    "structlog",
    "grpc",
    "sqlite3",
    "pathlib",
    "threading",
    "random",
    "sys",
    "secrets",
    "uuid",
    "datetime",
    "google.protobuf",
    "aiosqlite",
    "os.path",
)

BAD: list[tuple[Checker, str, str]] = [
    (upward_imports, "core/x.py", "from dynakv.node import messages"),
    (upward_imports, "core/x.py", "import dynakv.storage.store"),
    (upward_imports, "errors.py", "from dynakv import limits"),
    (upward_imports, "node/x.py", "from dynakv.rpc.ports import Inbox"),
    (upward_imports, "node/x.py", "def f():\n    from dynakv.storage import store"),
    (upward_imports, "storage/x.py", "from dynakv import rpc"),
    (upward_imports, "rpc/x.py", "from dynakv.storage.store import Store"),
    (upward_imports, "client/x.py", "from dynakv.storage.store import Store"),
    (upward_imports, "client/x.py", "from dynakv.node.node import Node"),
    (upward_imports, "client/x.py", "from dynakv.rpc import peers"),
    (upward_imports, "sim/x.py", "from dynakv.server import driver"),
    (protobuf_imports, "rpc/collector.py", "from dynakv.v1 import kvstore_pb2"),
    (protobuf_imports, "server/driver.py", "import dynakv.v1.ring_pb2"),
    *((impurities, "core/x.py", f"import {name}") for name in BANNED_SAMPLES),
    (impurities, "node/x.py", "from time import monotonic"),
    (impurities, "node/x.py", "from random import randrange"),
    (impurities, "node/x.py", "from random import Random\nr = Random(1)"),
    (impurities, "node/x.py", "async def f(): ..."),
    (impurities, "core/x.py", "open('x')"),
    (impurities, "core/x.py", "x = hash('x') % 7"),
    (impurities, "core/x.py", "sorted(xs, key=lambda x: id(x))"),
    (impurities, "core/x.py", "def f(a, now=0): ..."),
    (impurities, "core/x.py", "def f(*, now_ms=0): ..."),
    (impurities, "core/x.py", "for x in {1, 2}: ..."),
    (impurities, "core/x.py", "for x in set(xs): ..."),
    (impurities, "core/x.py", "for x in set(xs) - ys: ..."),
    (impurities, "core/x.py", "y = [x for x in {a for a in b}]"),
    (impurities, "core/x.py", "y = list(set(xs))"),
    (impurities, "core/x.py", "y = (*frozenset(xs),)"),
    (impurities, "core/x.py", "y = {1, 2}\nfor x in y: ..."),
    (impurities, "core/x.py", "class A:\n  y: set[int]\n  def f(self): return tuple(self.y)"),
    (impurities, "core/x.py", "def f(y: frozenset[int]): return list(y)"),
    (oversizes, "sim/x.py", "def f():\n" + "    x = 1\n" * FUNCTION_LINES_MAX),
]

GOOD: list[tuple[Checker, str, str]] = [
    (upward_imports, "core/x.py", "from dynakv import limits\nfrom dynakv.core import ring"),
    (upward_imports, "client/x.py", "from dynakv.rpc.codec import f\nfrom dynakv.v1 import a_pb2"),
    (upward_imports, "client/x.py", "from dynakv import __version__"),
    (protobuf_imports, "rpc/codec.py", "from dynakv.v1 import kvstore_pb2"),
    (impurities, "server/x.py", "import time\nfor x in {1}: open(x)"),
    (impurities, "node/x.py", "from random import Random\ndef f(r: Random, now): r.random()"),
    (impurities, "core/x.py", "y = sorted({1, 2})\nfor x in y: ..."),
    (impurities, "core/x.py", "y = sum(x for x in set(xs))\nz = 1 in {1, 2}\nw = len({1})"),
    (impurities, "core/x.py", "y = set(x for x in xs)"),
    (oversizes, "sim/x.py", "def f():\n" + "    x = 1\n" * (FUNCTION_LINES_MAX - 1)),
]


@pytest.mark.parametrize(("check", "path", "source"), BAD)
def test_a_bad_sample_is_found(check: Checker, path: str, source: str) -> None:
    assert list(check(path, ast.parse(source)))


@pytest.mark.parametrize(("check", "path", "source"), GOOD)
def test_a_good_sample_passes(check: Checker, path: str, source: str) -> None:
    assert not list(check(path, ast.parse(source)))


def test_a_long_file_is_found() -> None:
    assert not list(too_long("x.py", "x = 1\n" * FILE_LINES_MAX))
    assert list(too_long("x.py", "x = 1\n" * (FILE_LINES_MAX + 1)))
