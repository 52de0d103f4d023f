"""The library as a page: each public name, its signature and what it says."""

import ast
import inspect
import re
from collections.abc import Iterator
from textwrap import dedent

import imagemp

from . import markdown
from .markdown import Told, code, table, told_by

Function = ast.FunctionDef | ast.AsyncFunctionDef


def page() -> str:
    """Give the page."""
    about = "What they are good for: [../library.md](../library.md)."
    names = (_name(name) for name in sorted(imagemp.__all__, key=str.lower))
    return markdown.page("Names of the library", about, names)


def _name(name: str) -> Iterator[str]:
    thing = getattr(imagemp, name)
    (tree,) = ast.parse(dedent(inspect.getsource(inspect.unwrap(thing)))).body
    yield f"## {name}"
    yield ""
    if isinstance(tree, Function):
        yield from _told(_signature(tree), told_by(thing))
        return
    assert isinstance(tree, ast.ClassDef)
    yield from _told(f"class {name}{_made_with(tree)}", told_by(thing))
    for method in _methods(tree):
        yield ""
        yield f"### {name}.{method.name}"
        yield ""
        yield from _told(_signature(method), told_by(getattr(thing, method.name)))


def _told(signature: str, told: Told) -> Iterator[str]:
    yield "```text"
    yield signature
    yield "```"
    yield ""
    yield told.summary
    if told.text:
        yield ""
        yield told.text
    for title, entries in told.sections.items():
        yield ""
        rows = ((code(name), meaning) for name, meaning in entries.items())
        yield from table((title.lower(), ""), rows)


def _signature(function: Function) -> str:
    """Give the line that defines a function, as it stands in the code."""
    marks = [f"@{ast.unparse(mark)}\n" for mark in function.decorator_list]
    kept = [mark for mark in marks if mark in ("@property\n", "@classmethod\n")]
    start = "async def" if isinstance(function, ast.AsyncFunctionDef) else "def"
    returns = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    asked = ast.unparse(function.args)
    return f"{''.join(kept)}{start} {function.name}({asked}){returns}: ..."


def _made_with(tree: ast.ClassDef) -> str:
    """Give what the class is called with: its `__init__`, or its fields."""
    for one in tree.body:
        if isinstance(one, ast.FunctionDef) and one.name == "__init__":
            asked = ast.unparse(one.args)
            return f"({re.sub(r'^self(, )?', '', asked)})"
    is_struct = any("Struct" in ast.unparse(base) for base in tree.bases)
    given = [ast.unparse(one) for one in tree.body if isinstance(one, ast.AnnAssign)]
    return f"({', '.join(given)})" if is_struct else ""


def _methods(tree: ast.ClassDef) -> Iterator[Function]:
    for one in tree.body:
        if isinstance(one, Function) and not one.name.startswith("_"):
            yield one
