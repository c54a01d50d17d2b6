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


def close_all() -> int:
    """Close the figures that are still open, and say how many they were."""
    count = len(Gcf.get_all_fig_managers())
    Gcf.destroy_all()
    return count
