"""Figure of a study: curves, predictions, calibration and the split of the variance."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from battprob import plots
from battprob.cli.life.sources import Source
from battprob.predictive import Predictive


def draw(
    folder: Path,
    sources: Sequence[Source],
    predicted: Sequence[tuple[Source, Predictive]],
) -> Path:
    """Draw `life.png` in a folder and return its path.

    Args:
        folder: where to write; created if it does not exist.
        sources: cells whose discharge curves are drawn.
        predicted: sources with their predictions; the first is drawn.
    """
    source, pred = predicted[0]
    exact = np.flatnonzero(~np.isnan(source.life) & ~source.censored)
    figure, axes = plt.subplots(2, 2, figsize=(12, 9), layout="constrained")
    cells = [cell for each in sources for cell in each.cells]
    if cells:
        _draw_curves(cells, axes[0, 0])
    else:
        axes[0, 0].set_axis_off()
    if exact.size:
        exact_pred, life = pred.take(exact), source.life[exact]
        plots.parity(exact_pred, life, unit="cycles", ax=axes[0, 1])
        plots.calibration(exact_pred, life, ax=axes[1, 0])
    axes[0, 1].set_title(f"cycle life of the cells of {source.name}")
    plots.variance_split(pred, source.table.rows, unit="cycles", ax=axes[1, 1])
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "life.png"
    figure.savefig(path, dpi=120)
    plt.close(figure)
    return path


def _draw_curves(cells, ax):
    cells = [cell for cell in cells if not np.isnan(cell.cycle_life)]
    curves = np.stack([cell.curve_ah(100) - cell.curve_ah(10) for cell in cells])
    life = np.array([cell.cycle_life for cell in cells])
    plots.delta_q(cells[0].voltage_v, curves, life, ax=ax)
