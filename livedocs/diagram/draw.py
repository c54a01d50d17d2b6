"""Draws a measured diagram as an SVG that stands in a page.

The flow runs from top to bottom in one column 360 units wide, so that on a phone a unit is about a pixel and no text is
smaller than 11. Several columns stand side by side, or one under the other where `narrow` is asked for. Colours are the
variables of the palette; fonts are the page's. A block with an `href` is a link. The picture is a labelled group, not an
image: an image would hide its text and its links from screen readers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from livedocs.diagram.measure import Measured, MeasuredBlock
from livedocs.diagram.spec import Block, Group, Spec

COLUMN = 360.0
"""Width of a column."""

_LEFT, _RIGHT = 40.0, 320.0  # of a block inside its column
_WIDTH = _RIGHT - _LEFT
_CENTRE = COLUMN / 2
_LANE = 335.0  # where residual connections run down
_GUTTER = 64.0  # between two columns
_FRAME_INSET, _FRAME_STEP = 4.0, 7.0
_FRAME_HEAD, _FRAME_FOOT, _FRAME_FOOT_EMPTY = 48.0, 26.0, 12.0
_EDGE, _EDGE_WITH_SHAPE = 20.0, 46.0
_SMALL, _TEXT, _LABEL = 11.2, 12.0, 14.0
_ROUND = 6.0


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float
    height: float

    @property
    def centre(self) -> float:
        return self.x + self.width / 2

    @property
    def middle(self) -> float:
        return self.y + self.height / 2

    @property
    def right(self) -> float:
        return self.x + self.width

    @property
    def bottom(self) -> float:
        return self.y + self.height


def draw(spec: Spec, measured: Measured, *, narrow: bool = False) -> str:
    """The diagram as one `<svg>` element.

    Args:
        spec: What to draw.
        measured: The numbers, of one profile.
        narrow: Put several columns one under the other, for a narrow screen. Without effect on a single column.
    """
    return _Drawing(spec, measured, narrow).svg()


class _Drawing:
    def __init__(self, spec: Spec, measured: Measured, narrow: bool) -> None:
        self.spec = spec
        self.measured = measured
        self.stacked = narrow and len(spec.column) > 1
        self.prefix = "-".join(["ld", spec.name, measured.profile] + ["narrow"] * self.stacked)
        self.below: list[str] = []  # frames and lines
        self.above: list[str] = []  # blocks and text
        self.boxes: dict[str, _Box] = {}
        self.branches: dict[str, float] = {}  # where a residual connection leaves, above a block

    def svg(self) -> str:
        width, height = self._columns()
        for residual in self.spec.residual:
            self._residual(self.boxes[residual.around], self.branches[residual.around], self.boxes[residual.to])
        for number, link in enumerate(self.spec.link):
            self._link(self.boxes[link.start], self.boxes[link.end], link.label, link.colour, number)
        self._text(
            width / 2,
            height + 16,
            f"{self.measured.parameters:,} parameters in all",
            size=_TEXT,
            anchor="middle",
            soft=True,
        )
        height += 26
        title, desc = f"{self.prefix}-title", f"{self.prefix}-desc"
        columns = 1 if self.stacked else max(1, len(self.spec.column))
        layout = " ld-diagram__svg--wide" if columns > 1 else " ld-diagram__svg--narrow" if self.stacked else ""
        return "\n".join(
            [
                f'<svg class="ld-diagram__svg{layout}" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_n(width)} {_n(height)}"'
                f' width="{_n(width)}" height="{_n(height)}" role="group" aria-labelledby="{title}"'
                f' aria-describedby="{desc}" style="--ld-columns: {columns}">',
                f'<title id="{title}">{escape(self.spec.title)}</title>',
                f'<desc id="{desc}">{escape(self.spec.description.strip())}</desc>',
                *self.below,
                *self.above,
                "</svg>",
            ]
        )

    # Columns and their flow

    def _columns(self) -> tuple[float, float]:
        if not self.spec.column:
            return COLUMN, self._flow(self.spec.block, 0, 4)
        x, y, bottom = 0.0, 4.0, 0.0
        for column in self.spec.column:
            blocks = [block for block in self.spec.block if block.column == column.id]
            if column.label:
                self._text(x + _CENTRE, y + 14, column.label, size=_LABEL, anchor="middle", bold=True)
            end = self._flow(blocks, x, y + (28 if column.label else 0))
            bottom = max(bottom, end)
            if self.stacked:
                y = end + 40
            else:
                x += COLUMN + _GUTTER
        return (COLUMN, bottom) if self.stacked else (x - _GUTTER, bottom)

    def _flow(self, blocks: Sequence[Block], x: float, y: float) -> float:
        """Draws blocks from top to bottom, with the frames around them and the arrows between them."""
        open_frames: list[tuple[Group, float]] = []
        for before, block in zip([None, *blocks[:-1]], blocks, strict=True):
            frames = self.spec.groups_of(block)
            top = y
            if before is not None:
                y += _EDGE_WITH_SHAPE if before.axes else _EDGE
            while open_frames and open_frames[-1][0] not in frames:
                y = self._close(open_frames, x, y)
            for frame in frames[len(open_frames) :]:
                if before is not None and open_frames == []:
                    y -= 4  # the arrow goes on inside the frame
                open_frames.append((frame, y))
                y += _FRAME_HEAD
            if before is not None:
                self._arrow([(x + _CENTRE, top), (x + _CENTRE, y)])
                self._shape(before, x + _CENTRE, top)
            self.branches[block.id] = y - 10
            height = self._block(block, x, y)
            y += height
        if blocks and blocks[-1].axes:
            self._line([(x + _CENTRE, y), (x + _CENTRE, y + _EDGE_WITH_SHAPE)])
            self._shape(blocks[-1], x + _CENTRE, y)
            y += _EDGE_WITH_SHAPE
        while open_frames:
            y = self._close(open_frames, x, y)
        return y

    def _close(self, open_frames: list[tuple[Group, float]], x: float, y: float) -> float:
        group, top = open_frames.pop()
        inset = _FRAME_INSET + _FRAME_STEP * len(open_frames)
        parameters = self.measured.group_parameters.get(group.id)
        y += _FRAME_FOOT if parameters else _FRAME_FOOT_EMPTY
        colour = _colour(group.colour)
        left, right = x + inset, x + COLUMN - inset
        self.below.insert(
            0,
            f'<rect x="{_n(left)}" y="{_n(top)}" width="{_n(right - left)}" height="{_n(y - top)}" rx="12"'
            f' fill="{colour}" fill-opacity="0.06" stroke="{colour}" stroke-opacity="0.55" stroke-width="1.2"/>',
        )
        self._text(x + _LEFT, top + 20, group.label, size=13, bold=True, colour=group.colour)
        if group.id in self.measured.repeats:
            self._badge(right - 10, top + 8, f"× {self.measured.repeats[group.id]}", group.colour)
        if parameters:
            self._text(left + 12, y - 10, f"{parameters:,} parameters each", soft=True)
        return y + 16

    def _shape(self, block: Block, x: float, y: float) -> None:
        """A tensor's shape beside the arrow on which it goes on."""
        shape = self.measured.blocks[block.id].shape
        if not block.axes or shape is None:
            return
        self._text(x + 12, y + 19, _times(shape), size=12.5, mono=True)
        self._text(x + 12, y + 34, " × ".join(block.axes), soft=True, fit=_CENTRE - 16)

    # Blocks

    def _block(self, block: Block, x: float, y: float) -> float:
        """Draws a block at the height y, and gives its own height."""
        numbers = self.measured.blocks[block.id]
        mark = len(self.above)
        painter = {
            "image": self._image,
            "attention": self._attention,
            "strip": self._strip,
            "join": self._join,
            "add": self._add,
        }.get(block.kind, self._plain)
        box = painter(block, numbers, x, y)
        self.boxes[block.id] = box
        if block.href:
            inside = self.above[mark:]
            # A plus sign has no words of its own by which a link could be announced.
            name = f' aria-label="{escape(block.label, quote=True)}"' if block.kind == "add" else ""
            self.above[mark:] = [
                f'<a class="ld-diagram__link" href="{escape(block.href, quote=True)}"{name}>',
                *inside,
                "</a>",
            ]
        return box.bottom - y

    def _plain(self, block: Block, numbers: MeasuredBlock, x: float, y: float) -> _Box:
        height = 68 if numbers.widths else 55 if numbers.sub else 34
        box = _Box(x + _LEFT, y, _WIDTH, height)
        self._card(box, block.colour)
        self._text(box.x + 16, y + 22, block.label, size=_LABEL, bold=True)
        widths = " → ".join(str(size) for size in numbers.widths)
        glyph = len(widths) * _SMALL * 0.6
        if numbers.sub:
            self._text(box.x + 16, y + 41, numbers.sub, size=_TEXT, soft=True, fit=_WIDTH - 34 - glyph)
        self._parameters(numbers, box.right - 12, y + 22)
        if numbers.widths:
            self._text(box.right - 12, y + 41, widths, mono=True, anchor="end")
            self._hourglass(numbers.widths, _Box(box.right - 12 - glyph, y + 47, glyph, 13), block.colour)
        return box

    def _hourglass(self, widths: Sequence[int], box: _Box, colour: str) -> None:
        """Widths of layers one after the other, to scale."""
        step = box.width / (len(widths) - 1)
        half = [box.height * size / max(widths) / 2 for size in widths]
        upper = [f"{_n(box.x + step * i)},{_n(box.middle - h)}" for i, h in enumerate(half)]
        lower = [f"{_n(box.x + step * i)},{_n(box.middle + h)}" for i, h in reversed(list(enumerate(half)))]
        self.above.append(f'<polygon points="{" ".join(upper + lower)}" fill="{_colour(colour)}" fill-opacity="0.4"/>')

    def _image(self, block: Block, numbers: MeasuredBlock, x: float, y: float) -> _Box:
        side = 132.0
        box = _Box(x + _LEFT, y, _WIDTH, side + 20)
        self._card(box, block.colour)
        self._text(box.x + 16, y + 24, block.label, size=_LABEL, bold=True)
        self._text(box.x + 16, y + 43, numbers.sub, size=_TEXT, soft=True, fit=_WIDTH - side - 28)
        rows, columns = numbers.grid
        self._text(box.x + 16, box.bottom - 33, f"{rows} × {columns}", size=12.5, mono=True, colour="patch")
        self._text(box.x + 16, box.bottom - 17, "patches", size=_TEXT, soft=True)
        self._scene(_Box(box.right - side - 10, y + 10, side, side), rows, columns)
        return box

    def _scene(self, box: _Box, rows: int, columns: int) -> None:
        """A small landscape, cut in patches."""
        clip = f"{self.prefix}-scene"
        x, y, w, h = box.x, box.y, box.width, box.height

        def path(points: str, colour: str, opacity: float) -> str:
            return f'<path d="{points}" fill="{_colour(colour)}" fill-opacity="{opacity}"/>'

        hills = (
            f"M{_n(x)} {_n(y + h * 0.66)} C{_n(x + w * 0.2)} {_n(y + h * 0.44)} {_n(x + w * 0.34)} {_n(y + h * 0.42)}"
            f" {_n(x + w * 0.5)} {_n(y + h * 0.6)} S{_n(x + w * 0.82)} {_n(y + h * 0.46)} {_n(x + w)} {_n(y + h * 0.56)}"
            f" V{_n(y + h)} H{_n(x)} Z"
        )
        meadow = (
            f"M{_n(x)} {_n(y + h * 0.82)} C{_n(x + w * 0.3)} {_n(y + h * 0.66)} {_n(x + w * 0.62)} {_n(y + h * 0.74)}"
            f" {_n(x + w)} {_n(y + h * 0.7)} V{_n(y + h)} H{_n(x)} Z"
        )
        lines = [f"M{_n(x + w * i / columns)} {_n(y)} v{_n(h)}" for i in range(1, columns)]
        lines += [f"M{_n(x)} {_n(y + h * i / rows)} h{_n(w)}" for i in range(1, rows)]
        self.above += [
            f'<clipPath id="{clip}"><rect x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" rx="3"/></clipPath>',
            f'<g clip-path="url(#{clip})">',
            f'<rect x="{_n(x)}" y="{_n(y)}" width="{_n(w)}" height="{_n(h)}" fill="{_colour("input")}" fill-opacity="0.28"/>',
            f'<circle cx="{_n(x + w * 0.7)}" cy="{_n(y + h * 0.27)}" r="{_n(w * 0.12)}" fill="{_colour("cls")}"'
            ' fill-opacity="0.6"/>',
            path(hills, "attention", 0.5),
            path(meadow, "output", 0.75),
            f'<path d="{" ".join(lines)}" stroke="var(--ld-card)" stroke-width="{_n(min(2.4, 20 / columns))}"/>',
            "</g>",
        ]

    def _strip(self, block: Block, numbers: MeasuredBlock, x: float, y: float) -> _Box:
        """A row of cells, one for each token or class. Where there are too many, the middle ones are left out."""
        assert block.strip is not None
        strip = block.strip
        box = _Box(x + _LEFT, y, _WIDTH, 64)
        self._card(box, strip.first_colour if strip.only_first else block.colour)
        self._text(box.x + 16, y + 21, block.label, size=_LABEL, bold=True)
        self._text(box.right - 12, y + 21, f"{numbers.cells:,}", size=12.5, mono=True, anchor="end", soft=True)
        cells = _cells(numbers.cells, bool(strip.first), _WIDTH - 28)
        for cell in cells:
            first = bool(strip.first) and cell.index == 0
            colour = strip.first_colour if first else block.colour
            faint = strip.only_first and not first
            if cell.index is None:
                self._text(box.x + 16 + cell.x + cell.width / 2, y + 48, "…", size=13, anchor="middle", soft=True)
                continue
            dash = ' stroke-dasharray="2 2"' if faint else ""
            self.above.append(
                f'<rect x="{_n(box.x + 16 + cell.x)}" y="{_n(y + 32)}" width="{_n(cell.width)}" height="22" rx="3"'
                f' fill="{_colour(colour)}" fill-opacity="{0 if faint else 0.16}" stroke="{_colour(colour)}"'
                f' stroke-opacity="{0.6 if faint else 1}"{dash}/>'
            )
            label = strip.first if first else str(cell.index)
            self._text(
                box.x + 16 + cell.x + cell.width / 2,
                y + 47,
                label,
                anchor="middle",
                mono=True,
                colour=None if faint else colour,
                soft=faint,
            )
        return box

    def _join(self, block: Block, numbers: MeasuredBlock, x: float, y: float) -> _Box:
        assert block.side is not None
        side = block.side
        chip = _Box(x + _FRAME_INSET + 4, y, 134, 48)
        self._card(chip, side.colour, opacity=0.12)
        self._text(chip.x + 12, y + 20, side.label, size=13, bold=True, colour=side.colour)
        self._text(chip.x + 12, y + 37, _times(numbers.side_shape), mono=True)
        centre = x + _CENTRE
        self._arrow([(chip.right, chip.middle), (centre - 12, chip.middle)], side.colour)
        box = _Box(centre - 12, chip.middle - 12, 24, 24)
        self._line([(centre, y), (centre, box.y)])
        self._circle(box, side.symbol, side.colour)
        self._line([(centre, box.bottom), (centre, chip.bottom)])
        self._text(centre + 22, chip.middle + 4, block.label, size=_TEXT)
        return _Box(box.x, y, box.width, chip.height)

    def _add(self, block: Block, _numbers: MeasuredBlock, x: float, y: float) -> _Box:
        box = _Box(x + _CENTRE - 11, y, 22, 22)
        self._circle(box, "+", block.colour)
        return box

    def _circle(self, box: _Box, symbol: str, colour: str) -> None:
        radius = box.width / 2
        self.above.append(
            f'<circle cx="{_n(box.centre)}" cy="{_n(box.middle)}" r="{_n(radius)}" fill="var(--ld-card)"'
            f' stroke="{_colour(colour)}" stroke-width="1.4"/>'
        )
        if symbol == "+":
            arm = radius * 0.5
            self.above.append(
                f'<path d="M{_n(box.centre - arm)} {_n(box.middle)} h{_n(2 * arm)} M{_n(box.centre)}'
                f' {_n(box.middle - arm)} v{_n(2 * arm)}" stroke="{_colour(colour)}" stroke-width="1.6" fill="none"/>'
            )
        elif symbol == "front":
            self.above.append(
                f'<path d="M{_n(box.centre - 7)} {_n(box.middle - 2.5)} h4 v5 h-4 z" fill="{_colour(colour)}"/>'
                f'<path d="M{_n(box.centre - 1)} {_n(box.middle - 2)} h3.4 v4 h-3.4 z m5 0 h3.4 v4 h-3.4 z"'
                f' fill="none" stroke="{_colour("hidden")}"/>'
            )
        elif symbol == "instead":
            self.above.append(
                f'<path d="M{_n(box.centre - 7)} {_n(box.middle - 2)} h3.4 v4 h-3.4 z m10.6 0 h3.4 v4 h-3.4 z" fill="none"'
                f' stroke="{_colour("hidden")}"/>'
                f'<path d="M{_n(box.centre - 2)} {_n(box.middle - 2.5)} h4 v5 h-4 z" fill="{_colour(colour)}"/>'
            )
        else:
            self._text(box.centre, box.middle + 4.5, symbol, size=13, anchor="middle", mono=True, colour=colour)

    def _attention(self, block: Block, numbers: MeasuredBlock, x: float, y: float) -> _Box:
        box = _Box(x + _LEFT, y, _WIDTH, 244)
        self._card(box, block.colour)
        self._text(box.x + 16, y + 22, block.label, size=_LABEL, bold=True)
        heads = f"{numbers.heads} {'head' if numbers.heads == 1 else 'heads'}, each {numbers.head_width} wide"
        self._text(box.x + 16, y + 40, heads, size=_TEXT, soft=True, fit=150)
        self._parameters(numbers, box.right - 12, y + 40)
        left, gap = box.x + 16, 10.0
        width = (_WIDTH - 28 - 2 * gap) / 3
        chips = [_Box(left + i * (width + gap), y + 52, width, 42) for i in range(3)]
        for chip, name in zip(chips, ("query", "key", "value"), strict=True):
            self._card(chip, name, opacity=0.1, bar=False)
            self._text(chip.centre, chip.y + 17, name, size=12.5, bold=True, anchor="middle", colour=name)
            self._heads(_Box(chip.x + 8, chip.y + 25, chip.width - 16, 9), numbers.heads, name)
        query, key, value = chips
        scores = _Box(left, y + 116, 2 * width + gap, 62)
        for chip, name in ((query, "query"), (key, "key")):
            self._arrow([(chip.centre, chip.bottom), (chip.centre, scores.y)], name, inside=True)
        self._card(scores, block.colour, opacity=0.12, bar=False)
        formula = f"softmax(query · key / √{numbers.head_width})"
        self._text(scores.centre, scores.y + 18, formula, size=_TEXT, anchor="middle", fit=scores.width - 8)
        self._text(scores.centre, scores.y + 36, _times(numbers.weights_shape), size=12.5, mono=True, anchor="middle")
        self._text(scores.centre, scores.y + 51, "batch × heads × query × key", anchor="middle", soft=True)
        times = _Box(value.centre - 11, scores.middle - 11, 22, 22)
        self._arrow([(value.centre, value.bottom), (value.centre, times.y)], "value", inside=True)
        self._arrow([(scores.right, scores.middle), (times.x, scores.middle)], block.colour, inside=True)
        self._circle(times, "×", block.colour)
        joined = _Box(left, y + 200, _WIDTH - 28, 32)
        self._arrow([(value.centre, times.bottom), (value.centre, joined.y)], block.colour, inside=True)
        self._card(joined, block.colour, opacity=0.06, bar=False)
        self._text(joined.x + 10, joined.y + 20.5, "heads joined, projected", size=_TEXT)
        widths = " → ".join(str(size) for size in numbers.widths)
        self._text(joined.right - 10, joined.y + 20.5, widths, mono=True, anchor="end")
        return box

    def _heads(self, box: _Box, count: int, colour: str) -> None:
        gap = 2.0 if count <= 16 else 1.0
        width = (box.width - gap * (count - 1)) / count
        for index in range(count):
            self.above.append(
                f'<rect x="{_n(box.x + index * (width + gap))}" y="{_n(box.y)}" width="{_n(width)}"'
                f' height="{_n(box.height)}" rx="1.5" fill="{_colour(colour)}" fill-opacity="0.75"/>'
            )

    # Connections

    def _residual(self, around: _Box, branch: float, to: _Box) -> None:
        centre, lane = to.centre, to.centre - _CENTRE + _LANE
        self.below.append(f'<circle cx="{_n(centre)}" cy="{_n(branch)}" r="2.6" fill="{_colour("hidden")}"/>')
        self._arrow([(centre, branch), (lane, branch), (lane, to.middle), (to.right, to.middle)], "hidden")
        self._turned(lane + 11, (branch + to.middle) / 2, "residual", "hidden")

    def _link(self, start: _Box, end: _Box, label: str, colour: str, number: int) -> None:
        if self.stacked or end.x <= start.x:
            lane = min(start.x, end.x) - 14 - 8 * number
            self._arrow(
                [(start.x, start.middle), (lane, start.middle), (lane, end.middle), (end.x, end.middle)], colour
            )
            self._turned(lane - 4, (start.middle + end.middle) / 2, label, colour)
        else:
            gutter = COLUMN + (start.x // (COLUMN + _GUTTER)) * (COLUMN + _GUTTER)
            lane = gutter + _GUTTER / 2 + 10 * number
            self._arrow(
                [(start.right, start.middle), (lane, start.middle), (lane, end.middle), (end.x, end.middle)], colour
            )
            self._turned(lane - 5, (start.middle + end.middle) / 2, label, colour)

    def _line(self, points: Sequence[tuple[float, float]], colour: str | None = None, *, inside: bool = False) -> None:
        stroke = _colour(colour) if colour else "var(--ld-line-strong)"
        (self.above if inside else self.below).append(
            f'<path d="{_rounded(points)}" fill="none" stroke="{stroke}" stroke-width="1.4"/>'
        )

    def _arrow(self, points: Sequence[tuple[float, float]], colour: str | None = None, *, inside: bool = False) -> None:
        (x0, y0), (x1, y1) = points[-2:]
        length = max(abs(x1 - x0), abs(y1 - y0)) or 1.0
        dx, dy = (x1 - x0) / length, (y1 - y0) / length
        back = (x1 - 6 * dx, y1 - 6 * dy)
        self._line([*points[:-1], back], colour, inside=inside)
        corners = [(x1, y1), (back[0] - 3.5 * dy, back[1] + 3.5 * dx), (back[0] + 3.5 * dy, back[1] - 3.5 * dx)]
        fill = _colour(colour) if colour else "var(--ld-line-strong)"
        (self.above if inside else self.below).append(
            f'<polygon points="{" ".join(f"{_n(x)},{_n(y)}" for x, y in corners)}" fill="{fill}"/>'
        )

    # Parts

    def _card(self, box: _Box, colour: str, *, opacity: float = 0.0, bar: bool = True) -> None:
        paint = _colour(colour)
        place = f'x="{_n(box.x)}" y="{_n(box.y)}" width="{_n(box.width)}" height="{_n(box.height)}" rx="{_n(_ROUND)}"'
        self.above.append(f'<rect class="ld-diagram__card" {place} fill="var(--ld-card)" stroke="var(--ld-line)"/>')
        if opacity:
            self.above.append(
                f'<rect {place} fill="{paint}" fill-opacity="{opacity}" stroke="{paint}" stroke-opacity="0.5"/>'
            )
        if bar:
            self.above.append(
                f'<path d="M{_n(box.x + 5)} {_n(box.y)} h-1 a4 {_n(_ROUND)} 0 0 0 -4 {_n(_ROUND)}'
                f' v{_n(box.height - 2 * _ROUND)} a4 {_n(_ROUND)} 0 0 0 4 {_n(_ROUND)} h1 z" fill="{paint}"/>'
            )

    def _badge(self, right: float, y: float, label: str, colour: str) -> None:
        width = 16 + 8.2 * len(label)
        self.above.append(
            f'<rect x="{_n(right - width)}" y="{_n(y)}" width="{_n(width)}" height="20" rx="10" fill="{_colour(colour)}"/>'
            f'<text x="{_n(right - width / 2)}" y="{_n(y + 14.5)}" text-anchor="middle" font-size="13"'
            f' font-weight="600" class="ld-diagram__mono" fill="var(--ld-paper)">{escape(label)}</text>'
        )

    def _parameters(self, numbers: MeasuredBlock, x: float, y: float) -> None:
        if numbers.parameters is not None:
            self._text(x, y, f"{numbers.parameters:,} parameters", anchor="end", soft=True)

    def _turned(self, x: float, y: float, text: str, colour: str) -> None:
        if text:
            self.above.append(
                f'<text transform="translate({_n(x)} {_n(y)}) rotate(-90)" text-anchor="middle"'
                f' font-size="{_n(_SMALL)}" fill="{_colour(colour)}">{escape(text)}</text>'
            )

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = _SMALL,
        anchor: str = "start",
        bold: bool = False,
        mono: bool = False,
        soft: bool = False,
        colour: str | None = None,
        fit: float = 0,
    ) -> None:
        """One line of text; `fit` is the width that it must not exceed."""
        fill = _colour(colour) if colour else f"var(--ld-{'fg-soft' if soft else 'fg'})"
        attributes = [f'x="{_n(x)}" y="{_n(y)}" font-size="{_n(size)}" fill="{fill}"']
        if anchor != "start":
            attributes.append(f'text-anchor="{anchor}"')
        if bold:
            attributes.append('font-weight="600"')
        if mono:
            attributes.append('class="ld-diagram__mono"')
        if fit and _text_width(text, size) > fit:
            attributes.append(f'textLength="{_n(fit)}" lengthAdjust="spacingAndGlyphs"')
        self.above.append(f"<text {' '.join(attributes)}>{escape(text)}</text>")


