"""What a diagram shows, read from `diagrams/<name>.toml`. No number of the model stands in it.

    title = "…"                     # what it is, for those who cannot see it
    description = "…"               # one or two sentences that say the same as the picture
    model = "AutoModelForImageClassification"   # the transformers class to load
    compact = "checkpoints/vit-scenes"          # the trained checkpoint
    published = "google/vit-base-patch16-224"   # the full-size model, by its name on the hub
    leave_out = ["criterion.*"]     # parameters that are deliberately not drawn (usually none)

    [inputs.pixel_values]           # what the forward pass gets; a word is an attribute of the config
    shape = [1, "num_channels", "image_size", "image_size"]
    dtype = "float"                 # or "int"

    [[column]]                      # only for a diagram of several columns, left to right
    id = "encoder"
    label = "Encoder"

    [[group]]                       # a frame around blocks
    id = "layer"
    label = "Encoder layer"
    repeat = "vit.layers"           # a ModuleList: its length is the count that is shown
    parent = "…"                    # the frame around this frame
    colour = "encoder"

    [[block]]                       # in the order of the flow, top to bottom
    id = "patches"
    kind = "block"                  # see KINDS
    label = "Patch embedding"
    sub = "convolution {module.projection.kernel_size}"   # {config.x} and {module.x} are looked up
    module = "vit.embeddings.patch_embeddings"            # a `*` stands for every index of a repeated group
    of = "output"                   # which side of the module is this block's shape ("input" or "output")
    axes = ["batch", "tokens", "width"]   # show the shape below the block, with these names
    parameters = true               # whether the module's parameters are this block's
    colour = "patch"
    href = "#anchor"                # the section that explains it
    group = "layer"
    column = "encoder"

    [[residual]]                    # around blocks: from above `around` to the block `to`, of kind "add"
    around = "norm-1"
    to = "add-1"

    [[link]]                        # from one column's block to another's
    start = "encoder-norm"
    end = "cross-attention"
    label = "keys, values"

Some kinds have a table of their own, see the classes below.
"""

from __future__ import annotations

import dataclasses
import re
import tomllib
import types
import typing
from dataclasses import dataclass
from pathlib import Path

from livedocs.errors import DocsError
from livedocs.palette import CONCEPTS

KINDS = ("block", "image", "attention", "strip", "join", "add")
"""A plain block; an image cut in patches; attention with its queries, keys, values and heads; a row of cells, one for each
token or class; a side input joined to the flow; the plus sign where a residual connection ends."""


class DiagramError(DocsError):
    """A diagram cannot be drawn. The message names the file, the line, the block and the reason."""


@dataclass(frozen=True, kw_only=True)
class Input:
    """A tensor of zeros that the forward pass gets."""

    shape: tuple[int | str, ...]
    dtype: str = "float"


@dataclass(frozen=True, kw_only=True)
class Side:
    """Of kind "join": a learned parameter that is joined to the flow."""

    label: str
    parameter: str
    """Dotted path of an nn.Parameter, or of a module's weight."""
    colour: str
    symbol: str = "+"
    """What joins it: "+" adds, "front" puts it in front, "instead" puts it in the place of some."""


@dataclass(frozen=True, kw_only=True)
class Attention:
    """Of kind "attention": the module paths of its parts."""

    query: str
    key: str
    value: str
    output: str
    weights: str
    """The module whose output holds the attention weights: batch × heads × queries × keys."""
    weights_index: int = 1


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Of kind "strip": as many cells as the module's shape has along the axis."""

    module: str
    axis: int
    of: str = "output"
    first: str = ""
    """Label of the first cell, where it is not like the others."""
    first_colour: str = "cls"
    only_first: bool = False
    """Whether only the first cell goes on."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """A step of the flow."""

    id: str
    label: str
    kind: str = "block"
    sub: str = ""
    module: str = ""
    of: str = "output"
    axes: tuple[str, ...] = ()
    parameters: bool = False
    widths: tuple[str, ...] = ()
    """Linear layers one after the other, whose widths are shown."""
    grid: str = ""
    """Of kind "image": the module whose output's last two axes are the grid of patches."""
    colour: str = "hidden"
    href: str = ""
    group: str = ""
    column: str = ""
    side: Side | None = None
    attention: Attention | None = None
    strip: Strip | None = None


