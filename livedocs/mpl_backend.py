"""A Matplotlib backend whose `plt.show()` hands figures to whoever is listening, and closes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

FigureCanvas = FigureCanvasAgg
FigureManager = FigureManagerBase

listener: Callable[[Figure], None] | None = None
"""Called with every figure shown; set by `livedocs.capture`."""


def show(*_: Any, **__: Any) -> None:
    """Hand over the open figures, oldest first, and close them, as a notebook does."""
    for manager in Gcf.get_all_fig_managers():
        if listener is not None:
            listener(manager.canvas.figure)
    Gcf.destroy_all()


def open_figures() -> set[int]:
    """The numbers of the figures that are open."""
    return set(Gcf.figs)


def close_all_but(kept: set[int]) -> int:
    """Close the figures that are still open and were not before, and say how many they were."""
    left = open_figures() - kept
    for number in left:
        Gcf.destroy(number)
    return len(left)
