"""The figure of a study: curves, parity, calibration and the split of variance."""

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
    """Draw one figure into `folder` (made if need be) and return its path."""
    source, pred = predicted[0]
    known = np.flatnonzero(~np.isnan(source.life) & ~source.censored)
    figure, axes = plt.subplots(2, 2, figsize=(12, 9), layout="constrained")
    cells = [cell for each in sources for cell in each.cells]
    if cells:
        _draw_curves(cells, axes[0, 0])
    else:
        axes[0, 0].set_axis_off()
    if known.size:
        seen, life = pred.take(known), source.life[known]
        plots.parity(seen, life, unit="cycles", ax=axes[0, 1])
        plots.calibration(seen, life, ax=axes[1, 0])
    axes[0, 1].set_title(f"life of {source.name} cells")
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