@dataclass(frozen=True, kw_only=True)
class Group:
    """A frame around blocks, once for a layer that is repeated."""

    id: str
    label: str
    repeat: str = ""
    parent: str = ""
    colour: str = "encoder"


@dataclass(frozen=True, kw_only=True)
class Column:
    """A flow of its own, beside another: an encoder or a decoder."""

    id: str
    label: str = ""


@dataclass(frozen=True, kw_only=True)
class Residual:
    """A connection around blocks."""

    around: str
    to: str


@dataclass(frozen=True, kw_only=True)
class Link:
    """An arrow from one column's block to another's."""

    start: str
    end: str
    label: str = ""
    colour: str = "encoder"


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A whole diagram."""

    path: Path
    title: str
    description: str
    model: str
    compact: str
    inputs: dict[str, Input]
    published: str = ""
    leave_out: tuple[str, ...] = ()
    column: tuple[Column, ...] = ()
    group: tuple[Group, ...] = ()
    block: tuple[Block, ...]
    residual: tuple[Residual, ...] = ()
    link: tuple[Link, ...] = ()

    @property
    def name(self) -> str:
        """The diagram's name: its file's."""
        return self.path.stem

    def groups_of(self, block: Block) -> tuple[Group, ...]:
        """The frames around a block, from the outermost inwards."""
        by_id = {group.id: group for group in self.group}
        frames: list[Group] = []
        here = block.group
        while here:
            frames.append(by_id[here])
            here = by_id[here].parent
        return tuple(reversed(frames))

    def error(self, subject: str, reason: str) -> DiagramError:
        """An error about a block, group, residual or link, with the line that it stands on."""
        return DiagramError(f"{subject!r}: {reason}", file=self.path, line=_line_of(self.path, subject))


def load_spec(path: Path | str) -> Spec:
    """Reads a diagram's file, and refuses what cannot be drawn."""
    path = Path(path)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DiagramError(f"{path}: cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise DiagramError(f"{path}: {error}") from error
    spec = typing.cast(Spec, _build(Spec, {"path": path, **data}, path, "the diagram"))
    _check(spec)
    return spec


def _line_of(path: Path, subject: str) -> int:
    """The first line that holds the subject in quotes, or as a table's name; the first of the file if there is none."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    defined = re.compile(rf'^\s*(?:id|to|end)\s*=\s*"{re.escape(subject)}"|^\[inputs\.{re.escape(subject)}\]')
    lines = text.splitlines()
    for pattern in (defined, re.compile(re.escape(f'"{subject}"'))):
        for number, line in enumerate(lines, 1):
            if pattern.search(line):
                return number
    return 1


def _build(kind: type, data: object, path: Path, where: str) -> object:
    """A dataclass from TOML data. Unknown keys, missing keys and wrong types are errors."""
    if not isinstance(data, dict):
        raise DiagramError(f"{path}: {where} must be a table, not {data!r}")
    name = data.get("id") or data.get("to") or data.get("end") or ""
    place = f"{path}:{_line_of(path, name)}: {name!r}" if name else f"{path}: {where}"
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    if unknown := sorted(set(data) - set(fields)):
        raise DiagramError(f"{place}: unknown key {unknown[0]!r}; there are {', '.join(fields)}")
    missing = [key for key, field in fields.items() if key not in data and field.default is dataclasses.MISSING]
    if missing:
        raise DiagramError(f"{place}: {missing[0]!r} is missing")
    values = {key: _value(hints[key], value, path, f"{place}: {key}") for key, value in data.items()}
    return kind(**values)


def _value(hint: object, value: object, path: Path, where: str) -> object:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return _build(hint, value, path, where)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        if not isinstance(value, list):
            raise DiagramError(f"{where} must be a list, not {value!r}")
        return tuple(_value(arguments[0], item, path, where) for item in value)
    if origin is dict:
        if not isinstance(value, dict):
            raise DiagramError(f"{where} must be a table, not {value!r}")
        return {key: _value(arguments[1], item, path, f"{where}.{key}") for key, item in value.items()}
    if origin in (types.UnionType, typing.Union):
        members = [argument for argument in arguments if argument is not type(None)]
        if len(members) == 1:
            return _value(members[0], value, path, where)
        accepted = tuple(member for member in members if isinstance(member, type))
    else:
        accepted = (hint,) if isinstance(hint, type) else (object,)
    if not isinstance(value, accepted) or (isinstance(value, bool) and bool not in accepted):
        names = " or ".join(member.__name__ for member in accepted)
        raise DiagramError(f"{where} must be {names}, not {value!r}")
    return value


def _check(spec: Spec) -> None:
    ids = [item.id for items in (spec.block, spec.group, spec.column) for item in items]
    for name in ids:
        if ids.count(name) > 1:
            raise spec.error(name, "the id is used twice")
    groups = {group.id for group in spec.group}
    columns = {column.id for column in spec.column}
    blocks = {block.id: block for block in spec.block}
    for group in spec.group:
        _check_colour(spec, group.id, group.colour)
        seen = {group.id}
        while group.parent:
            if group.parent not in groups:
                raise spec.error(group.id, f"unknown parent {group.parent!r}")
            if group.parent in seen:
                raise spec.error(group.id, "is inside itself")
            seen.add(group.parent)
            group = next(other for other in spec.group if other.id == group.parent)
    for block in spec.block:
        _check_block(spec, block, groups, columns)
    _check_order(spec)
    for residual in spec.residual:
        for end in (residual.around, residual.to):
            if end not in blocks:
                raise spec.error(residual.to, f"a residual connection names no block {end!r}")
        if blocks[residual.to].kind != "add":
            raise spec.error(residual.to, "a residual connection ends in a block of kind 'add'")
        order = list(blocks)
        if order.index(residual.around) >= order.index(residual.to):
            raise spec.error(residual.to, "a residual connection must go downwards")
    for link in spec.link:
        for end in (link.start, link.end):
            if end not in blocks:
                raise spec.error(link.end, f"a link names no block {end!r}")
        _check_colour(spec, link.end, link.colour)


def _check_block(spec: Spec, block: Block, groups: set[str], columns: set[str]) -> None:
    _check_colour(spec, block.id, block.colour)
    if block.kind not in KINDS:
        raise spec.error(block.id, f"unknown kind {block.kind!r}; there are {', '.join(KINDS)}")
    if block.of not in ("input", "output"):
        raise spec.error(block.id, f"`of` is 'input' or 'output', not {block.of!r}")
    if block.group and block.group not in groups:
        raise spec.error(block.id, f"unknown group {block.group!r}")
    if columns and block.column not in columns:
        raise spec.error(block.id, f"unknown column {block.column!r}")
    if block.column and not columns:
        raise spec.error(block.id, f"unknown column {block.column!r}")
    if (block.axes or block.parameters) and not block.module:
        raise spec.error(block.id, "`axes` and `parameters` need a `module` to measure")
    for kind, key in (("join", "side"), ("attention", "attention"), ("strip", "strip"), ("image", "grid")):
        if block.kind == kind and not getattr(block, key):
            raise spec.error(block.id, f"a block of kind {kind!r} needs `{key}`")
        if block.kind != kind and getattr(block, key):
            raise spec.error(block.id, f"`{key}` belongs to kind {kind!r}")
    if block.side:
        if block.side.symbol not in ("+", "front", "instead"):
            raise spec.error(block.id, f"`symbol` is '+', 'front' or 'instead', not {block.side.symbol!r}")
        _check_colour(spec, block.id, block.side.colour)
    if block.strip:
        _check_colour(spec, block.id, block.strip.first_colour)


def _check_colour(spec: Spec, subject: str, colour: str) -> None:
    if colour not in CONCEPTS:
        raise spec.error(subject, f"unknown colour {colour!r}; there are {', '.join(CONCEPTS)}")


def _check_order(spec: Spec) -> None:
    """The blocks of a column, and of a group, stand together."""
    for key in ("column", "group"):
        left: set[str] = set()
        before: set[str] = set()
        for block in spec.block:
            here = {block.column} if key == "column" else {group.id for group in spec.groups_of(block)}
            left |= before - here
            if again := sorted(left & here):
                raise spec.error(block.id, f"{key} {again[0]!r} was left above: its blocks must stand together")
            before = here
