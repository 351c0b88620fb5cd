"""Figures and files of a report on several models."""

import html
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

from battprob.evaluate.report import Report
from battprob.evaluate.scores import Scores
from battprob.plots._style import EPISTEMIC, TOTAL, axes_or_new, labelled
from battprob.plots.classification import precision_recall, reliability_curve, roc
from battprob.predictive import ClassPredictive

_STYLE = (
    "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
    "td,th{padding:.3em .8em;text-align:right;border-bottom:1px solid #ccc}"
    "img{max-width:100%}"
)


def model_scores(
    scores: dict[str, Scores], score: str, *, ax: Axes | None = None
) -> Axes:
    """One score of several models, with bars of one standard error.

    Args:
        scores: scores by name of the model.
        score: name of the score.
        ax: axes to draw on; default a new figure.

    Example:
        >>> linear = Scores({"mae": 31.0}, {"mae": "cycles"}, {"mae": 4.0})
        >>> model_scores({"linear": linear}, "mae").get_xlabel()
        'mae (cycles)'
    """
    ax = axes_or_new(ax)
    position = np.arange(len(scores))[::-1]
    ax.errorbar(
        [table[score] for table in scores.values()],
        position,
        xerr=[np.nan_to_num(table.errors[score]) for table in scores.values()],
        fmt="o",
        color=EPISTEMIC,
        ecolor=TOTAL,
        capsize=3,
    )
    ax.set_yticks(position, list(scores))
    ax.set_ylim(-0.5, len(scores) - 0.5)
    ax.set_xlabel(labelled(score, next(iter(scores.values())).units[score]))
    return ax


def write_report(report: Report, folder: str | Path) -> Path:
    """Write `report.html`, `report.png` and `report.json` into `folder`.

    For classifiers the figure also contains the ROC, precision-recall and reliability
    curves of the best model.

    Args:
        report: result of `battprob.evaluate.report`.
        folder: created if it does not exist.

    Returns:
        Path of the HTML page.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure = _figure(report)
    figure.savefig(folder / "report.png", dpi=120)
    plt.close(figure)
    (folder / "report.json").write_text(json.dumps(report.to_dict(), indent=1) + "\n")
    (folder / "report.html").write_text(_page(report))
    return folder / "report.html"


def _figure(report):
    scores = {name: result.scores for name, result in report.results.items()}
    shown = [name for name in report.shown if name != "accuracy"][:4]
    figure = plt.figure(layout="constrained")
    if "log_loss" in shown:
        heights = (_height(scores), 4.5)
        (upper,), (lower,) = figure.subfigures(
            2, 1, squeeze=False, height_ratios=heights
        )
        figure.set_size_inches(3.2 * len(shown), _height(scores) + 4.5)
        _draw_curves(report, lower)
    else:
        upper = figure
        figure.set_size_inches(3.2 * len(shown), _height(scores))
    axes = upper.subplots(1, len(shown), sharey=True)
    for ax, score in zip(axes, shown, strict=True):
        model_scores(scores, score, ax=ax)
    return figure


def _height(scores):
    return 1.5 + 0.4 * len(scores)


def _draw_curves(report, figure):
    """ROC, precision-recall and reliability curves of the best model on held-out rows."""
    columns = report.results[report.best].columns
    p, y = ClassPredictive(columns["probability"][None]), columns["target"]
    figure.suptitle(f"{report.best}, held-out rows")
    draw = (roc, precision_recall, reliability_curve)
    for ax, curve in zip(figure.subplots(1, 3), draw, strict=True):
        curve(p, y, ax=ax)


def _page(report):
    titles, units, *models = report.rows()
    head = "".join(
        f"<th>{html.escape(title)}<br><small>{html.escape(unit)}</small></th>"
        for title, unit in zip(titles, units, strict=True)
    )
    body = "".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in line) + "</tr>"
        for line in models
    )
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in report.notes)
    return (
        f"<!doctype html><meta charset='utf-8'><title>battprob report</title>"
        f"<style>{_STYLE}</style><h1>Models on the same held-out rows</h1>"
        f"<table><tr>{head}</tr>{body}</table><ul>{notes}</ul>"
        "<p>± one standard error, over groups if there are groups.</p>"
        "<img src='report.png' alt='scores of the models'>\n"
    )
