"""`battprob forecast`: the end of cells that have not reached it."""

from pathlib import Path


def add(commands):
    """Add the command that forecasts capacity from partial curves."""
    forecast = commands.add_parser(
        "forecast",
        help="forecast when cells cross a threshold, from others that have",
        description="FILE is a table with the columns cell, cycle and capacity_Ah. Cells "
        "that end above the threshold are forecast; all are learned from, of which three "
        "must have aged.",
    )
    forecast.add_argument("file", type=Path, metavar="FILE")
    forecast.add_argument(
        "--threshold",
        type=float,
        default=0.8,
        metavar="SHARE",
        help="end of life, as a share of each cell's first capacity (default: %(default)s)",
    )
    forecast.add_argument(
        "--report",
        type=Path,
        metavar="DIR",
        help="folder for a figure of every forecast",
    )
    forecast.set_defaults(run=_forecast)


def _forecast(options):
    import jax
    import numpy as np

    from battprob import DataError, data
    from battprob.trajectories import FadeTrajectory

    if not 0 < options.threshold < 1:
        raise DataError(
            f"--threshold must lie between 0 and 1; got {options.threshold:g}"
        )
    cells = data.read_capacity_csv(options.file)
    posterior = FadeTrajectory().fit(cells, key=jax.random.key(0))
    print(f"cycle at which {options.threshold:.0%} of the first capacity are left:")
    print(f"{'cell':<24}{'last cycle':>12}{'5 %':>8}{'median':>8}{'95 %':>8}")
    for cell in cells:
        forecast = posterior.forecast(cell)
        threshold_ah = options.threshold * float(forecast.start_ah)
        if forecast.crossed(threshold_ah):
            print(f"{cell.name:<24}{cell.cycle[-1]:>12}{'reached':>16}")
            continue
        life = forecast.life(threshold_ah)
        ends = np.asarray(life.quantile(np.array([0.05, 0.5, 0.95])))
        numbers = "".join(f"{end:>8.0f}" for end in ends)
        print(f"{cell.name:<24}{cell.cycle[-1]:>12}{numbers}")
        if options.report is not None:
            _draw(options.report, cell, forecast, life, threshold_ah)


def _draw(folder, cell, forecast, life, threshold_ah):
    import numpy as np
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
