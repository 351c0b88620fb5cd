"""Box decomposition of the region that a Pareto front does not dominate."""

import itertools

import numpy as np

from battprob._typing import Bool, Float


def nondominated(points: Float[np.ndarray, "n j"]) -> Bool[np.ndarray, " n"]:
    """Mask of the points that no other point dominates (all targets are maximised)."""
    as_good = np.all(points[None] >= points[:, None], axis=2)
    better = np.any(points[None] > points[:, None], axis=2)
    return ~np.any(as_good & better, axis=1)


def improving_boxes(
    front: Float[np.ndarray, "n j"], worst: Float[np.ndarray, " j"]
) -> tuple[Float[np.ndarray, "c j"], Float[np.ndarray, "c j"]]:
    """Lower and upper corners of disjoint boxes above `worst` and above the front.

    The region is cut into slabs along the last target. In each slab, the boxes of the
    other targets are those of the points that reach above the slab. For n points of two
    targets there are n + 1 boxes; for three targets about n²/2.
    """
    front = front[np.all(front > worst, axis=1)]
    if front.shape[1] == 1:
        low = front.max(axis=0, initial=worst[0])
        return low[None], np.full((1, 1), np.inf)
    steps = np.unique(front[:, -1])
    edges = np.concatenate([worst[-1:], steps, [np.inf]])
    lowers, uppers = [], []
    for low, high in itertools.pairwise(edges):
        above = front[front[:, -1] >= high, :-1]
        above = above[nondominated(above)]
        lower, upper = improving_boxes(above, worst[:-1])
        lowers.append(np.column_stack([lower, np.full(len(lower), low)]))
        uppers.append(np.column_stack([upper, np.full(len(upper), high)]))
    return np.concatenate(lowers), np.concatenate(uppers)
