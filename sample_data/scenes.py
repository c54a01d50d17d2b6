"""Small three-dimensional scenes, rendered with NumPy alone, with every label known exactly.

One integer seed fixes a scene: a tiled floor, a back wall, a sun, a camera, and one to six
objects of five classes, ten colours and two materials. `render` casts rays at it and returns the
picture together with what a vision task needs as its ground truth: classes, boxes, instance
masks, visible fractions, a segment map and the metric depth of every pixel.

The geometry is drawn before the picture size is known, so a seed shows the same scene at every
size. Lengths are in metres: x to the right, y up, z away from the camera. The floor is y = 0 and
its tiles are always 0.5 m apart, so that a picture carries its own scale.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

Kind = Literal["scene", "subject"]
Split = Literal["train", "validation", "test"]
Floats = NDArray[np.float32]

RENDERER_VERSION = 1
"""Part of every cache key: raise it whenever a change alters a picture or a label."""

LABELS: tuple[str, ...] = ("cone", "cube", "cylinder", "sphere", "torus")
"""The classes, in the order of the checkpoints' label ids."""

COLOURS: dict[str, str] = {
    "black": "#26282e",
    "blue": "#1d5fe0",
    "green": "#15883e",
    "lime": "#97d00f",
    "orange": "#f57a0a",
    "pink": "#f0579f",
    "purple": "#7a2fc4",
    "red": "#d3202b",
    "turquoise": "#0fb3b0",
    "yellow": "#f8c60c",
}
"""Colour names and their sRGB values. There is no white: it is too weak on pale floors."""

MATERIALS: tuple[str, ...] = ("matte", "metal")
STUFF: tuple[str, ...] = ("floor", "wall")
"""Names of segments 0 and 1; segment 2 + i is object i."""

KINDS: tuple[Kind, ...] = ("scene", "subject")
MAX_OBJECTS = 6
MIN_SIZE = 16

SPLIT_SIZE = 10_000_000
SPLITS: tuple[Split, ...] = ("train", "validation", "test")
_MAX_SEED = 2**31

_TILE = 0.5
_HALF_VIEW = math.tan(math.radians(18.5))
_EPSILON = np.float32(1e-3)
_DIM = np.float32(0.74)  # floors and walls stay darker than the objects' highlights
_PROBE = 64
_SHADOW_RAYS = 3
_SUN_RADIUS = 0.05


@dataclass(frozen=True)
class SceneObject:
    """One object of a scene, as it appears in the picture.

    Attributes:
        label: Its class, one of `LABELS`.
        colour: Its colour, a key of `COLOURS`.
        material: "matte" or "metal".
        box: (x0, y0, x1, y1) in pixels around the visible part, x1 and y1 exclusive: the box of
            a single pixel (3, 5) is (3, 5, 4, 6). None where no pixel shows the object.
        mask: Boolean [height, width], true where the object is what the pixel shows.
        visible: Visible pixels divided by those it would cover alone on an unbounded picture;
            what others hide or the frame cuts off counts as invisible.
        position: Centre (x, y, z) in metres.
        size: Extent in metres: the largest diameter, or the edge length of a cube.
    """

    label: str
    colour: str
    material: str
    box: tuple[int, int, int, int] | None
    mask: NDArray[np.bool_]
    visible: float
    position: tuple[float, float, float]
    size: float


@dataclass(frozen=True)
class Scene:
    """A rendered scene with its ground truth.

    Attributes:
        seed: The integer it was rendered from.
        kind: "scene" or "subject".
        image: sRGB, uint8 [size, size, 3].
        depth: Distance along the optical axis in metres, float32 [size, size], taken at the
            centre of each pixel; finite everywhere because the wall closes the view.
        segments: int64 [size, size]: 0 floor, 1 wall, 2 + i object i.
        objects: The objects, the subject first where there is one.
    """

    seed: int
    kind: Kind
    image: NDArray[np.uint8]
    depth: Floats
    segments: NDArray[np.int64]
    objects: tuple[SceneObject, ...]

    @property
    def subject(self) -> SceneObject:
        """The main object of a picture of kind "subject"; ValueError for other kinds."""
        if self.kind != "subject":
            raise ValueError('only scenes of kind "subject" have a subject; render one of those')
        return self.objects[0]


def split(name: str, index: int) -> int:
    """Seed number `index` of a split; no seed belongs to two splits.

    Train seeds are 0 to 9,999,999, validation seeds start at 10,000,000 and test seeds at
    20,000,000.

    Raises:
        ValueError: For an unknown split, or an index outside 0 to 9,999,999.
    """
    if name not in SPLITS:
        raise ValueError(f"unknown split {name!r}: use one of {', '.join(SPLITS)}")
    if not 0 <= index < SPLIT_SIZE:
        raise ValueError(f"index {index} is outside a split: use 0 to {SPLIT_SIZE - 1}")
    return SPLITS.index(name) * SPLIT_SIZE + index


# --- geometry -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Body:
    """A solid at rest on the floor; `turn` maps its own axes (columns) to the world's."""

    label: str
    colour: str
    material: str
    centre: Floats
    turn: Floats
    a: float  # radius, half edge, or major radius
    b: float  # half height, or minor radius

    @property
    def bound(self) -> float:
        """Radius of a sphere around the centre that holds the whole body."""
        if self.label == "sphere":
            return self.a
        if self.label == "cube":
            return self.a * math.sqrt(3)
        if self.label == "torus":
            return self.a + self.b
        return math.hypot(self.a, self.b)

    @property
    def size(self) -> float:
        if self.label == "torus":
            return 2 * (self.a + self.b)
        if self.label in ("cylinder", "cone"):
            return 2 * max(self.a, self.b)
        return 2 * self.a

    @property
    def footprint(self) -> float:
        """Radius on the floor that other bodies keep clear of."""
        if self.label == "cube":
            return self.a * math.sqrt(2)
        if self.label == "cone" or (self.label == "cylinder" and abs(self.turn[1, 1]) > 0.5):
            return self.a
        return self.bound


@dataclass(frozen=True)
class _Layout:
    """Everything a seed decides, before any pixel."""

    eye: Floats
    axes: Floats  # columns: right, up, forward
    sun: Floats
    wall: float  # z of the back wall
    floor: str
    floor_tones: tuple[Floats, Floats]
    floor_turn: float
    wall_tone: Floats
    bodies: tuple[_Body, ...]


def _linear(colour: str) -> Floats:
    """Linear RGB of an sRGB colour written #rrggbb."""
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255
    low = value / 12.92
    high = ((value + 0.055) / 1.055) ** 2.4
    return np.where(value <= 0.04045, low, high).astype(np.float32)


_TINTS: dict[str, Floats] = {name: _linear(value) for name, value in COLOURS.items()}

