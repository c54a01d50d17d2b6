"""Measures what a diagram shows, with forward hooks during one forward pass.

torch and transformers are imported only when something is measured, so that the site is built without them.
"""

from __future__ import annotations

import fnmatch
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from livedocs.diagram.spec import Attention, Block, DiagramError, Spec

if TYPE_CHECKING:
    import torch

Shape = tuple[int, ...]

_PLACEHOLDER = re.compile(r"\{(config|module)\.([\w.]+)\}")


@dataclass(frozen=True, kw_only=True)
class MeasuredBlock:
    """Every number of a block."""

    sub: str
    shape: Shape | None = None
    parameters: int | None = None
    """Of one repetition, where the block stands in a repeated group."""
    widths: Shape = ()
    """Before, between and behind linear layers; for attention, of its output projection."""
    grid: Shape = ()
    side_shape: Shape = ()
    heads: int = 0
    head_width: int = 0
    weights_shape: Shape = ()
    cells: int = 0


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Every number of a diagram."""

    profile: str
    """"compact" or "full-size"."""
    parameters: int
    """Of the whole model."""
    blocks: dict[str, MeasuredBlock]
    repeats: dict[str, int] = field(default_factory=dict)
    """Of a group that is repeated."""
    group_parameters: dict[str, int] = field(default_factory=dict)
    """Of one repetition of the group."""


def measure_compact(spec: Spec, checkpoint_folder: Path | str) -> Measured:
    """Measures a trained checkpoint: its own weights, one forward pass."""
    import torch

    folder = _folder_of(spec, checkpoint_folder)
    model = _auto_class(spec).from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32, local_files_only=True
    )
    return _measure(spec, model, "compact")


def measure_published(spec: Spec, config_folder: Path | str) -> Measured:
    """Measures the architecture that a folder's config.json describes, on torch's meta device: without weights."""
    import torch
    from transformers import AutoConfig

    folder = _folder_of(spec, config_folder)
    config = AutoConfig.from_pretrained(folder, local_files_only=True)

    def build() -> torch.nn.Module:
        model: torch.nn.Module = _auto_class(spec).from_config(config, attn_implementation="eager")
        return model

    try:
        with torch.device("meta"):
            model = build()
        # A few modules make tensors in a way that does not ask for the device, such as Mask2Former's level embedding.
        return _measure(spec, model.to("meta"), "full-size")
    except RuntimeError as error:
        # Some forward passes look at a value, such as whether DETR's mask is all ones; they need real tensors.
        if "meta" not in str(error):
            raise
        with torch.random.fork_rng(devices=[]):
            return _measure(spec, build(), "full-size")


def _folder_of(spec: Spec, folder: Path | str) -> Path:
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise DiagramError(f"no config.json in {folder}", file=spec.path)
    return folder


def _auto_class(spec: Spec) -> Any:
    import transformers

    found = getattr(transformers, spec.model, None)
    if found is None:
        raise DiagramError(f"transformers has no class {spec.model!r}", file=spec.path)
    return found


def _measure(spec: Spec, model: torch.nn.Module, profile: str) -> Measured:
    return _Measurement(spec, model.eval()).measured(profile)


class _Measurement:
    """One model, and the shapes that its modules saw during one forward pass."""

    def __init__(self, spec: Spec, model: torch.nn.Module) -> None:
        self.spec = spec
        self.model = model
        self.inputs: dict[str, Shape | None] = {}
        self.outputs: dict[str, list[Shape | None]] = {}
        self._run()

    def measured(self, profile: str) -> Measured:
        repeats = {group.id: self._length(group.id, group.repeat) for group in self.spec.group if group.repeat}
        blocks = {block.id: self._block(block) for block in self.spec.block}
        self._check_hidden_changes(blocks)
        self._check_every_parameter_drawn()
        return Measured(
            profile=profile,
            parameters=sum(parameter.numel() for parameter in self.model.parameters()),
            blocks=blocks,
            repeats=repeats,
            group_parameters={
                group.id: self._parameters(group.id, f"{group.repeat}.*") for group in self.spec.group if group.repeat
            },
        )

    # One forward pass

    def _run(self) -> None:
        import torch

        device = next(self.model.parameters()).device
        inputs: dict[str, torch.Tensor] = {}
        for name, wanted in self.spec.inputs.items():
            size = [self._size(name, value) for value in wanted.shape]
            dtype = torch.long if wanted.dtype == "int" else torch.float32
            inputs[name] = torch.zeros(size, dtype=dtype, device=device)
        with self._hooks(), torch.no_grad():
            self.model(**inputs)

    def _size(self, name: str, value: int | str) -> int:
        if isinstance(value, int):
            return value
        found = _attribute(self.model.config, value)
        if not isinstance(found, int):
            raise self.spec.error(name, f"the config has no number {value!r}")
        return found

    @contextmanager
    def _hooks(self) -> Iterator[None]:
        handles = [
            module.register_forward_hook(self._hook(path), with_kwargs=True)
            for path, module in self.model.named_modules()
            if path
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _hook(self, path: str) -> Any:
        def hook(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
            if path not in self.inputs:  # a module that is used again is drawn as it is used first
                self.inputs[path] = next(iter(_shapes([*args, *kwargs.values()])), None)
                self.outputs[path] = _outputs(output)

        return hook

    # A block

    def _block(self, block: Block) -> MeasuredBlock:
        name = block.id
        attention = self._attention(name, block.attention) if block.attention else {}
        return MeasuredBlock(
            sub=_PLACEHOLDER.sub(lambda match: self._looked_up(block, match), block.sub),
            shape=self._shown_shape(block),
            parameters=self._parameters(name, block.module) if block.parameters else None,
            widths=self._widths(name, (block.attention.output,) if block.attention else block.widths),
            grid=self._shape(name, block.grid, "output")[-2:] if block.grid else (),
            side_shape=tuple(self._side(name, block.side.parameter).shape) if block.side else (),
            cells=self._cells(block),
            **attention,
        )

    def _shown_shape(self, block: Block) -> Shape | None:
        if not block.module:
            return None
        shape = self._shape(block.id, block.module, block.of)
        if block.axes and len(block.axes) != len(shape):
            raise self.spec.error(
                block.id, f"{len(block.axes)} axes are named, but {block.module} has the shape {_times(shape)}"
            )
        return shape

    def _cells(self, block: Block) -> int:
        if not block.strip:
            return 0
        shape = self._shape(block.id, block.strip.module, block.strip.of)
        if not 0 <= block.strip.axis < len(shape):
            raise self.spec.error(block.id, f"{block.strip.module} has no axis {block.strip.axis}: {_times(shape)}")
        return shape[block.strip.axis]

    def _widths(self, name: str, modules: tuple[str, ...]) -> Shape:
        if not modules:
            return ()
        shapes = [self._shape(name, modules[0], "input")] + [self._shape(name, path, "output") for path in modules]
        return tuple(shape[-1] for shape in shapes)

    def _attention(self, name: str, parts: Attention) -> dict[str, Any]:
        weights = self._one(name, parts.weights, lambda path: self._output(name, path, parts.weights_index))
        if len(weights) != 4:
            raise self.spec.error(name, f"{parts.weights} gives {_times(weights)}, not batch × heads × queries × keys")
        heads = weights[1]
        widths = {part: self._shape(name, getattr(parts, part), "output")[-1] for part in ("query", "key", "value")}
        if widths["query"] % heads or widths["query"] != widths["key"]:
            raise self.spec.error(name, f"{heads} heads do not share a query of {widths['query']} evenly")
        head_width = widths["query"] // heads
        scaling = self._one(name, parts.weights, lambda path: getattr(self._module(name, path), "scaling", None))
        if scaling is not None and not math.isclose(scaling, head_width**-0.5, rel_tol=1e-6):
            raise self.spec.error(name, f"attention is scaled by {scaling}, not by 1/√{head_width}")
        return {
            "heads": heads,
            "head_width": head_width,
            "weights_shape": weights,
        }

    def _side(self, name: str, path: str) -> torch.nn.Parameter:
        import torch

        owner, _, last = path.rpartition(".")
        found = getattr(self._module(name, owner), last, None)
        if isinstance(found, torch.nn.Module):
            found = getattr(found, "weight", None)
        if not isinstance(found, torch.nn.Parameter):
            raise self.spec.error(name, f"the model has no parameter {path!r}")
        return found

    def _looked_up(self, block: Block, match: re.Match[str]) -> str:
        source, path = match.groups()
        if source == "config":
            found = _attribute(self.model.config, path)
        else:
            found = self._one(block.id, block.module, lambda module: _attribute(self._module(block.id, module), path))
        if found is None:
            raise self.spec.error(block.id, f"{match.group()} is not there")
        return _times(found) if isinstance(found, tuple | list) else str(found)

    # Paths

    def _module(self, name: str, path: str) -> torch.nn.Module:
        try:
            return self.model.get_submodule(path)
        except AttributeError:
            raise self.spec.error(name, f"{type(self.model).__name__} has no module {path!r}") from None

    def _paths(self, name: str, pattern: str) -> list[str]:
        """A path with a star is as many paths as there are repetitions."""
        head, star, tail = pattern.partition(".*")
        if not star:
            self._module(name, pattern)
            return [pattern]
        count = self._length(name, head)
        return [path for index in range(count) for path in self._paths(name, f"{head}.{index}{tail}")]

    def _length(self, name: str, path: str) -> int:
        module: Any = self._module(name, path)
        if not hasattr(module, "__len__") or len(module) == 0:
            raise self.spec.error(name, f"{path} is not a list of modules")
        return len(module)

    def _one(self, name: str, pattern: str, measure: Any) -> Any:
        """What is measured on every module of the pattern, which must be the same on all."""
        paths = self._paths(name, pattern)
        values = [measure(path) for path in paths]
        for path, value in zip(paths, values, strict=True):
            if value != values[0]:
                raise self.spec.error(name, f"{paths[0]} measures {values[0]}, but {path} {value}: not a repetition")
        return values[0]

    def _shape(self, name: str, pattern: str, of: str) -> Shape:
        def measure(path: str) -> Shape:
            if path not in self.inputs:
                raise self.spec.error(name, f"{path} was not used in the forward pass")
            if of == "output":
                return self._output(name, path, 0)
            shape = self.inputs[path]
            if shape is None:
                raise self.spec.error(name, f"{path} has no tensor as its input")
            return shape

        shape: Shape = self._one(name, pattern, measure)
        return shape

    def _output(self, name: str, path: str, index: int) -> Shape:
        outputs = self.outputs.get(path, [])
        shape = outputs[index] if index < len(outputs) else None
        if shape is None:
            raise self.spec.error(name, f"{path} has no tensor as its output {index}")
        return shape

    def _parameters(self, name: str, pattern: str) -> int:
        count: int = self._one(
            name, pattern, lambda path: sum(parameter.numel() for parameter in self._module(name, path).parameters())
        )
        return count

    # A diagram must not leave out what matters

    def _check_hidden_changes(self, blocks: dict[str, MeasuredBlock]) -> None:
        """A block without `axes` may not change the shape: the change would not be seen."""
        shown: dict[str, Shape] = {}
        for block in self.spec.block:
            shape = blocks[block.id].shape
            if shape is None:
                continue
            before = shown.get(block.column)
            if not block.axes and before is not None and shape != before:
                raise self.spec.error(
                    block.id, f"the shape changes from {_times(before)} to {_times(shape)}: name its `axes`"
                )
            shown[block.column] = shape

    def _check_every_parameter_drawn(self) -> None:
        owners: dict[int, list[str]] = {}
        for block in self.spec.block:
            drawn: list[torch.nn.Parameter] = []
            if block.parameters:
                for path in self._paths(block.id, block.module):
                    drawn += self._module(block.id, path).parameters()
            if block.side:
                drawn.append(self._side(block.id, block.side.parameter))
            for parameter in drawn:
                owners.setdefault(id(parameter), []).append(block.id)
        for name, parameter in self.model.named_parameters():
            blocks = owners.get(id(parameter), [])
            if len(blocks) > 1:
                raise self.spec.error(blocks[-1], f"the parameter {name} is drawn twice, in {' and '.join(blocks)}")
            if not blocks and not any(fnmatch.fnmatch(name, pattern) for pattern in self.spec.leave_out):
                raise DiagramError(f"the parameter {name} is in no block, and not in `leave_out`", file=self.spec.path)


def _attribute(root: Any, path: str) -> Any:
    for part in path.split("."):
        root = getattr(root, part, None)
    return root


def _shapes(values: list[Any]) -> list[Shape]:
    import torch

    return [tuple(value.shape) for value in values if isinstance(value, torch.Tensor)]


def _outputs(output: Any) -> list[Shape | None]:
    import torch

    if isinstance(output, torch.Tensor):
        return [tuple(output.shape)]
    values = list(output.values()) if hasattr(output, "values") else list(output)
    return [tuple(value.shape) if isinstance(value, torch.Tensor) else None for value in values]


def _times(shape: Any) -> str:
    return " × ".join(str(size) for size in shape)
