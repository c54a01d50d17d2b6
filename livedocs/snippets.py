"""Snippets: one script a page, cut into named cells, with claims and two profiles.

A snippet is a Python script in the percent format. `# %% name` opens a cell, `# %% [markdown]` opens prose that only
a notebook shows. `# full size: …` gives the value (or the line) of the full-size profile. `# claim: id` labels the
assertion that proves a statement of the page. `# suite: …` gives the value with which the test suite runs a guide that
takes long.
"""

from __future__ import annotations

import ast
import builtins
import copy
import hashlib
import io
import json
import re
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from livedocs.errors import DocsError, DocsErrors

PROFILES = ("compact", "full-size")
"""The two variants of a snippet: trained here and offline, or published and large."""

TAGS = ("trained", "compact", "learned")
"""Marks of a cell: `trained` needs trained weights, `compact` exists in the compact profile alone, `learned` gives what
training decides."""

ID = r"[a-z0-9]+(?:-[a-z0-9]+)*"
_HEADER = re.compile(r"^(?P<marks>#\s*%%)(?P<rest>.*)$")
_CELL = re.compile(rf"^\s+(?P<name>{ID})(?:\s+tags=(?P<tags>\[[^]]*\]))?(?:\s+alt=(?P<alt>\".*\"|\[.*\]))?\s*$")
_FULL_SIZE = re.compile(r"^#\s*full size:\s*(?P<code>.+?)\s*$")
_SUITE = re.compile(r"^#\s*suite:\s*(?P<code>.+?)\s*$")
_CLAIM = re.compile(r"^#\s*claim:\s*(?P<id>.*?)\s*$")
_BUILTINS = frozenset(dir(builtins))
_EQUALITIES = frozenset({"equal", "allclose", "isclose", "array_equal", "assert_close"})


@dataclass(frozen=True)
class Claim:
    """An assertion that proves one statement: `assert … # claim: id`."""

    id: str
    cell: str
    line: int
    end_line: int


@dataclass(frozen=True)
class Cell:
    """A named part of a snippet, as it stands in the file.

    Attributes:
        name: Its name, unique in the snippet.
        line: Line of its `# %%` header, counted from 1.
        source: The code below the header, without blank lines at both ends.
        source_line: Line of the first line of `source`.
        tags: Marks from the header, of `TAGS`.
        alts: Descriptions of its figures, from the header. Only a guide has them there; a page has its own.
    """

    name: str
    line: int
    source: str
    source_line: int
    tags: tuple[str, ...] = ()
    alts: tuple[str, ...] = ()

    @property
    def trained(self) -> bool:
        """Whether the cell speaks of predictions, which random weights cannot give."""
        return "trained" in self.tags

    @property
    def learned(self) -> bool:
        """Whether training decides what the cell gives: it comes out a little different on every machine."""
        return self.trained or "learned" in self.tags