# Quiet tones throughout, so that every object colour stands out from every floor and wall.
_FLOORS: dict[str, tuple[tuple[str, str], ...]] = {
    "checker": (("#d9d3c7", "#a59c8e"), ("#cfd6da", "#93a0a9"), ("#dccbb9", "#a98f7b")),
    "tiles": (("#cdc6ba", "#a39b8e"), ("#b9c3c6", "#8d999e"), ("#d8c9bd", "#b09d8f")),
    "planks": (("#c3a27c", "#8f7353"), ("#a98b6d", "#7b634c"), ("#cdb699", "#9c8669")),
    "hexagons": (("#c9cfc8", "#9aa49b"), ("#d6cdc6", "#a89b93"), ("#c2c6d0", "#9196a5")),
}
FLOORS: tuple[str, ...] = tuple(_FLOORS)
"""Names of the four floors."""

_WALLS = ("#dfe4e6", "#e8dfd3", "#cfd9d2", "#e3d3cc", "#c7d1dc", "#d9d2e0")


def _turn_y(angle: float) -> Floats:
    c, s = math.cos(angle), math.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)


_LAID = np.array([[0, 1, 0], [-1, 0, 0], [0, 0, 1]], np.float32)  # own y axis along world x
_STOOD = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]], np.float32)  # own y axis along world z


def _body(rng: np.random.Generator, label: str, scale: float, x: float, z: float, colour: str) -> _Body:
    """A body of roughly the given radius, at rest on the floor at (x, z)."""
    material = MATERIALS[int(rng.random() < 0.4)]
    yaw = float(rng.uniform(-math.pi, math.pi))
    stretch = float(rng.uniform(0.85, 1.15))
    pose = float(rng.random())
    turn = _turn_y(yaw)
    a = b = scale
    height = scale
    if label == "sphere":
        turn = np.eye(3, dtype=np.float32)
    elif label == "cube":
        a = b = height = 0.84 * scale
    elif label == "cylinder":
        a, b = 0.68 * scale / stretch, 0.95 * scale * stretch
        height = b
        if pose < 0.3:
            # Lying down, never end-on: the length has to show for the shape to be clear.
            side = math.copysign(float(rng.uniform(0.25, 0.75)), yaw)
            turn = _turn_y(side) @ _LAID
            height = a
    elif label == "cone":
        a, b = 0.86 * scale / stretch, 1.02 * scale * stretch
        height = b
    else:
        a, b = 0.86 * scale, 0.86 * scale * float(rng.uniform(0.3, 0.42))
        height = b
        turn = np.eye(3, dtype=np.float32)
        if pose < 0.45:
            # Standing, turned by at most 45 degrees, so that the hole stays open to the camera.
            turn = _turn_y(yaw / 4) @ _STOOD
            height = a + b
    centre = np.array([x, height, z], np.float32)
    return _Body(label, colour, material, centre, turn.astype(np.float32), a, b)


def _stage(rng: np.random.Generator) -> _Layout:
    """Camera, light, floor and wall, without objects."""
    eye = np.array([rng.uniform(-0.25, 0.25), rng.uniform(1.9, 2.6), 0], np.float32)
    aim = np.array([0, rng.uniform(0.42, 0.55), 5.9], np.float32)
    forward = (aim - eye) / np.linalg.norm(aim - eye)
    right = np.cross(np.array([0, 1, 0], np.float32), forward)
    right /= np.linalg.norm(right)
    up = np.cross(forward, right)
    side = float(rng.choice([-1.0, 1.0]))
    around, above = rng.uniform(0.5, 1.15), rng.uniform(0.72, 0.98)
    sun = np.array(
        [
            side * math.sin(around) * math.cos(above),
            math.sin(above),
            -math.cos(around) * math.cos(above),
        ],
        np.float32,
    )
    floor = FLOORS[int(rng.integers(len(FLOORS)))]
    tones = _FLOORS[floor][int(rng.integers(len(_FLOORS[floor])))]
    return _Layout(
        eye=eye,
        axes=np.stack([right, up, forward], axis=1).astype(np.float32),
        sun=sun,
        wall=float(rng.uniform(8.6, 10.2)),
        floor=floor,
        floor_tones=(_linear(tones[0]) * _DIM, _linear(tones[1]) * _DIM),
        floor_turn=float(rng.uniform(-0.5, 0.5)) + (math.pi / 4 if rng.random() < 0.3 else 0.0),
        wall_tone=_linear(_WALLS[int(rng.integers(len(_WALLS)))]) * _DIM,
        bodies=(),
    )


def _clear(body: _Body, others: Iterable[_Body], gap: float) -> bool:
    """Whether a body stands at least `gap` metres apart from all others."""
    return all(
        math.hypot(*(body.centre - other.centre)[[0, 2]]) > body.footprint + other.footprint + gap for other in others
    )


def _draw_scene(rng: np.random.Generator) -> _Layout:
    """Two to six objects anywhere in view; overlap and cuts by the frame are welcome."""
    count = int(rng.integers(2, MAX_OBJECTS + 1))
    stage = _stage(rng)
    colours = rng.permutation(list(COLOURS))
    while True:
        bodies: list[_Body] = []
        for i in range(count):
            for _ in range(30):
                z = float(rng.uniform(4.5, 7.7))
                x = float(rng.uniform(-1, 1)) * (0.33 * z + 0.1)
                label = LABELS[int(rng.integers(len(LABELS)))]
                body = _body(rng, label, float(rng.uniform(0.3, 0.62)), x, z, str(colours[i]))
                if _clear(body, bodies, 0.06):
                    bodies.append(body)
                    break
        layout = _with(stage, bodies)
        if len(bodies) == count and min(_areas(layout)[1]) >= 0.2:
            return layout


def _draw_subject(rng: np.random.Generator) -> _Layout:
    """One large object; in two of five scenes one or two clearly smaller ones beside it."""
    # What must stay balanced is drawn once, outside the loop that rejects arrangements.
    label = LABELS[int(rng.integers(len(LABELS)))]
    others = int(rng.integers(1, 3)) if rng.random() < 0.4 else 0
    stage = _stage(rng)
    colours = rng.permutation(list(COLOURS))
    while True:
        z = float(rng.uniform(5.0, 6.5))
        x = float(rng.uniform(-1, 1)) * 0.75
        bodies = [_body(rng, label, float(rng.uniform(0.58, 0.88)), x, z, str(colours[0]))]
        for i in range(others):
            for _ in range(30):
                away = float(rng.uniform(4.8, 7.8))
                side = float(rng.uniform(-1, 1)) * 0.3 * away
                small = LABELS[int(rng.integers(len(LABELS)))]
                scale = float(rng.uniform(0.24, 0.36))
                body = _body(rng, small, scale, side, away, str(colours[1 + i]))
                if _clear(body, bodies, 0.06):
                    bodies.append(body)
                    break
        layout = _with(stage, bodies)
        areas, visible, inside = _areas(layout)
        rest = areas[1:]
        if (
            len(bodies) == 1 + others
            and inside[0]
            and visible[0] >= 0.93
            and areas[0] >= 0.05 * _PROBE**2
            and (not rest or (areas[0] >= 2.3 * max(rest) and min(visible[1:]) >= 0.35))
        ):
            return layout


