"""Fit the default model to one source, score it on the others, and say what to test next."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from battprob import evaluate
from battprob._errors import DataError
from battprob.cli.life.pipeline import model
from battprob.cli.life.sources import Source
from battprob.predictive import Predictive

_SHOWN = 5
_FEW_GROUPS = 5


def study(
    sources: Sequence[Source], *, report: Path | None = None
) -> list[dict[str, Any]]:
    """Learn from the first source, predict the others, print what was found.

    Args:
        sources: the first is learned from; all need the same features.
        report: folder for a figure.

    Returns:
        One record for every predicted cell: mean, quantiles, standard deviations of the
        two kinds, in cycles, and its scores where its life is known.

    Raises:
        DataError: the sources do not fit together, or are too few to learn from.
    """
    train, *tests = sources
    _require_enough(train)
    for source in sources:
        _print_source(source)
    dataset = train.dataset
    key_folds, key_fit = jax.random.split(jax.random.key(0))
    print(f"\nCross-validation on {train.name} ({dataset.num_rows} cells):")
    _print_folds(len(dataset.group_names))
    spec = model(dataset.feature_names)
    folds = evaluate.cross_validate(spec, dataset, key=key_folds)
    posterior = spec.fit(dataset, key=key_fit)
    predicted = [
        (source, posterior.predict(source.aligned(train).x)) for source in tests
    ]
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
    """One record a cell, in cycles; scores only where the life is known exactly."""
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
        | {k: None if np.isnan(v[i]) else float(v[i]) for k, v in columns.items()}
        for i, name in enumerate(source.table.rows)
    ]


def _require_enough(train):
    cells, columns = train.table.x.shape
    if cells < columns:
        raise DataError(
            f"{train.name} has {cells} cells and {columns} features: fewer cells than "
            "features cannot tell them apart; name the few that matter with --features"
        )


def _print_source(source):
    known = int(np.sum(~np.isnan(source.life)))
    print(f"{source.name}: {len(source.life)} cells, {known} with a known life")
    for repair in source.repairs:
        print(f"  mended {repair}")


def _print_folds(groups):
    if not groups:
        return
    print(
        f"Folds keep each of {groups} groups whole: scores are for groups never seen."
    )
    if groups < _FEW_GROUPS:
        print(
            f"From {groups} groups no model learns how far another may lie: for a new one "
            "these\nintervals are too narrow. To score cells of these groups instead, make "
            "a table\n(battprob features) and name its columns by --features, without --group."
        )


def _print_scores(name, folds, predicted):
    rows = {f"{name}, held out": folds.scores}
    for source, pred in predicted:
        exact = np.flatnonzero(~np.isnan(source.life) & ~source.censored)
        if exact.size:
            rows[source.name] = evaluate.summary(
                pred.take(exact), source.life[exact], unit="cycles"
            )
    columns = ("rmse", "mape", "crps", "nlpd", "coverage", "sharpness")
    titles = ("RMSE", "MAPE %", "CRPS", "NLPD", "coverage", "90 % width")
    width = max(map(len, rows))
    print(f"\n{'':<{width}}" + "".join(f"{title:>12}" for title in titles))
    for label, scores in rows.items():
        numbers = "".join(f"{scores[c]:>12.3g}" for c in columns)
        print(f"{label:<{width}}{numbers}")
    print("RMSE, CRPS and width in cycles; coverage of the 90 % interval.")


def _print_cells(source, pred):
    order = np.argsort(-np.asarray(pred.epistemic))
    print(
        f"\n{source.name}: cells whose test would teach most (largest epistemic variance)"
    )
    print(f"{'cell':<28}{'mean':>8}{'± aleatoric':>13}{'± epistemic':>13}{'life':>8}")
    for i in order[:_SHOWN]:
        life = "" if np.isnan(source.life[i]) else f"{source.life[i]:.0f}"
        print(
            f"{source.table.rows[i]:<28}{pred.mean[i]:>8.0f}"
            f"{np.sqrt(pred.aleatoric[i]):>13.0f}{np.sqrt(pred.epistemic[i]):>13.0f}"
            f"{life:>8}"
        )
