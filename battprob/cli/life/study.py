"""Fit the default model to one source, score it on others, and print the results."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from battprob import evaluate
from battprob._errors import DataError
from battprob._typing import PRNGKey
from battprob.cli.life.pipeline import model
from battprob.cli.life.sources import Source
from battprob.predictive import Predictive

_NUM_PRINTED = 5
_FEW_GROUPS = 5


def study(
    sources: Sequence[Source], *, key: PRNGKey, report: Path | None = None
) -> list[dict[str, Any]]:
    """Fit the first source, predict the others, and print scores and predictions.

    The first source is also scored by cross-validation. If it is the only one, its
    out-of-fold predictions are printed and returned.

    Args:
        sources: the first has the training cells; all need the same features.
        key: PRNG key.
        report: folder for a figure.

    Returns:
        One record per predicted cell, see `records`.

    Raises:
        DataError: features differ between the sources, a training cell has no life, or
            there are fewer training cells than features.
    """
    train, *tests = sources
    _require_enough(train)
    for source in sources:
        _print_source(source)
    dataset = train.dataset
    key_folds, key_fit = jax.random.split(key)
    print(f"\nCross-validation on {train.name} ({dataset.num_rows} cells):")
    _print_folds(len(dataset.group_names))
    spec = model(dataset)
    folds = evaluate.cross_validate(spec, dataset, key=key_folds)
    posterior = spec.fit(dataset, key=key_fit)
    predicted = [(source, source.predicted_by(posterior, train)) for source in tests]
    _print_scores(train.name, folds, predicted)
    if not tests:
        order = np.argsort(folds.indices)
        predicted = [(train, folds.predictive.take(order))]
    for source, pred in predicted:
        _print_cells(source, pred)
    if report is not None:
        from battprob.cli.life.figure import draw

        path = draw(report, [train, *tests], predicted)
        print(f"\nFigure: {path}")
    return [record for source, pred in predicted for record in records(source, pred)]


def records(source: Source, pred: Predictive) -> list[dict[str, Any]]:
    """Predictions and scores of the cells of a source, ready for JSON.

    Returns:
        One dictionary per cell with the keys `cell`, `split` (name of the source), `q50`
        (the median), `q05` and `q95` (the 90 % interval), `mean`, `aleatoric_sd` and
        `epistemic_sd`, all in cycles, and the scores `log_density` (per cycle) and `crps`
        (cycles). Scores are None where the life is not known exactly, and a moment is
        None where it does not exist.
    """
    quantiles = np.asarray(pred.quantile(np.array([0.05, 0.5, 0.95])))
    exact = ~np.isnan(source.life) & ~source.censored
    life = np.where(exact, source.life, 1.0)
    columns = {
        "mean": pred.mean,
        "q05": quantiles[0],
        "q50": quantiles[1],
        "q95": quantiles[2],
        "aleatoric_sd": np.sqrt(pred.aleatoric),
        "epistemic_sd": np.sqrt(pred.epistemic),
        "log_density": np.where(exact, pred.log_prob(life), np.nan),
        "crps": np.where(exact, pred.crps(life), np.nan),
    }
    return [
        {"cell": name, "split": source.name}
        | {k: float(v[i]) if np.isfinite(v[i]) else None for k, v in columns.items()}
        for i, name in enumerate(source.table.rows)
    ]


def _require_enough(train):
    cells, columns = train.table.x.shape
    if cells < columns:
        raise DataError(
            f"{train.name} has {cells} cells and {columns} features; expected at least as "
            "many cells as features: choose fewer columns with --features"
        )


def _print_source(source):
    known = int(np.sum(~np.isnan(source.life)))
    print(f"{source.name}: {len(source.life)} cells, {known} with a known life")
    for repair in source.repairs:
        print(f"  repaired {repair}")


def _print_folds(groups):
    if not groups:
        return
    print(
        f"Each fold leaves out whole batches ({groups} in all): scores are for batches "
        "that the\nmodel has not seen."
    )
    if groups < _FEW_GROUPS:
        print(
            f"{groups} batches are too few to estimate how much batches differ, so the "
            "intervals for\na new batch are too narrow. To score new cells of these batches "
            "instead, make a table\nwith `battprob features` and choose its columns with "
            "--features, without --group."
        )


def _print_scores(name, folds, predicted):
    rows = [(f"{name}, cross-validated", folds.scores)]
    for source, pred in predicted:
        exact = np.flatnonzero(~np.isnan(source.life) & ~source.censored)
        if exact.size:
            scores = evaluate.summary(
                pred.take(exact), source.life[exact], unit="cycles"
            )
            rows.append((source.name, scores))
    columns = ("rmse", "mape", "crps", "nlpd", "coverage", "sharpness")
    titles = ("RMSE", "MAPE %", "CRPS", "NLPD", "coverage", "90 % width")
    width = max(len(label) for label, _ in rows)
    print(f"\n{'':<{width}}" + "".join(f"{title:>12}" for title in titles))
    for label, scores in rows:
        numbers = "".join(f"{scores[c]:>12.3g}" for c in columns)
        print(f"{label:<{width}}{numbers}")
    print(
        "RMSE and MAPE: errors of the predicted mean. NLPD: mean negative log predictive "
        "density.\nCoverage: fraction of lives inside the 90 % interval. RMSE, CRPS and "
        "width in cycles."
    )


def _print_cells(source, pred):
    # Life is skewed: the median, unlike the mean, is not moved by the upper tail.
    low, median, high = np.asarray(pred.quantile(np.array([0.05, 0.5, 0.95])))
    order = np.argsort(-np.asarray(pred.epistemic))[:_NUM_PRINTED]
    print(
        f"\n{source.name}: the {len(order)} cells with the largest epistemic variance, "
        "whose tests would\nteach the model most (life in cycles; sd: standard deviation)"
    )
    titles = ("median", "5 %", "95 %", "aleatoric sd", "epistemic sd", "observed")
    widths = (8, 8, 8, 14, 14, 10)
    heading = (f"{t:>{w}}" for t, w in zip(titles, widths, strict=True))
    print(f"{'cell':<20}" + "".join(heading))
    for i in order:
        sd = np.sqrt(pred.aleatoric[i]), np.sqrt(pred.epistemic[i])
        observed = "" if np.isnan(source.life[i]) else f"{source.life[i]:.0f}"
        numbers = [f"{v:.0f}" for v in (median[i], low[i], high[i], *sd)]
        cells = zip((*numbers, observed), widths, strict=True)
        print(f"{source.table.rows[i]:<20}" + "".join(f"{v:>{w}}" for v, w in cells))