def _with(stage: _Layout, bodies: Sequence[_Body]) -> _Layout:
    return _Layout(**{**stage.__dict__, "bodies": tuple(bodies)})


def _areas(layout: _Layout) -> tuple[list[int], list[float], list[bool]]:
    """Pixels, visible fraction and uncut-ness of every body, on a probe of fixed size."""
    _, owner = _primary(layout, _PROBE, 1)
    full = [_alone(layout, body, _PROBE) for body in layout.bodies]
    areas = [int((owner == 2 + i).sum()) for i in range(len(layout.bodies))]
    visible = [area / max(1, total) for area, (total, _) in zip(areas, full, strict=True)]
    return areas, visible, [inside for _, inside in full]


def _draw(seed: int, kind: Kind) -> _Layout:
    rng = np.random.default_rng([seed, KINDS.index(kind)])
    return _draw_scene(rng) if kind == "scene" else _draw_subject(rng)


# --- rays ---------------------------------------------------------------------------------------


def _dot(a: Floats, b: Floats) -> Floats:
    result: Floats = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
    return result


def _unit(a: Floats) -> Floats:
    length: Floats = np.sqrt(_dot(a, a))
    return a / length


def _hit(body: _Body, origin: Floats, direction: Floats) -> Floats:
    """Distance to a body along unit rays; origins [3, n] or [3, 1], result [n], inf for a miss.

    Rays start outside the body, so the nearest crossing is the one that counts.
    """
    o = body.turn.T @ (origin - body.centre[:, None])
    d = body.turn.T @ direction
    with np.errstate(divide="ignore", invalid="ignore"):
        if body.label == "sphere":
            t = _hit_sphere(o, d, body.a)
        elif body.label == "cube":
            t = _hit_cube(o, d, body.a)
        elif body.label == "cylinder":
            t = _hit_cylinder(o, d, body.a, body.b)
        elif body.label == "cone":
            t = _hit_cone(o, d, body.a, body.b)
        else:
            t = _hit_torus(o, d, body.a, body.b)
    return t


def _first(t: Floats, valid: NDArray[np.bool_]) -> Floats:
    return np.where(valid & (t > _EPSILON), t, np.float32(np.inf))


def _hit_sphere(o: Floats, d: Floats, radius: float) -> Floats:
    b = _dot(o, d)
    inside = b * b - (_dot(o, o) - np.float32(radius**2))
    return _first(-b - np.sqrt(np.maximum(inside, 0)), inside >= 0)


def _hit_cube(o: Floats, d: Floats, half: float) -> Floats:
    inverse = 1 / np.where(np.abs(d) < 1e-9, np.float32(1e-9), d)
    reach = np.float32(half) * np.abs(inverse)
    middle = -o * inverse
    near = (middle - reach).max(axis=0)
    far = (middle + reach).min(axis=0)
    return _first(near, near <= far)


def _hit_cylinder(o: Floats, d: Floats, radius: float, half: float) -> Floats:
    a = d[0] ** 2 + d[2] ** 2
    b = o[0] * d[0] + o[2] * d[2]
    c = o[0] ** 2 + o[2] ** 2 - np.float32(radius**2)
    inside = b * b - a * c
    side = (-b - np.sqrt(np.maximum(inside, 0))) / a
    side = _first(side, (inside >= 0) & (np.abs(o[1] + side * d[1]) <= half))
    cap = (-np.sign(d[1]) * np.float32(half) - o[1]) / d[1]
    across = (o[0] + cap * d[0]) ** 2 + (o[2] + cap * d[2]) ** 2
    return np.minimum(side, _first(cap, across <= radius**2))


def _hit_cone(o: Floats, d: Floats, radius: float, half: float) -> Floats:
    slope = np.float32((radius / (2 * half)) ** 2)
    drop, fall = np.float32(half) - o[1], -d[1]  # how far below the apex, and its rate
    a = d[0] ** 2 + d[2] ** 2 - slope * fall**2
    b = o[0] * d[0] + o[2] * d[2] - slope * drop * fall
    c = o[0] ** 2 + o[2] ** 2 - slope * drop**2
    inside = b * b - a * c
    root = np.sqrt(np.maximum(inside, 0))
    best = np.full(np.shape(inside), np.inf, np.float32)
    for t in ((-b - root) / a, (-b + root) / a):
        below = drop + t * fall
        best = np.minimum(best, _first(t, (inside >= 0) & (below >= 0) & (below <= 2 * half)))
    cap = (-np.float32(half) - o[1]) / d[1]
    across = (o[0] + cap * d[0]) ** 2 + (o[2] + cap * d[2]) ** 2
    return np.minimum(best, _first(cap, across <= radius**2))


def _hit_torus(o: Floats, d: Floats, major: float, minor: float) -> Floats:
    """By sphere tracing: the distance to a torus is known exactly, so a step never overshoots."""
    count = d.shape[1]
    result = np.full(count, np.inf, np.float32)
    b = _dot(o, d)
    inside = b * b - (_dot(o, o) - np.float32((major + minor) ** 2))
    index = np.flatnonzero((inside > 0) & (-b + np.sqrt(np.maximum(inside, 0)) > 0))
    if index.size == 0:
        return result
    o = np.broadcast_to(o, (3, count))[:, index]
    d = d[:, index]
    half = np.sqrt(inside[index])
    t = np.maximum(-b[index] - half, 4 * _EPSILON)
    end = -b[index] + half
    for _ in range(64):
        x, y, z = o[0] + t * d[0], o[1] + t * d[1], o[2] + t * d[2]
        ring = np.sqrt(x * x + z * z) - np.float32(major)
        gap = np.sqrt(ring * ring + y * y) - np.float32(minor)
        t = t + gap
        near = gap < 4e-4
        result[index[near]] = t[near]
        go = ~near & (t < end)
        if not go.any():
            break
        index, o, d, t, end = index[go], o[:, go], d[:, go], t[go], end[go]
    return result


