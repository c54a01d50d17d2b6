"""The renderer: what it draws is repeatable, and its labels are true of its pictures."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sample_data import scenes
from sample_data.scenes import Scene, render, split

ROOT = Path(__file__).parents[1]


def _some(count: int, size: int = 64) -> list[Scene]:
    return [render(split("validation", i), size=size, samples=1, kind="scene") for i in range(count)]


def test_same_seed_same_scene() -> None:
    """Protects everything measured or recorded on these pictures from chance."""
    for kind in scenes.KINDS:
        first, second = (render(7, size=48, kind=kind) for _ in range(2))
        assert (first.image == second.image).all()
        assert (first.depth == second.depth).all()
        assert (first.segments == second.segments).all()


def test_other_seed_other_scene() -> None:
    """Protects the splits: neighbouring seeds must not repeat a picture."""
    pictures = {render(seed, size=24, samples=1).image.tobytes() for seed in range(20)}
    assert len(pictures) == 20


def test_box_is_the_extent_of_the_mask() -> None:
    """Protects detection targets: a box holds its mask, and touches it on all four sides."""
    for scene in _some(12):
        for i, thing in enumerate(scene.objects):
            assert (thing.mask == (scene.segments == 2 + i)).all()
            if thing.box is None:
                assert not thing.mask.any()
                continue
            x0, y0, x1, y1 = thing.box
            inside = thing.mask[y0:y1, x0:x1]
            assert inside.sum() == thing.mask.sum()
            assert inside[0].any() and inside[-1].any() and inside[:, 0].any() and inside[:, -1].any()


def test_depth_is_metric_and_agrees_with_what_hides_what() -> None:
    """Protects depth targets: metres along the axis, and an object lies where it stands."""
    for scene in _some(12):
        assert np.isfinite(scene.depth).all()
        assert scene.depth.min() > 1
        assert scene.depth.max() < 12
        for thing in scene.objects:
            # The camera stands at z = 0 and looks down by less than 25 degrees.
            reach = np.abs(scene.depth[thing.mask] - thing.position[2])
            assert thing.mask.any() and reach.max() < thing.size + 1.1
        wall, floor = scene.depth[scene.segments == 1], scene.depth[scene.segments == 0]
        assert wall.min() > floor.mean()


def test_nearer_surface_wins() -> None:
    """Protects masks: where two objects overlap, the pixel shows the one in front."""
    checked = 0
    for scene in _some(20):
        layout = scenes._draw(scene.seed, "scene")
        ticks = scenes._grid(64, 1)
        rays = scenes._rays(layout, ticks, ticks)
        hits = np.stack([scenes._hit(body, layout.eye[:, None], rays) for body in layout.bodies])
        several = np.isfinite(hits).sum(axis=0) > 1
        shown = scene.segments.ravel() - 2
        assert (shown[several] == hits[:, several].argmin(axis=0)).all()
        checked += int(several.sum())
    assert checked > 100


def test_same_scene_at_every_size() -> None:
    """Protects pages that show a large picture of what a model saw small."""
    for kind in scenes.KINDS:
        small, large = (render(11, size=size, samples=1, kind=kind) for size in (48, 144))
        assert [t.position for t in small.objects] == [t.position for t in large.objects]
        # 48 and 144 share the centres of their pixels: every third one of the larger picture.
        assert (large.segments[1::3, 1::3] == small.segments).all()
        assert np.abs(large.depth[1::3, 1::3] - small.depth).max() < 1e-3


def test_samples_smooth_the_image_alone() -> None:
    """Protects targets from the quality setting of a picture."""
    rough, fine = (render(3, size=48, samples=samples) for samples in (1, 3))
    assert (rough.segments == fine.segments).all()
    assert (rough.depth == fine.depth).all()
    assert (rough.image != fine.image).any()


def test_visible_counts_what_the_frame_cuts_off() -> None:
    """Protects filters by visibility: an object at the border is not wholly visible."""
    cut, whole = [], []
    for scene in _some(20):
        layout = scenes._draw(scene.seed, "scene")
        for body, thing in zip(layout.bodies, scene.objects, strict=True):
            assert 0 < thing.visible <= 1
            inside = scenes._alone(layout, body, 64)[1]
            (whole if inside else cut).append(thing.visible)
    assert cut and max(cut) < 1
    assert max(whole) == 1


def test_subject_is_the_main_object() -> None:
    """Protects the classification task: the question has one answer in every picture."""
    others = 0
    for i in range(60):
        scene = render(split("validation", i), size=64, samples=1, kind="subject")
        first, *rest = scene.objects
        assert scene.subject is first
        assert first.visible >= 0.9
        assert first.box is not None and min(first.box) >= 0 and max(first.box) <= 64
        assert all(first.mask.sum() >= 2 * thing.mask.sum() for thing in rest)
        others += bool(rest)
    assert 12 <= others <= 36  # two of five in the long run


def test_classes_colours_and_materials_all_occur() -> None:
    """Protects the balance of the data: nothing that is named is never drawn."""
    things = [body for seed in range(150) for body in scenes._draw(seed, "subject").bodies[:1]]
    counts = [sum(body.label == label for body in things) for label in scenes.LABELS]
    assert min(counts) >= 15
    assert {body.colour for body in things} == set(scenes.COLOURS)
    assert {body.material for body in things} == set(scenes.MATERIALS)


def test_scene_has_no_subject() -> None:
    """Protects from asking a crowded scene for its main object."""
    with pytest.raises(ValueError, match='kind "subject"'):
        _ = render(0, size=24, samples=1).subject


def test_splits_are_disjoint() -> None:
    """Protects every held-out figure: no seed belongs to two splits."""
    ends = [(split(name, 0), split(name, scenes.SPLIT_SIZE - 1)) for name in scenes.SPLITS]
    for (_, last), (first, _) in itertools.pairwise(ends):
        assert last < first


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: render(0, kind="photo"), "unknown kind 'photo': use one of scene, subject"),  # type: ignore[arg-type]
        (lambda: render(0, size=8), "size 8 is too small: use at least 16 pixels"),
        (lambda: render(0, samples=0), "samples 0 is too few: use at least 1"),
        (lambda: render(-1), "seed -1 is out of range"),
        (lambda: split("dev", 0), "unknown split 'dev': use one of train, validation, test"),
        (lambda: split("test", -1), "index -1 is outside a split"),
        (lambda: split("test", scenes.SPLIT_SIZE), "is outside a split"),
        (lambda: scenes.render_example("dog"), "unknown example 'dog': use one of"),
        (lambda: scenes.render_many("test", 0), "must be at least 1"),
        (lambda: scenes.render_many("test", 1, fields=["mask"]), "unknown field 'mask': use images"),
        (lambda: scenes.box_of(np.zeros(3, bool)), "a mask has two dimensions, not 1"),
    ],
)
def test_bad_input_says_what_is_allowed(call: object, message: str) -> None:
    """Protects the caller's time: a wrong value names the right ones."""
    assert callable(call)
    with pytest.raises(ValueError) as error:
        call()
    assert message in str(error.value)


