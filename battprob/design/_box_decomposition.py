"""Boxes between a front of targets and what would be better still."""

import itertools

import numpy as np

from battprob._typing import Bool, Float


def nondominated(points: Float[np.ndarray, "n j"]) -> Bool[np.ndarray, " n"]:
    """Which points no other one is as good as in every target and better in one."""
    as_good = np.all(points[None] >= points[:, None], axis=2)
    better = np.any(points[None] > points[:, None], axis=2)
    return ~np.any(as_good & better, axis=1)


def improving_boxes(
    front: Float[np.ndarray, "n j"], worst: Float[np.ndarray, " j"]
) -> tuple[Float[np.ndarray, "c j"], Float[np.ndarray, "c j"]]:
    """Disjoint boxes (lower, upper] that fill what is above `worst` and not dominated.

    Slabs of the last target: in each, the boxes of the others are those of the points
    that reach as high. One box more than points for two targets; for three, half of the
    square of their number.
    """
    front = front[np.all(front > worst, axis=1)]
    if front.shape[1] == 1:
        low = front.max(axis=0, initial=worst[0])
        return low[None], np.full((1, 1), np.inf)
    steps = np.unique(front[:, -1])
    edges = np.concatenate([worst[-1:], steps, [np.inf]])
    lowers, uppers = [], []
    for low, high in itertools.pairwise(edges):
        reaching = front[front[:, -1] >= high, :-1]
        reaching = reaching[nondominated(reaching)]
        lower, upper = improving_boxes(reaching, worst[:-1])
        lowers.append(np.column_stack([lower, np.full(len(lower), low)]))
        uppers.append(np.column_stack([upper, np.full(len(upper), high)]))
    return np.concatenate(lowers), np.concatenate(uppers)