def _normal(body: _Body, point: Floats) -> Floats:
    """Outward unit normals [3, n] at points on a body, rounded near sharp edges.

    The rounding is shading only: it lets an edge catch the light as a real one does.
    """
    p = body.turn.T @ (point - body.centre[:, None])
    if body.label == "sphere":
        n = p
    elif body.label == "cube":
        bevel = np.float32(0.05)
        n = np.sign(p) * np.maximum(np.abs(p) / np.float32(body.a) - (1 - bevel), 0) ** 2
    elif body.label == "torus":
        ring = np.sqrt(p[0] ** 2 + p[2] ** 2)
        n = p - np.stack([p[0], np.zeros_like(ring), p[2]]) * (np.float32(body.a) / ring)
    elif body.label == "cylinder":
        ring = np.sqrt(p[0] ** 2 + p[2] ** 2) + np.float32(1e-9)
        bevel = np.float32(0.06 * body.a)
        out = np.maximum(ring - (body.a - bevel), 0) ** 2 / ring
        flat = np.sign(p[1]) * np.maximum(np.abs(p[1]) - (body.b - bevel), 0) ** 2
        n = np.stack([p[0] * out, flat, p[2] * out])
    else:
        ring = np.sqrt(p[0] ** 2 + p[2] ** 2) + np.float32(1e-9)
        base = p[1] < -body.b + 1e-3
        rise = np.float32(body.a)
        run = np.float32(2 * body.b)
        n = np.stack([p[0] / ring * run, np.full_like(ring, rise), p[2] / ring * run])
        n = np.where(base, np.array([[0], [-1], [0]], np.float32), n)
    return body.turn @ _unit(n + np.float32(1e-12))


def _window(layout: _Layout, body: _Body) -> tuple[float, float, float, float]:
    """Bounds of a body on the image plane (u0, u1, v0, v1), where the picture spans -1 to 1."""
    x, y, z = layout.axes.T @ (body.centre - layout.eye)
    bounds = []
    for offset in (x, -y):
        middle = math.atan2(offset, z)
        half = math.asin(min(0.999, body.bound / math.hypot(offset, z)))
        bounds += [math.tan(middle - half) / _HALF_VIEW, math.tan(middle + half) / _HALF_VIEW]
    return bounds[0], bounds[1], bounds[2], bounds[3]


def _rays(layout: _Layout, u: Floats, v: Floats) -> Floats:
    """Unit directions [3, rows * columns] through image-plane columns u and rows v."""
    right, up, forward = layout.axes.T
    across = np.float32(_HALF_VIEW) * u
    down = np.float32(_HALF_VIEW) * v
    d = forward[:, None, None] + right[:, None, None] * across[None, None, :] - up[:, None, None] * down[None, :, None]
    return _unit(d.reshape(3, -1)).astype(np.float32)


def _grid(size: int, samples: int) -> Floats:
    """Positions on the image plane of size * samples evenly spaced rows (or columns)."""
    count = size * samples
    return ((np.arange(count, dtype=np.float32) + 0.5) * (2 / count) - 1).astype(np.float32)


def _alone(layout: _Layout, body: _Body, size: int) -> tuple[int, bool]:
    """Pixels that a body would cover alone on an unbounded picture, and whether it fits inside."""
    u0, u1, v0, v1 = _window(layout, body)
    ticks = []
    for low, high in ((u0, u1), (v0, v1)):
        start = math.floor((low + 1) * size / 2) - 1
        stop = math.ceil((high + 1) * size / 2) + 1
        ticks.append(((np.arange(start, stop) + 0.5) * (2 / size) - 1).astype(np.float32))
    u, v = ticks
    hit = np.isfinite(_hit(body, layout.eye[:, None], _rays(layout, u, v)))
    hit = hit.reshape(len(v), len(u))
    inside = (np.abs(v) < 1)[:, None] & (np.abs(u) < 1)[None, :]
    return int(hit.sum()), not bool((hit & ~inside).any())


def _background(layout: _Layout, origin: Floats, d: Floats) -> tuple[Floats, NDArray[np.int64]]:
    """Distance to the floor (0) or the wall (1), whichever a ray meets first; inf and -1: none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(d[1] < -1e-6, -origin[1] / d[1], np.float32(np.inf))
        wall = np.where(d[2] > 1e-6, (np.float32(layout.wall) - origin[2]) / d[2], np.inf)
    t = np.minimum(floor, wall).astype(np.float32)
    owner = np.where(np.isfinite(t), (wall < floor).astype(np.int64), -1)
    return t, owner


def _primary(layout: _Layout, size: int, samples: int) -> tuple[Floats, NDArray[np.int64]]:
    """Distance and segment [rows * columns] of the camera's rays."""
    ticks = _grid(size, samples)
    d = _rays(layout, ticks, ticks)
    count = len(ticks)
    t, owner = _background(layout, layout.eye[:, None], d)
    t, owner = t.reshape(count, count), owner.reshape(count, count)
    rays = d.reshape(3, count, count)
    for i, body in enumerate(layout.bodies):
        u0, u1, v0, v1 = _window(layout, body)
        left, right = np.searchsorted(ticks, [u0, u1])
        top, bottom = np.searchsorted(ticks, [v0, v1])
        if left >= right or top >= bottom:
            continue
        part = np.s_[top:bottom, left:right]
        block = rays[:, top:bottom, left:right].reshape(3, -1)
        hit = _hit(body, layout.eye[:, None], block).reshape(bottom - top, right - left)
        closer = hit < t[part]
        t[part][closer] = hit[closer]
        owner[part][closer] = 2 + i
    return t.ravel(), owner.ravel()


# --- light --------------------------------------------------------------------------------------

_SUN = np.array([1.0, 0.93, 0.82], np.float32)[:, None] * np.float32(2.25)
_SKY = np.array([0.80, 0.90, 1.0], np.float32)[:, None] * np.float32(0.62)


def _hash(i: Floats, j: Floats) -> Floats:
    """A fixed pseudo-random number from 0 to 1 for every pair of whole numbers."""
    a = i.astype(np.int64).astype(np.uint32) * np.uint32(374761393)
    b = j.astype(np.int64).astype(np.uint32) * np.uint32(668265263)
    n = a + b
    n = (n ^ (n >> np.uint32(13))) * np.uint32(1274126177)
    bits: Floats = ((n ^ (n >> np.uint32(16))) & np.uint32(1023)).astype(np.float32)
    return bits / np.float32(1023)