@dataclass(frozen=True)
class _Cell:
    index: int | None
    """None for the cells that are left out."""
    x: float
    width: float


def _cells(count: int, with_first: bool, room: float) -> list[_Cell]:
    """Where the cells of a strip stand: all of them if there is room, else the first few and the last."""
    gap, wide = 4.0, 44.0
    digits = len(str(count))
    narrow = 12.0 + 7.0 * digits
    first = wide if with_first else narrow
    fitting = 1 + int((room - first) // (narrow + gap))
    if count <= fitting:
        indices: list[int | None] = list(range(count))
    else:
        indices = [*range(fitting - 2), None, count - 1]
    cells, x = [], 0.0
    for index in indices:
        width = first if index == 0 else narrow
        cells.append(_Cell(index, x, width))
        x += width + gap
    return cells


def _rounded(points: Sequence[tuple[float, float]], radius: float = 8.0) -> str:
    """A path through points along right angles, with round corners."""
    path = [f"M{_n(points[0][0])} {_n(points[0][1])}"]
    for before, here, after in zip(points, points[1:], points[2:], strict=False):
        start, end = _towards(here, before, radius), _towards(here, after, radius)
        path.append(f"L{_n(start[0])} {_n(start[1])} Q{_n(here[0])} {_n(here[1])} {_n(end[0])} {_n(end[1])}")
    path.append(f"L{_n(points[-1][0])} {_n(points[-1][1])}")
    return " ".join(path)


def _towards(point: tuple[float, float], other: tuple[float, float], distance: float) -> tuple[float, float]:
    dx, dy = other[0] - point[0], other[1] - point[1]
    length = (dx * dx + dy * dy) ** 0.5 or 1.0
    step = min(distance, length / 2) / length
    return point[0] + dx * step, point[1] + dy * step


def _colour(name: str) -> str:
    return f"var(--ld-{name})"


def _times(shape: Sequence[int]) -> str:
    return " × ".join(str(size) for size in shape)


def _text_width(text: str, size: float) -> float:
    """About the width of a line in the page's sans serif; a little too wide rather than too narrow."""
    units = 0.0
    for letter in text:
        if letter in " .,:;'|!ijlIft()[]/":
            units += 0.33
        elif letter in "mwMW%":
            units += 0.88
        else:
            units += 0.65 if letter.isupper() else 0.58
    return units * size


def _n(value: float) -> str:
    """A number as short as it can be written."""
    return f"{value:.2f}".rstrip("0").rstrip(".")
