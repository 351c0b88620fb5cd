"""`battprob forecast`: the end of life of cells that are still above the threshold."""

from pathlib import Path

import numpy as np

from battprob.cli.arguments import add_seed

_PROBABILITIES = (0.05, 0.5, 0.95)


def add(commands):
    """Add the command that forecasts capacity from partial ageing curves."""
    forecast = commands.add_parser(
        "forecast",
        help="forecast the cycle at which capacity falls below a threshold",
        description="Forecast the end of life of every cell whose capacity is still above "
        "the threshold. FILE is a table with the columns cell, cycle and capacity_Ah. The "
        "model is fitted to all cells, of which at least three must have aged.",
    )
    forecast.add_argument(
        "file", type=Path, metavar="FILE", help="table of capacities (.csv)"
    )
    forecast.add_argument(
        "--threshold",
        type=float,
        default=0.8,
        metavar="FRACTION",
        help="end of life, as a fraction of each cell's first capacity (default: "
        "%(default)s)",
    )
    forecast.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="folder for one figure per forecast",
    )
    add_seed(forecast)
    forecast.set_defaults(run=_forecast)


def _forecast(options):
    import jax

    from battprob import DataError, data
    from battprob.trajectories import FadeTrajectory

    if not 0 < options.threshold < 1:
        raise DataError(
            f"--threshold must lie between 0 and 1; got {options.threshold:g}"
        )
    cells = data.read_capacity_csv(options.file)
    posterior = FadeTrajectory().fit(cells, key=jax.random.key(options.seed))
    print(
        f"End of life: the cycle at which capacity falls to {options.threshold:.0%} of "
        "the first capacity.\nQuantiles of the forecast, in cycles:"
    )
    print(f"{'cell':<24}{'last cycle':>12}{'5 %':>8}{'median':>8}{'95 %':>8}")
    for cell in cells:
        forecast = posterior.forecast(cell)
        threshold_ah = options.threshold * float(forecast.start_ah)
        if forecast.crossed(threshold_ah):
            print(f"{cell.name:<24}{cell.cycle[-1]:>12}{'reached':>16}")
            continue
        life = forecast.life(threshold_ah)
        quantiles = quantile_texts(life, forecast.uncrossed(threshold_ah))
        numbers = "".join(f"{text:>8}" for text in quantiles)
        print(f"{cell.name:<24}{cell.cycle[-1]:>12}{numbers}")
        if options.report is not None:
            _draw(options.report, cell, forecast, life, threshold_ah)


def quantile_texts(life, uncrossed):
    """The quantiles of `life`, with ">" where one is only a lower bound.

    Paths that do not reach the threshold count as reaching it at the horizon.

    Args:
        life: predicted cycle of the end of life.
        uncrossed: probability of paths that do not reach the threshold.
    """
    quantiles = life.quantile(np.array(_PROBABILITIES))
    return [
        f"{quantile:.0f}" if p <= 1 - uncrossed else f">{quantile:.0f}"
        for p, quantile in zip(_PROBABILITIES, np.asarray(quantiles), strict=True)
    ]


def _draw(folder, cell, forecast, life, threshold_ah):
    from matplotlib import pyplot as plt

    from battprob import plots

    figure, ax = plt.subplots(layout="constrained")
    folder.mkdir(parents=True, exist_ok=True)
    last = float(cell.cycle[-1])
    end = min(1.2 * float(life.quantile(0.95)), forecast.horizon)
    cycles = np.linspace(last, end, 101)[1:]
    plots.trajectory(
        cycles,
        forecast.capacity(cycles),
        observed=(cell.cycle, cell.capacity_ah),
        threshold=threshold_ah,
        life=life,
        ax=ax,
    )
    ax.set_title(cell.name)
    figure.savefig(folder / f"{cell.name.replace('/', '_')}.png", dpi=150)
    plt.close(figure)