def _floor_tone(layout: _Layout, point: Floats) -> Floats:
    """Albedo [3, n] of floor points: one of four patterns, all repeating every 0.5 m."""
    c, s = math.cos(layout.floor_turn), math.sin(layout.floor_turn)
    x = (np.float32(c) * point[0] + np.float32(s) * point[2]) / np.float32(_TILE)
    z = (np.float32(c) * point[2] - np.float32(s) * point[0]) / np.float32(_TILE)
    light, dark = (tone[:, None] for tone in layout.floor_tones)
    shade: Floats | np.float32
    if layout.floor == "checker":
        i, j = np.floor(x), np.floor(z)
        odd = np.mod(i + j, 2)
        edge = np.maximum(np.abs(x - i - 0.5), np.abs(z - j - 0.5))
        mix = odd
        shade = 0.97 + 0.06 * _hash(i, j)
        joint = edge > 0.488
    elif layout.floor == "tiles":
        i, j = np.floor(x), np.floor(z)
        mix = 0.22 * _hash(i, j)
        shade = np.float32(1.0)
        joint = np.maximum(np.abs(x - i - 0.5), np.abs(z - j - 0.5)) > 0.468
    elif layout.floor == "planks":
        i = np.floor(x * 2)
        along = z / 2 + _hash(i, np.zeros_like(i))
        j = np.floor(along)
        mix = 0.75 * _hash(i, j)
        grain = np.sin(9 * x * 2 + 5 * _hash(j, i) + 1.5 * np.sin(2.3 * z + 6 * _hash(i, j)))
        shade = 1 + 0.035 * grain
        joint = (np.abs(x * 2 - i - 0.5) > 0.478) | (np.abs(along - j - 0.5) > 0.494)
    else:
        # Centres of regular hexagons form two interleaved rectangular grids: take the nearer.
        tall = np.float32(math.sqrt(3))
        i0, j0 = np.round(x), np.round(z / tall)
        i1, j1 = np.floor(x) + np.float32(0.5), np.floor(z / tall) + np.float32(0.5)
        ax, az = x - i0, z - j0 * tall
        bx, bz = x - i1, z - j1 * tall
        first = ax * ax + az * az < bx * bx + bz * bz
        px = np.abs(np.where(first, ax, bx))
        pz = np.abs(np.where(first, az, bz))
        i = np.where(first, 2 * i0, 2 * i1)
        j = np.where(first, 2 * j0, 2 * j1)
        mix = 0.8 * (_hash(i, j) > 0.62)
        shade = 0.97 + 0.06 * _hash(j, i)
        joint = np.maximum(px, 0.5 * px + np.float32(math.sqrt(3) / 2) * pz) > 0.482
    tone = (light + (dark - light) * mix) * shade
    return np.where(joint, dark * np.float32(0.62), tone).astype(np.float32)


def _wall_tone(layout: _Layout, point: Floats) -> Floats:
    """Albedo [3, n] of wall points: plain above a pale skirting board of 0.18 m."""
    tone = np.broadcast_to(layout.wall_tone[:, None], point.shape)
    board = np.array([[0.68], [0.67], [0.65]], np.float32)
    groove = np.where(np.abs(point[1] - 0.18) < 0.014, np.float32(0.55), np.float32(1))
    # A pool of light on the side of the sun, so that the wall is a surface and not a backdrop.
    x = point[0] - np.float32(1.1) * np.sign(layout.sun[0])
    pool = np.exp(-(x * x) / 9 - (point[1] - np.float32(1.3)) ** 2 / 3.5)
    foot = 1 - 0.35 * np.exp(-point[1] / np.float32(0.12))
    result: Floats = np.where(point[1] < 0.18, board, tone) * groove * foot * (0.76 + 0.36 * pool)
    return result


def _proxies(body: _Body) -> list[tuple[Floats, float]]:
    """Spheres that stand in for a body when it dims the sky light of its surroundings."""
    up = body.turn[:, 1]
    if body.label == "sphere":
        return [(body.centre, body.a)]
    if body.label == "cube":
        return [(body.centre, 1.12 * body.a)]
    if body.label == "cylinder":
        reach = up * np.float32(0.5 * body.b)
        return [(body.centre + reach, 0.92 * body.a), (body.centre - reach, 0.92 * body.a)]
    if body.label == "cone":
        low = body.centre - up * np.float32(0.62 * body.b)
        return [(low, 0.62 * body.a), (body.centre + up * np.float32(0.1), 0.4 * body.a)]
    x, z = body.turn[:, 0], body.turn[:, 2]
    spots: list[Floats] = []
    for k in np.linspace(0, 2 * math.pi, 8, endpoint=False):
        around: Floats = np.float32(math.cos(k)) * x + np.float32(math.sin(k)) * z
        spots.append(body.centre + np.float32(body.a) * around)
    return [(spot, body.b) for spot in spots]


def _openness(layout: _Layout, point: Floats, normal: Floats, owner: NDArray[np.int64]) -> Floats:
    """How much of the sky light reaches each point past the objects, from 0 to 1."""
    light = np.ones(point.shape[1], np.float32)
    for i, body in enumerate(layout.bodies):
        # Further away than this, a body covers less than 5 % of the sky.
        away = point - body.centre[:, None]
        index = np.flatnonzero((_dot(away, away) < (4.5 * body.bound) ** 2) & (owner != 2 + i))
        if index.size == 0:
            continue
        p, n = point[:, index], normal[:, index]
        covered = np.zeros(index.size, np.float32)
        for centre, radius in _proxies(body):
            to = centre.astype(np.float32)[:, None] - p
            square = np.maximum(_dot(to, to), np.float32(radius**2))
            facing = np.maximum(_dot(to, n), 0) / np.sqrt(square)
            covered += facing * np.float32(radius**2) / square
        fade = 1 - np.sqrt(_dot(away[:, index], away[:, index])) / np.float32(4.5 * body.bound)
        light[index] *= 1 - 0.85 * np.minimum(covered, 1) * np.minimum(1, 2.5 * fade)
    return light


def _sun_points(layout: _Layout, count: int) -> Floats:
    """Directions [3, count] spread evenly over the sun's disc."""
    side = _unit(np.cross(layout.sun, np.array([0, 1, 0], np.float32)))
    over = np.cross(layout.sun, side)
    k = np.arange(count) + 0.5
    radius = _SUN_RADIUS * np.sqrt(k / count)
    angle = k * math.pi * (3 - math.sqrt(5))
    points = layout.sun[:, None] + side[:, None] * (radius * np.cos(angle)) + over[:, None] * (radius * np.sin(angle))
    return _unit(points.astype(np.float32))