def test_render_many_gives_what_render_gives(tmp_path: Path) -> None:
    """Protects training from a cache that differs from the renderer."""
    names = ("images", "depth", "segments", "labels", "boxes", "visible")
    for _ in range(2):  # rendered, then read from the cache
        arrays = scenes.render_many("test", 3, size=24, samples=1, fields=names, workers=1, cache=tmp_path)
        for i in range(3):
            scene = render(split("test", i), size=24, samples=1)
            assert (arrays["images"][i] == scene.image).all()
            assert (arrays["segments"][i] == scene.segments).all()
            assert np.abs(arrays["depth"][i] - scene.depth).max() <= 0.004
            labels = [scenes.LABELS[k] for k in arrays["labels"][i] if k >= 0]
            assert labels == [thing.label for thing in scene.objects]
            for k, thing in enumerate(scene.objects):
                assert tuple(arrays["boxes"][i, k]) == (thing.box or (0, 0, 0, 0))


def test_interrupted_rendering_leaves_no_broken_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Protects the cache: a chunk is written whole or not at all."""

    def stop(file: object, **arrays: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise KeyboardInterrupt

    monkeypatch.setattr(scenes.np, "savez", stop)
    with pytest.raises(KeyboardInterrupt):
        scenes._store(tmp_path / "chunk.npz", [scenes._render_row((0, 24, 1, "scene"))])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", scenes.EXAMPLES)
def test_example_pictures_are_what_their_seeds_give(name: str) -> None:
    """Protects the pages' pictures: they are rendered from test seeds, and not from elsewhere."""
    path = ROOT / scenes.EXAMPLE_FOLDER / f"{name}.png"
    assert path.stat().st_size < 150_000
    with Image.open(path) as picture:
        found = np.asarray(picture.convert("RGB")).astype(int)
    expected = scenes.render_example(name).image.astype(int)
    assert found.shape == expected.shape
    # Another processor may round a ray across an edge: few pixels, and small steps elsewhere.
    assert np.mean(np.abs(found - expected).max(axis=2) > 3) < 0.001


def test_no_other_pictures_lie_among_the_examples() -> None:
    """Protects from a picture that nobody can render again."""
    found = {path.stem for path in (ROOT / scenes.EXAMPLE_FOLDER).glob("*.png")}
    assert found == set(scenes.EXAMPLES)


def test_held_out_pictures_are_what_their_seeds_give() -> None:
    """Protects the accuracy on the page: its pictures are the first of the test split, with their true labels."""
    found = np.load(ROOT / scenes.EXAMPLE_FOLDER / "held-out.npz")
    assert found["images"].shape == (scenes.HELD_OUT, 96, 96, 3)
    expected = scenes.held_out(20)
    assert np.array_equal(found["labels"][:20], expected["labels"])
    assert np.mean(found["masks"][:20] != expected["masks"]) < 0.001
    difference = np.abs(found["images"][:20].astype(int) - expected["images"].astype(int)).max(axis=-1)
    assert np.mean(difference > 3) < 0.001
