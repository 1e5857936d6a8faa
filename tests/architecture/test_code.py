"""How the code is laid out: documented, in small pieces, modules that only define and name."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .conftest import PACKAGES, Source

MOST_LINES_OF_A_FILE = 400
MOST_LINES_OF_A_FUNCTION = 60

# Longer than the rule allows, each with its reason.
LONG_FILES: dict[str, str] = {}
LONG_FUNCTIONS: dict[str, str] = {}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def _functions(tree: ast.Module) -> Iterator[tuple[str, Function]]:
    """Every function with its dotted name, nested ones too."""

    def below(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield f"{prefix}{child.name}", child
            named = isinstance(child, Function | ast.ClassDef)
            yield from below(child, f"{prefix}{child.name}." if named else prefix)

    return below(tree, "")


def _public(body: list[ast.stmt]) -> Iterator[Function | ast.ClassDef]:
    """The public functions and classes of a body, and the public methods of those classes."""
    for node in body:
        if isinstance(node, Function | ast.ClassDef) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def _is_declared(node: Function | ast.ClassDef) -> bool:
    """Whether it only repeats a name whose meaning is said elsewhere: an override, an overload, a setter."""
    names = {ast.unparse(decorator).rpartition(".")[2] for decorator in node.decorator_list}
    return bool(names & {"override", "overload", "setter"})


def test_every_module_and_every_public_name_says_what_it_is(sources: list[Source]) -> None:
    silent = [source.name for source in sources if source.tree.body and not ast.get_docstring(source.tree)]
    for source in sources:
        silent += [
            f"{source.name}: {node.name}"
            for node in _public(source.tree.body)
            if not _is_declared(node) and not ast.get_docstring(node)
        ]
    assert silent == []


def test_files_are_short(sources: list[Source]) -> None:
    long = {source.name: source.text.count("\n") for source in sources}
    assert {name: n for name, n in long.items() if n > MOST_LINES_OF_A_FILE and name not in LONG_FILES} == {}


def test_functions_are_short(sources: list[Source]) -> None:
    long = {}
    for source in sources:
        for name, node in _functions(source.tree):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > MOST_LINES_OF_A_FUNCTION and f"{source.name}: {name}" not in LONG_FUNCTIONS:
                long[f"{source.name}: {name}"] = lines
    assert long == {}


def test_exceptions_to_the_rule_still_exist(sources: list[Source]) -> None:
    functions = {f"{source.name}: {name}" for source in sources for name, _ in _functions(source.tree)}
    assert set(LONG_FUNCTIONS) <= functions
    assert set(LONG_FILES) <= {source.name for source in sources}


def test_modules_only_define_and_name(sources: list[Source]) -> None:
    work = [
        f"{source.name}:{node.lineno}: {ast.unparse(node).splitlines()[0]}"
        for source in sources
        if source.name.startswith(PACKAGES) and not source.name.endswith("__main__.py")
        for node in source.tree.body
        if _is_work(node)
    ]
    assert work == []


def test_no_function_changes_a_global(sources: list[Source]) -> None:
    assert [source.name for source in sources for node in ast.walk(source.tree) if isinstance(node, ast.Global)] == []


def _is_work(node: ast.stmt) -> bool:
    """Whether a top-level statement is more than an import, a definition, or a name for a value."""
    if isinstance(node, ast.Import | ast.ImportFrom | Function | ast.ClassDef | ast.Assign | ast.AnnAssign):
        return False
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.If):
        return ast.unparse(node.test) not in {"TYPE_CHECKING", "__name__ == '__main__'"}
    return True


def test_onnx_runtime_is_told_to_keep_to_itself_before_it_is_imported(sources: list[Source]) -> None:
    """Its builds report to their maker over the network; a variable says no, and is read at the import."""
    importing = [source for source in sources if _imports(source.tree, "onnxruntime")]
    assert importing
    loud = [
        each.name for each in importing if not ("ORT_DISABLE_TELEMETRY" in each.text or "onnx_runtime()" in each.text)
    ]
    assert loud == []


def _imports(tree: ast.Module, package: str) -> bool:
    named = [a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names]
    named += [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    return any(name.partition(".")[0] == package for name in named)
