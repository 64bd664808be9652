"""Generate `dynakv/v1` from `proto/dynakv/v1`: run `python proto/generate.py` after each change.

The output is committed and never edited. Imports in it are absolute because the path below `proto`
is the package itself. Generate with the oldest supported grpcio-tools (the `dev` extra pins it):
newer runtimes accept its output, older ones refuse that of a newer generator.
`tests/test_generated.py` fails when the two trees differ.
"""  # noqa: INP001 - a script, not part of a package

import sys
from pathlib import Path

from grpc_tools import protoc

PROTO = Path(__file__).resolve().parent
PACKAGE = Path("dynakv", "v1")
INIT = '"""Generated from `proto/dynakv/v1` by `proto/generate.py`; never edited."""\n'


def generate(out: Path) -> list[Path]:
    """Write the modules below `out`, return their paths. Raises SystemExit where protoc fails."""
    sources = sorted(str(p.relative_to(PROTO)) for p in (PROTO / PACKAGE).glob("*.proto"))
    arguments = [
        f"-I{PROTO}",
        f"--python_out={out}",
        f"--pyi_out={out}",
        f"--grpc_python_out={out}",
    ]
    if protoc.main(["protoc", *arguments, *sources]) != 0:
        raise SystemExit("protoc failed; its message stands above")
    (out / PACKAGE / "__init__.py").write_text(INIT)
    return sorted(p for p in (out / PACKAGE).iterdir() if p.is_file())


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PROTO.parent
    for path in generate(target):
        sys.stdout.write(f"{path}\n")