def _sunlight(
    layout: _Layout,
    point: Floats,
    normal: Floats,
    owner: NDArray[np.int64],
    which: NDArray[np.int64],
    groups: int,
) -> Floats:
    """Fraction of the sun's disc that each point sees.

    Each of the `groups` samples of a pixel looks at its own few points of the disc, so that their
    average over the pixel is a smooth penumbra.
    """
    rays = _sun_points(layout, groups * _SHADOW_RAYS)
    # Neighbouring samples get points from all over the disc.
    order = np.arange(groups * _SHADOW_RAYS).reshape(_SHADOW_RAYS, groups)
    lit = np.ones((_SHADOW_RAYS, point.shape[1]), np.float32)
    facing = _dot(normal, layout.sun[:, None]) > -0.06
    start = point + normal * np.float32(2e-3)
    for i, body in enumerate(layout.bodies):
        to = body.centre[:, None] - point
        along = _dot(to, layout.sun[:, None])
        off = _dot(to, to) - along * along
        reach = np.float32(body.bound) + np.maximum(along, 0) * np.float32(1.3 * _SUN_RADIUS)
        near = facing & (along > -body.bound) & (off < reach * reach)
        if body.label != "torus":
            near &= owner != 2 + i  # a convex body never shades its own lit side
        index = np.flatnonzero(near)
        if index.size == 0:
            continue
        p = start[:, index]
        for k in range(_SHADOW_RAYS):
            d = rays[:, order[k][which[index]]]
            lit[k, index[np.isfinite(_hit(body, p, d))]] = 0
    share: Floats = lit.mean(axis=0)
    return share


def _sky(d: Floats, sun: Floats) -> Floats:
    """What a mirror sees beyond the stage [3, n]: a bright haze with one large soft window."""
    rise = np.clip(d[1], 0, 1)
    low = np.array([[0.62], [0.62], [0.64]], np.float32)
    high = np.array([[0.30], [0.40], [0.56]], np.float32)
    haze = low + (high - low) * np.sqrt(rise)
    side = _unit(np.array([sun[2], 0, -sun[0]], np.float32))
    level = _unit(np.array([sun[0], 0.5, sun[2]], np.float32))
    ahead = _dot(d, level[:, None])
    x, y = _dot(d, side[:, None]), d[1] - np.float32(0.5)
    frame = np.clip((0.42 - np.abs(x)) * 9, 0, 1) * np.clip((0.30 - np.abs(y)) * 9, 0, 1)
    bars = np.clip((np.abs(x) - 0.025) * 40, 0, 1)
    result: Floats = haze + (frame * bars * (ahead > 0) * np.float32(2.6))
    return result