class Snippet:
    """A script, read in one profile and checked.

    Args:
        path: The script.
        text: Its text, where it was read already.
        profile: `compact` (the file as it stands) or `full-size` (with the values in its comments).
        root: Errors name the file relative to this folder.

    Raises:
        DocsError: A malformed header, two cells of one name, code before the first cell, a syntax error, a
            `# full size:` comment on something other than an assignment, a claim without an assertion, an assertion
            without a claim, a claim twice, or an assertion that cannot fail.
    """

    def __init__(
        self, path: Path, text: str | None = None, *, profile: str = "compact", root: Path | None = None
    ) -> None:
        if profile not in PROFILES:
            raise DocsError(f"unknown profile '{profile}'; known: {', '.join(PROFILES)}")
        self.path = path
        self.file = path.relative_to(root) if root and path.is_relative_to(root) else path
        self.name = path.stem
        self.profile = profile
        self._variants: dict[str, Snippet] = {}
        self.original = path.read_text("utf-8-sig") if text is None else text
        self.text = self.original if profile == "compact" else _with_values(self.original, self.file, _FULL_SIZE)
        self.tree = _parse(self.text, self.file)
        self.cells = list(_cells(self.text, self.file))
        if profile == "full-size" and any("compact" in cell.tags for cell in self.cells):
            self.text = _without_compact_cells(self.text, self.cells)
            self.tree = _parse(self.text, self.file)
            self.cells = [cell for cell in self.cells if "compact" not in cell.tags]
        self.claims = self._read_claims()

    def in_profile(self, profile: str) -> Snippet:
        """The same script in another profile. It is read once, however often it is asked for."""
        if profile == self.profile:
            return self
        if profile not in self._variants:
            self._variants[profile] = Snippet(self.path, self.original, profile=profile, root=self._root)
        return self._variants[profile]

    @cached_property
    def has_full_size(self) -> bool:
        """Whether the script differs between the profiles at all."""
        return any(_FULL_SIZE.match(comment) for _, _, comment in _comments(self.original))

    @property
    def profiles(self) -> tuple[str, ...]:
        """The profiles in which the script exists."""
        return PROFILES if self.has_full_size else PROFILES[:1]

    @cached_property
    def has_suite_values(self) -> bool:
        """Whether the test suite runs the script with other values, to save time."""
        return any(_SUITE.match(comment) for _, _, comment in _comments(self.original))

    def for_suite(self) -> Snippet:
        """The script with the values in its `# suite:` comments."""
        return Snippet(self.path, _with_values(self.original, self.file, _SUITE), root=self._root)

    def with_constant(self, name: str, value: str) -> Snippet:
        """The script, in its profile, with another value of a constant that stands alone on a line.

        Raises:
            DocsError: There is no such line, or more than one.
        """
        text, found = re.subn(rf"^{name} = .*$", f"{name} = {value}", self.text, flags=re.MULTILINE)
        if found != 1:
            raise DocsError(f"give `{name}` its value once, on a line of its own", file=self.file, line=1)
        return self._with(text)

    def with_argument(self, name: str, value: str) -> Snippet:
        """The script, in its profile, with another value wherever a call gives this keyword argument a name, number or word."""
        return self._with(re.sub(rf'\b{name}=(\w+|"\w+")', f"{name}={value}", self.text))

    def _with(self, text: str) -> Snippet:
        changed = Snippet(self.path, text, root=self._root)
        changed.profile = self.profile
        return changed

    @cached_property
    def prose(self) -> list[tuple[int, str]]:
        """The text of the `[markdown]` cells, line by line, with the lines' numbers."""
        lines = self.text.split("\n")
        return [
            (number, re.sub(r"^#\s?", "", lines[number - 1]))
            for first, end, head in _heads(self.text)
            if _is_prose(head)
            for number in range(first + 1, end)
        ]

    @property
    def _root(self) -> Path | None:
        return None if self.file == self.path else Path(str(self.path)[: -len(str(self.file))])

    def has_cell(self, name: str) -> bool:
        """Whether the profile has a cell of that name."""
        return name in self._by_name

    def cell(self, name: str) -> Cell:
        """The cell of that name.

        Raises:
            KeyError: There is none.
        """
        return self._by_name[name]

    @cached_property
    def _by_name(self) -> dict[str, Cell]:
        return {cell.name: cell for cell in self.cells}

    def cell_tree(self, cell: Cell) -> ast.Module:
        """The syntax tree of one cell, with the line numbers that it has in the file."""
        last = cell.source_line + cell.source.count("\n")
        body = [copy.deepcopy(node) for node in self.tree.body if cell.source_line <= node.lineno <= last]
        return ast.Module(body=body, type_ignores=[])

    def cell_claims(self, name: str) -> list[Claim]:
        """The claims that the cell proves, top to bottom."""
        return [claim for claim in self.claims if claim.cell == name]

    def digest(self, name: str) -> str:
        """Fingerprint of a cell and of all cells before it, on which its output depends."""
        sources = []
        for cell in self.cells:
            sources.append(f"{cell.name}\n{cell.source}")
            if cell.name == name:
                break
        return hashlib.sha256("\n\n".join(sources).encode()).hexdigest()[:16]

    def _read_claims(self) -> list[Claim]:
        errors: list[DocsError] = []
        labels = {line: match["id"] for line, _, text in _comments(self.text) if (match := _CLAIM.match(text))}
        constants = _constant_names(self.tree)
        claims: list[Claim] = []
        seen: dict[str, int] = {}
        asserts = sorted(
            (node for node in ast.walk(self.tree) if isinstance(node, ast.Assert)), key=lambda node: node.lineno
        )
        for node in asserts:
            end = node.end_lineno or node.lineno
            lines = [line for line in range(node.lineno, end + 1) if line in labels]
            if not lines:
                errors.append(
                    DocsError(
                        "assertion without a claim; label it `# claim: some-id` and link it from the page, or print the value",
                        file=self.file,
                        line=node.lineno,
                    )
                )
                continue
            name = labels.pop(lines[0])
            if not re.fullmatch(ID, name):
                errors.append(
                    DocsError(
                        f"claim id '{name}' is malformed; write words-with-hyphens", file=self.file, line=lines[0]
                    )
                )
                continue
            if name in seen:
                errors.append(
                    DocsError(
                        f"claim '{name}' is proved twice, first on line {seen[name]}; give one of them another id",
                        file=self.file,
                        line=node.lineno,
                    )
                )
                continue
            seen[name] = node.lineno
            reason = cannot_fail(node.test, constants)
            if reason:
                errors.append(
                    DocsError(
                        f"the assertion of claim '{name}' cannot fail: {reason}; assert something that the run decides",
                        file=self.file,
                        line=node.lineno,
                    )
                )
            owner = next((cell.name for cell in reversed(self.cells) if cell.line <= node.lineno), "")
            claims.append(Claim(name, owner, node.lineno, end))
        for line, name in labels.items():
            errors.append(
                DocsError(
                    f"claim '{name}' without an assertion; put the comment behind an assert", file=self.file, line=line
                )
            )
        if errors:
            raise errors[0] if len(errors) == 1 else DocsErrors(errors)
        return claims


