"""Compile the .proto texts beside this file into descriptors.binpb and the type stubs of the modules beside it.

Run with the services environment, which has grpc_tools: ``python contracts/telltale_tfserving/protos/compile.py``.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]

# protoc writes a bare Mapping, and imports that it does not use.
HEADER = '# Written by compile.py.\n# ruff: noqa\n# mypy: disable-error-code="type-arg"\n'


def main() -> None:
    """Write descriptors.binpb and *_pb2.pyi.

    Raises:
        subprocess.CalledProcessError: a text does not compile; protoc has said why on stderr.
    """
    sources = [path.relative_to(ROOT).as_posix() for path in sorted(HERE.glob("*.proto"))]
    protoc = [sys.executable, "-m", "grpc_tools.protoc", "--proto_path=."]
    descriptors = (HERE / "descriptors.binpb").relative_to(ROOT).as_posix()
    subprocess.run(
        [*protoc, "--include_imports", f"--descriptor_set_out={descriptors}", "--pyi_out=.", *sources],
        cwd=ROOT,
        check=True,
    )
    for stub in HERE.glob("*_pb2.pyi"):
        stub.write_text(HEADER + stub.read_text(encoding="utf-8"), encoding="utf-8")
        subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(stub)], check=True)


if __name__ == "__main__":
    main()