def _surface(layout: _Layout, point: Floats, owner: NDArray[np.int64]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Normals and albedos [3, n] of points by their segment, and which are metal."""
    normal = np.zeros_like(point)
    tone = np.zeros_like(point)
    metal = np.zeros(point.shape[1], bool)
    floor, wall = np.flatnonzero(owner == 0), np.flatnonzero(owner == 1)
    normal[1, floor] = 1
    tone[:, floor] = _floor_tone(layout, point[:, floor])
    normal[2, wall] = -1
    tone[:, wall] = _wall_tone(layout, point[:, wall])
    for i, body in enumerate(layout.bodies):
        index = np.flatnonzero(owner == 2 + i)
        if index.size:
            normal[:, index] = _normal(body, point[:, index])
            tone[:, index] = _TINTS[body.colour][:, None]
            metal[index] = body.material == "metal"
    return normal, tone, metal


def _diffuse(
    layout: _Layout,
    point: Floats,
    normal: Floats,
    tone: Floats,
    owner: NDArray[np.int64],
    sunlight: Floats,
) -> Floats:
    """Light [3, n] that matt surfaces send back: sun, sky, and what the floor throws up."""
    open_sky = _openness(layout, point, normal, owner)
    up = normal[1]
    sky = (0.62 + 0.38 * up) * open_sky
    bounce = layout.floor_tones[0][:, None] * (0.42 * (0.5 - 0.5 * up))
    # The foot of an object gets little light from the floor that it stands on.
    lift = np.where(owner >= 2, np.clip(0.35 + 1.6 * point[1], 0, 1), np.float32(1))
    sun = np.maximum(_dot(normal, layout.sun[:, None]), 0) * sunlight
    light: Floats = _SUN * sun + _SKY * (sky * lift) + bounce * lift
    return tone * light


def _mirrored(layout: _Layout, point: Floats, d: Floats, owner: NDArray[np.int64]) -> Floats:
    """Colours [3, n] that rays leaving a metal surface meet; one bounce, unshadowed."""
    t, seen = _background(layout, point, d)
    for i, body in enumerate(layout.bodies):
        to = body.centre[:, None] - point
        along = _dot(to, d)
        near = (along > 0) & (_dot(to, to) - along * along < body.bound**2)
        if body.label != "torus":
            near &= owner != 2 + i
        index = np.flatnonzero(near)
        if index.size:
            hit = _hit(body, point[:, index], d[:, index])
            closer = hit < t[index]
            t[index[closer]] = hit[closer]
            seen[index[closer]] = 2 + i
    colour = _sky(d, layout.sun)
    index = np.flatnonzero(seen >= 0)
    if index.size:
        p = point[:, index] + d[:, index] * t[index]
        normal, tone, _ = _surface(layout, p, seen[index])
        # Brushed metal blurs what it mirrors; a crisp floor pattern would look like glass.
        plain = 0.5 * (layout.floor_tones[0] + layout.floor_tones[1])[:, None]
        tone = np.where(seen[index] == 0, 0.30 * tone + 0.45 * plain, tone)
        lit = np.full(index.size, 0.75, np.float32)
        colour[:, index] = _diffuse(layout, p, normal, tone, seen[index], lit)
    return colour


def _shade(layout: _Layout, size: int, samples: int) -> NDArray[np.uint8]:
    """The picture: uint8 [size, size, 3]."""
    ticks = _grid(size, samples)
    d = _rays(layout, ticks, ticks)
    t, owner = _primary(layout, size, samples)
    point = layout.eye[:, None] + d * t
    normal, tone, metal = _surface(layout, point, owner)
    cell = np.arange(len(ticks)) % samples
    which = (cell[:, None] * samples + cell[None, :]).ravel()
    sunlight = _sunlight(layout, point, normal, owner, which, samples**2)
    colour = _diffuse(layout, point, normal, tone, owner, sunlight)

    index = np.flatnonzero(owner >= 2)
    if index.size:
        n, view, shiny = normal[:, index], d[:, index], metal[index]
        tint, shadow = tone[:, index], sunlight[index]
        bounce = view - 2 * _dot(view, n) * n
        glance = np.clip(1 + _dot(view, n), 0, 1)
        toward = np.maximum(_dot(bounce, layout.sun[:, None]), 0) * (_dot(n, layout.sun) > 0)
        sheen = np.float32(0.16) * toward**14 + np.float32(0.10) * glance**4
        matte = colour[:, index] + _SUN * (sheen * (0.35 + 0.65 * shadow))
        colour[:, index] = matte
        shine = np.flatnonzero(shiny)
        if shine.size:
            b, s = bounce[:, shine], tint[:, shine]
            start = point[:, index[shine]] + n[:, shine] * np.float32(2e-3)
            seen = _mirrored(layout, start, b, owner[index[shine]])
            edge = glance[shine] ** 5
            mirror = np.float32(0.06) + np.float32(1.0) * s
            mirror = mirror + (1 - mirror) * edge * np.float32(0.5)
            spark = toward[shine] ** 160 * np.float32(2.4) * shadow[shine]
            base = colour[:, index[shine]]
            colour[:, index[shine]] = 0.36 * base + 0.95 * seen * mirror + _SUN * spark
    # Clipping each ray first keeps a thin bright edge from breaking up into dots. A gentle
    # shoulder then keeps highlights from burning out, and the sRGB curve follows.
    colour = np.minimum(colour, np.float32(1.4))
    colour = colour.reshape(3, size, samples, size, samples).mean(axis=(2, 4))
    colour = np.float32(0.80) * colour
    colour = np.where(colour > 0.6, 0.6 + 0.4 * (1 - np.exp((0.6 - colour) / 0.4)), colour)
    colour = np.clip(colour, 0, 1)
    low, high = 12.92 * colour, 1.055 * np.maximum(colour, 1e-4) ** (1 / 2.4) - 0.055
    colour = np.where(colour <= 0.0031308, low, high)
    image: NDArray[np.uint8] = (colour * 255 + 0.5).astype(np.uint8).transpose(1, 2, 0).copy()
    return image


# --- pictures -----------------------------------------------------------------------------------


def _check(kind: str, size: int, samples: int) -> Kind:
    if kind not in KINDS:
        raise ValueError(f"unknown kind {kind!r}: use one of {', '.join(KINDS)}")
    if size < MIN_SIZE:
        raise ValueError(f"size {size} is too small: use at least {MIN_SIZE} pixels")
    if samples < 1:
        raise ValueError(f"samples {samples} is too few: use at least 1 per pixel side")
    return kind


def render(seed: int, *, size: int = 96, samples: int = 2, kind: Kind = "scene") -> Scene:
    """The scene of a seed with its ground truth.

    Args:
        seed: Which scene, from 0 to 2**31 - 1; `split` gives seeds that keep splits apart.
        size: Height and width in pixels, at least 16. The scene is the same at every size.
        samples: Rays per pixel side (2 means 2 x 2). They smooth the image alone; depth, masks
            and boxes are taken at the centres of the pixels and do not depend on it.
        kind: "scene" for 2 to 6 objects, which may overlap or be cut by the frame; "subject" for
            one large object, wholly in the frame, which in two of five scenes has one or two
            clearly smaller ones beside it.

    Raises:
        ValueError: For an unknown kind, a negative or too large seed, too small a size, or fewer
            than one sample.
    """
    kind = _check(kind, size, samples)
    if not 0 <= seed < _MAX_SEED:
        raise ValueError(f"seed {seed} is out of range: use 0 to {_MAX_SEED - 1}")
    layout = _draw(seed, kind)
    t, owner = _primary(layout, size, 1)
    ticks = _grid(size, 1)
    depth = t * (layout.axes[:, 2] @ _rays(layout, ticks, ticks))
    segments = owner.reshape(size, size)
    objects = []
    for i, body in enumerate(layout.bodies):
        mask = segments == 2 + i
        objects.append(
            SceneObject(
                label=body.label,
                colour=body.colour,
                material=body.material,
                box=box_of(mask),
                mask=mask,
                visible=float(mask.sum() / max(1, _alone(layout, body, size)[0])),
                position=(float(body.centre[0]), float(body.centre[1]), float(body.centre[2])),
                size=float(body.size),
            )
        )
    return Scene(
        seed=seed,
        kind=kind,
        image=_shade(layout, size, samples),
        depth=depth.reshape(size, size).astype(np.float32),
        segments=segments,
        objects=tuple(objects),
    )


def box_of(mask: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Box (x0, y0, x1, y1) of a boolean mask [height, width], x1 and y1 exclusive; None if empty.

    Raises:
        ValueError: If the mask has not two dimensions.
    """
    if mask.ndim != 2:
        raise ValueError(f"a mask has two dimensions, not {mask.ndim}")
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if rows.size == 0:
        return None
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


# --- many pictures ------------------------------------------------------------------------------

CACHE = Path(".cache/scenes")
"""Where `render_many` keeps what it rendered, relative to the working directory."""

FIELDS: tuple[str, ...] = (
    "images",
    "depth",
    "segments",
    "labels",
    "colours",
    "materials",
    "boxes",
    "visible",
)
_CHUNK = 1000
_Job = tuple[int, int, int, Kind]


def _render_row(job: _Job) -> dict[str, NDArray[np.generic]]:
    """One scene as arrays of fixed shape; rows beyond its last object hold -1 or 0."""
    seed, size, samples, kind = job
    scene = render(seed, size=size, samples=samples, kind=kind)
    labels, colours, materials = (np.full(MAX_OBJECTS, -1, np.int8) for _ in range(3))
    boxes = np.zeros((MAX_OBJECTS, 4), np.int16)
    visible = np.zeros(MAX_OBJECTS, np.float32)
    for i, thing in enumerate(scene.objects):
        labels[i] = LABELS.index(thing.label)
        colours[i] = list(COLOURS).index(thing.colour)
        materials[i] = MATERIALS.index(thing.material)
        boxes[i] = thing.box or (0, 0, 0, 0)
        visible[i] = thing.visible
    return {
        "images": scene.image,
        "depth": scene.depth.astype(np.float16),
        "segments": scene.segments.astype(np.uint8),
        "labels": labels,
        "colours": colours,
        "materials": materials,
        "boxes": boxes,
        "visible": visible,
    }


def _store(path: Path, rows: list[dict[str, NDArray[np.generic]]]) -> None:
    """Write a chunk under a temporary name, then move it: a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            arrays: dict[str, Any] = {name: np.stack([row[name] for row in rows]) for name in FIELDS}
            np.savez(file, **arrays)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def render_many(
    split_name: str,
    count: int,
    *,
    size: int = 96,
    samples: int = 2,
    kind: Kind = "scene",
    fields: Sequence[str] = ("images", "segments", "labels"),
    workers: int = 2,
    cache: Path = CACHE,
) -> dict[str, NDArray[np.generic]]:
    """The first `count` scenes of a split as arrays, rendered in parallel and cached on disk.

    Args:
        split_name: "train", "validation" or "test".
        count: How many, from seed `split(split_name, 0)` on.
        size: As for `render`.
        samples: As for `render`.
        kind: As for `render`.
        fields: Which arrays to return, n scenes and m = `MAX_OBJECTS` rows for objects:
            images uint8 [n, size, size, 3]; depth float16 [n, size, size] in metres (rounded by
            at most 4 mm up to 16 m); segments uint8 [n, size, size]; labels, colours and
            materials int8 [n, m], positions in `LABELS`, `COLOURS` and `MATERIALS`, -1 where
            there is no object; boxes int16 [n, m, 4]; visible float32 [n, m].
        workers: Processes that render.
        cache: Folder of the cache. It holds files of 1,000 scenes, each written whole or not at
            all; an interrupted call goes on where it stopped.

    Raises:
        ValueError: For an unknown split, kind or field, or a number that is too small.
    """
    kind = _check(kind, size, samples)
    if count < 1 or workers < 1:
        raise ValueError(f"count {count} and workers {workers} must be at least 1")
    if unknown := [name for name in fields if name not in FIELDS]:
        raise ValueError(f"unknown field {unknown[0]!r}: use {', '.join(FIELDS)}")
    split(split_name, count - 1)
    folder = cache / f"v{RENDERER_VERSION}" / f"{kind}-{size}-{samples}"
    starts = range(0, count, _CHUNK)
    # A last chunk that is not full gets a name of its own.
    sizes = {start: min(_CHUNK, count - start) for start in starts}
    paths = {start: folder / f"{split_name}-{start:07d}-{n}.npz" for start, n in sizes.items()}
    missing = [start for start in starts if not paths[start].exists()]
    jobs: list[_Job] = [
        (split(split_name, start + i), size, samples, kind) for start in missing for i in range(sizes[start])
    ]
    if jobs:
        title = f"rendering {split_name}"
        # Ctrl-C is for the parent, which ends its workers.
        with multiprocessing.get_context("spawn").Pool(workers, signal.signal, (signal.SIGINT, signal.SIG_IGN)) as pool:
            rows = iter(tqdm(pool.imap(_render_row, jobs, chunksize=16), title, len(jobs)))
            for start in missing:
                _store(paths[start], [next(rows) for _ in range(sizes[start])])
    parts: dict[str, list[NDArray[np.generic]]] = {name: [] for name in fields}
    for start in starts:
        with np.load(paths[start], allow_pickle=False) as chunk:
            for name in fields:
                parts[name].append(chunk[name])
    return {name: np.concatenate(chunks) for name, chunks in parts.items()}


# --- the pictures of the site -------------------------------------------------------------------

EXAMPLES: dict[str, tuple[Kind, int]] = {
    "hard-cylinder": ("subject", 547),
    "hard-torus": ("subject", 758),
    "scene": ("scene", 13),
    "scene-apart": ("scene", 47),
    "scene-cut": ("scene", 76),
    "scene-hidden": ("scene", 43),
    "scene-simple": ("scene", 12),
    "scene-through": ("scene", 7),
    "scene-tiny": ("scene", 189),
    "subject-cone": ("subject", 1),
    "subject-cube": ("subject", 13),
    "subject-cylinder": ("subject", 39),
    "subject-others": ("subject", 14),
    "subject-sphere": ("subject", 53),
    "subject-torus": ("subject", 230),
}
"""Pictures of the pages: their kind and their index in the test split, which trains no model.

The names say what is seen; checkpoints/vit-scenes answers the two hard ones wrongly.
"""

EXAMPLE_FOLDER = Path("docs/assets/scenes")


def render_example(name: str) -> Scene:
    """One of `EXAMPLES` as it stands on the site: 384 pixels, 3 x 3 rays a pixel.

    Raises:
        ValueError: For an unknown name.
    """
    if name not in EXAMPLES:
        raise ValueError(f"unknown example {name!r}: use one of {', '.join(EXAMPLES)}")
    kind, index = EXAMPLES[name]
    return render(split("test", index), size=384, samples=3, kind=kind)


def write_examples(folder: Path = EXAMPLE_FOLDER) -> list[Path]:
    """Render all `EXAMPLES` into a folder as PNG files, each replaced whole; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in tqdm(EXAMPLES, "examples"):
        path = folder / f"{name}.png"
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            Image.fromarray(render_example(name).image).save(part, format="PNG", optimize=True)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        written.append(path)
    return written


HELD_OUT = 200
"""How many pictures the pages measure on; the cards measure on more."""


def held_out(n: int = HELD_OUT) -> dict[str, NDArray[Any]]:
    """The first pictures of the test split, which trains no model.

    Args:
        n: How many.

    Returns:
        `images` uint8 [n, 96, 96, 3], `labels` int64 [n] (index into `LABELS`), and `masks` bool [n, 96, 96], true
        on the subject.
    """
    found = [render(split("test", i), size=96, samples=3, kind="subject") for i in tqdm(range(n), "held out")]
    return {
        "images": np.stack([scene.image for scene in found]),
        "labels": np.array([LABELS.index(scene.subject.label) for scene in found]),
        "masks": np.stack([scene.subject.mask for scene in found]),
    }


def held_out_scenes(n: int = HELD_OUT) -> dict[str, NDArray[Any]]:
    """The first pictures of kind "scene" of the test split; those of `EXAMPLES` are among them, by their index.

    Args:
        n: How many.

    Returns:
        With m = `MAX_OBJECTS` rows for objects: `images` uint8 [n, 96, 96, 3]; `segments` uint8 [n, 96, 96], 0 floor,
        1 wall, 2 + i object i; `depth` uint16 [n, 96, 96] in millimetres; `labels` int64 [n, m], index into `LABELS`,
        -1 where there is no object; `boxes` int64 [n, m, 4] as (x0, y0, x1, y1) in pixels, x1 and y1 exclusive;
        `visible` float64 [n, m].
    """
    found = [render(split("test", i), size=96, samples=3) for i in tqdm(range(n), "held-out scenes")]
    labels, boxes = np.full((n, MAX_OBJECTS), -1), np.zeros((n, MAX_OBJECTS, 4), np.int64)
    visible = np.zeros((n, MAX_OBJECTS))
    for i, scene in enumerate(found):
        for j, thing in enumerate(scene.objects):
            labels[i, j], boxes[i, j] = LABELS.index(thing.label), thing.box or (0, 0, 0, 0)
            visible[i, j] = round(thing.visible, 3)
    return {
        "images": np.stack([scene.image for scene in found]),
        "segments": np.stack([scene.segments for scene in found]).astype(np.uint8),
        "depth": np.stack([(scene.depth * 1000).round() for scene in found]).astype(np.uint16),
        "labels": labels,
        "boxes": boxes,
        "visible": visible,
    }


def write_held_out(folder: Path = EXAMPLE_FOLDER) -> list[Path]:
    """Write `held_out` and `held_out_scenes` as `held-out.npz` and `held-out-scenes.npz`, each whole; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, make in (("held-out", held_out), ("held-out-scenes", held_out_scenes)):
        path = folder / f"{name}.npz"
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            with part.open("wb") as file:
                arrays: dict[str, Any] = make()
                np.savez_compressed(file, **arrays)
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        written.append(path)
    return written