def _comments(text: str) -> Iterator[tuple[int, int, str]]:
    """Line, column and text of every comment; strings that look like comments are not among them."""
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT:
                yield token.start[0], token.start[1], token.string
    except (tokenize.TokenError, IndentationError, SyntaxError):
        return  # ast.parse reports it with a better message


def _parse(text: str, file: Path) -> ast.Module:
    """The syntax tree of a script that compiles.

    Raises:
        DocsError: It does not.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(text, filename=str(file))
            compile(text, str(file), "exec", dont_inherit=True)  # finds what the parser lets pass: `return` in a cell
    except SyntaxError as error:
        raise DocsError(f"syntax error: {error.msg}", file=file, line=error.lineno or 1) from None
    except ValueError as error:
        raise DocsError(f"cannot read this script: {error}", file=file, line=1) from None
    return tree


def _heads(text: str) -> list[tuple[int, int, re.Match[str]]]:
    """The headers of cells: the line of each, the line of the next one, and what was matched."""
    lines = text.split("\n")
    starts = [line for line, column, _ in _comments(text) if column == 0]
    found = [(line, match) for line in starts if (match := _HEADER.match(lines[line - 1]))]
    ends = [line for line, _ in found[1:]] + [len(lines) + 1]
    return [(line, end, match) for (line, match), end in zip(found, ends, strict=False)]


def _is_prose(head: re.Match[str]) -> bool:
    return head["rest"].strip().startswith("[markdown]")


def _cells(text: str, file: Path) -> Iterator[Cell]:
    lines = text.split("\n")
    heads = _heads(text)
    first = heads[0][0] if heads else len(lines) + 1
    for number, line in enumerate(lines[: first - 1], 1):
        if line.strip() and not line.startswith("#"):
            raise DocsError("code before the first cell; open one with `# %% name`", file=file, line=number)
    if not heads:
        raise DocsError("no cells; open one with `# %% name`", file=file, line=1)
    seen: dict[str, int] = {}
    for number, end, head in heads:
        rest = head["rest"]
        if _is_prose(head):
            for code, line in enumerate(lines[number : end - 1], number + 1):
                if line.strip() and not line.startswith("#"):
                    raise DocsError("code in a [markdown] cell; open one with `# %% name`", file=file, line=code)
            continue
        match = _CELL.match(rest)
        if match is None or head["marks"] != "# %%":
            raise DocsError(
                f"malformed cell header '{head[0]}'; write `# %% name` or `# %% name tags=[\"trained\"]`, the name in "
                "lower case with hyphens",
                file=file,
                line=number,
            )
        name = match["name"]
        if name in seen:
            raise DocsError(f"a cell '{name}' stands on line {seen[name]} already; rename one", file=file, line=number)
        seen[name] = number
        tags: tuple[str, ...] = ()
        if match["tags"]:
            try:
                tags = tuple(json.loads(match["tags"]))
            except (json.JSONDecodeError, TypeError):
                tags = ("?",)
            if any(tag not in TAGS for tag in tags):
                known = json.dumps(TAGS)
                raise DocsError(f"unknown tags {match['tags']}; known: {known}", file=file, line=number)
        alts: tuple[str, ...] = ()
        if match["alt"]:
            try:
                given = json.loads(match["alt"])
                alts = (given,) if isinstance(given, str) else tuple(given)
            except json.JSONDecodeError:
                raise DocsError(
                    f'malformed {match["alt"]}; write `alt="…"`, or `alt=["…", "…"]` for several figures',
                    file=file,
                    line=number,
                ) from None
        body = lines[number : end - 1]
        start = number + 1
        while body and not body[0].strip():
            body.pop(0)
            start += 1
        while body and not body[-1].strip():
            body.pop()
        if not body:
            raise DocsError(f"cell '{name}' is empty; write code below it or delete it", file=file, line=number)
        try:
            ast.parse("\n".join(body))
        except SyntaxError:
            raise DocsError(
                f"a statement reaches over the border of cell '{name}'; move the `# %%` line, so that each cell is whole",
                file=file,
                line=number,
            ) from None
        yield Cell(name, number, "\n".join(body), start, tags, alts)


def _with_values(text: str, file: Path, mark: re.Pattern[str]) -> str:
    """The script with the values in its comments of one kind. Line numbers stay as they are."""
    kind = "suite" if mark is _SUITE else "full size"
    lines = text.split("\n")
    statements = [node for node in ast.walk(_parse(text, file)) if isinstance(node, ast.stmt)]
    for line, column, comment in _comments(text):
        match = mark.match(comment)
        if match is None:
            continue
        before = lines[line - 1][:column]
        if not before.strip():
            lines[line - 1] = before + match["code"]
            continue
        here = [node for node in statements if node.lineno <= line <= (node.end_lineno or node.lineno)]
        node = here[-1] if here else None
        alone = [other for other in here if other.lineno == line] == [node]
        if not isinstance(node, ast.Assign) or len(node.targets) != 1 or not alone or node.end_lineno != line:
            raise DocsError(
                f"`# {kind}:` must follow a one-line assignment, or stand alone on its line", file=file, line=line
            )
        name = before.encode()[: node.targets[0].end_col_offset].decode()
        lines[line - 1] = f"{name} = {match['code']}"
    return "\n".join(lines)


def _without_compact_cells(text: str, cells: list[Cell]) -> str:
    """The script with cells of the compact profile left blank. Line numbers stay as they are."""
    lines = text.split("\n")
    for cell in cells:
        if "compact" in cell.tags:
            last = cell.source_line + cell.source.count("\n")
            lines[cell.line - 1 : last] = [""] * (last - cell.line + 1)
    return "\n".join(lines)


def cannot_fail(test: ast.expr, constants: frozenset[str] = frozenset()) -> str | None:
    """Why an assertion cannot fail, or None where it can.

    Seen are: expressions of constants (and of names that only ever hold a literal), comparisons of a thing with
    itself, non-empty displays, lengths compared with zero, and `or` with one of these.

    Args:
        test: The asserted expression.
        constants: Names that hold nothing but literals.
    """
    if isinstance(test, ast.BoolOp):
        reasons = [cannot_fail(value, constants) for value in test.values]
        if isinstance(test.op, ast.Or):
            return next((reason for reason in reasons if reason), None)
        return reasons[0] if all(reasons) else None
    if isinstance(test, ast.Compare) and len(test.ops) > 1:
        sides = [test.left, *test.comparators]
        pairs = [ast.Compare(a, [op], [b]) for a, op, b in zip(sides, test.ops, sides[1:], strict=False)]
        return cannot_fail(ast.BoolOp(ast.And(), list(pairs)), constants)
    if (isinstance(test, ast.Tuple | ast.List | ast.Set) and test.elts) or (isinstance(test, ast.Dict) and test.keys):
        return "a collection that is not empty is always true"
    if isinstance(test, ast.Lambda | ast.GeneratorExp | ast.JoinedStr):
        return f"a {type(test).__name__} is always true"
    names = {node.id for node in ast.walk(test) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    bound = {node.id for node in ast.walk(test) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    if names <= constants | bound | _BUILTINS:
        return "it is made of constants only"
    if isinstance(test, ast.Compare):
        operator, left, right = test.ops[0], test.left, test.comparators[0]
        if ast.dump(left) == ast.dump(right) and isinstance(operator, ast.Eq | ast.LtE | ast.GtE | ast.Is | ast.In):
            return "it compares a thing with itself"
        if isinstance(operator, ast.LtE):
            left, right, operator = right, left, ast.GtE()
        if isinstance(operator, ast.GtE) and _is_length(left) and _is_zero(right):
            return "a length is never below zero"
    if isinstance(test, ast.Call) and len(test.args) >= 2:
        function = test.func.attr if isinstance(test.func, ast.Attribute) else getattr(test.func, "id", "")
        if function in _EQUALITIES and ast.dump(test.args[0]) == ast.dump(test.args[1]):
            return "it compares a thing with itself"
        if function == "isinstance" and getattr(test.args[1], "id", "") == "object":
            return "everything is an object"
    return None


def _is_length(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and getattr(node.func, "id", "") in {"len", "abs"}


def _is_zero(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value == 0


def _constant_names(tree: ast.Module) -> frozenset[str]:
    """Names that the script binds to literals and to nothing else.

    A name that a branch, a loop or a function may bind to something else is none: the run decides what it holds.
    """
    top = {id(target) for node in tree.body if isinstance(node, ast.Assign) for target in node.targets}
    literal: dict[str, list[ast.expr]] = {}
    other: set[str] = set()
    simple: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and all(isinstance(target, ast.Name) for target in node.targets):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    literal.setdefault(target.id, []).append(node.value)
                    simple.add(id(target))
                    if id(target) not in top and len({ast.dump(value) for value in literal[target.id]}) > 1:
                        other.add(target.id)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and id(node) not in simple:
            other.add(node.id)
        elif isinstance(node, ast.arg):
            other.add(node.arg)
        elif isinstance(node, ast.alias):
            other.add((node.asname or node.name).split(".")[0])
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            other.add(node.name)
    constants: set[str] = set()
    while True:
        found = {
            name
            for name, values in literal.items()
            if name not in other | constants and all(_is_literal(value, constants) for value in values)
        }
        if not found:
            return frozenset(constants)
        constants |= found


def _is_literal(node: ast.expr, constants: set[str]) -> bool:
    inner = list(ast.walk(node))
    if any(
        isinstance(part, ast.Call | ast.Attribute | ast.Await | ast.List | ast.Dict | ast.Set | ast.comprehension)
        for part in inner
    ):
        return False
    return all(part.id in constants for part in inner if isinstance(part, ast.Name))
