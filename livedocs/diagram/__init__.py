"""Architecture diagrams whose shapes are measured, never typed.

A TOML file says what to draw (`spec`); a forward pass of a checkpoint, or of the published architecture on torch's meta
device, says every number in it (`measure`); the result is an SVG to be inlined in a page (`draw`).
"""

from livedocs.diagram.draw import draw
from livedocs.diagram.measure import Measured, measure_compact, measure_published
from livedocs.diagram.spec import DiagramError, Spec, load_spec

__all__ = [
    "DiagramError",
    "Measured",
    "Spec",
    "draw",
    "load_spec",
    "measure_compact",
    "measure_published",
]
