"""docs/errors.md names every code that can be answered, with its status; and every one has a test."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from telltale_gateway import errors
from telltale_gateway.analysis.analyzer import _HINTS
from telltale_preprocess import errors as preprocess_errors

ROW = re.compile(r"^\| `(\w+)` \| (\d{3}) \|", re.MULTILINE)
# Those that Starlette raises by itself, and those classes whose code is somebody else's.
OF_HTTP = {"not_found": 404, "method_not_allowed": 405}
OF_OTHERS = {errors.NothingToAnalyse, errors.UpstreamProblem}


def _kinds(kind: type[Exception]) -> Iterator[type[Exception]]:
    for each in kind.__subclasses__():
        yield each
        yield from _kinds(each)


def _ours() -> dict[str, tuple[int, str]]:
    """Every code, with its status and the name of its class."""
    kinds = [errors.TelltaleError, *_kinds(errors.TelltaleError), *_kinds(preprocess_errors.PreprocessError)]
    ours = {kind.code: (kind.status, kind.__name__) for kind in kinds if kind not in OF_OTHERS}  # type: ignore[attr-defined]
    return {
        **ours,
        **{code: (errors.NothingToAnalyse.status, code) for code in _HINTS},
        **{code: (status, code) for code, status in OF_HTTP.items()},
    }


def test_the_page_lists_what_can_be_answered(root: Path) -> None:
    listed = {code: int(status) for code, status in ROW.findall((root / "docs/errors.md").read_text())}
    assert listed == {code: status for code, (status, _) in _ours().items()}


def test_every_code_has_a_test(root: Path) -> None:
    here = Path(__file__)
    text = "\n".join(path.read_text() for path in (root / "tests").rglob("test_*.py") if path != here)
    untested = [code for code, (_, name) in _ours().items() if not re.search(rf'"{code}"|\b{name}\b', text)]
    assert untested == []
