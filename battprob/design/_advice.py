"""When to stop: how much better than the recommended point another point may be."""

from typing import Any, NamedTuple

import jax
import numpy as np

from battprob._typing import Float, PRNGKey
from battprob.design._posterior_view import observed_rows
from battprob.design.space import Space


class Advice(NamedTuple):
    """Probability that the recommended point is good enough, and what a test may gain.

    Attributes:
        probability: probability that no point of the space exceeds the recommended one
            by more than `epsilon`, evaluated at up to 512 points: the observed ones and
            points that cover the space.
        expected_gain: largest expected improvement over the recommended point by one
            test without noise.
        epsilon: difference that counts as good enough.
    """

    probability: float
    expected_gain: float
    epsilon: float

    def __str__(self) -> str:
        return (
            f"The recommended point is within {self.epsilon:g} of the best one with "
            f"probability {self.probability:.2f}.\n"
            f"Expected gain of one more test: at most {self.expected_gain:.3g}."
        )


def advise(
    posterior: Any,
    space: Space,
    recommended: Float[np.ndarray, "1 d"],
    *,
    epsilon: float,
    num: int,
    key: PRNGKey,
) -> Advice:
    """Advice from `num` joint draws of the function at the recommended row and others."""
    key_rows, key_draws = jax.random.split(key)
    rows = [
        recommended,
        observed_rows(posterior),
        space.sample(_NUM_ROWS, key=key_rows),
    ]
    rows = np.concatenate(rows)[:_NUM_ROWS]
    draws = np.asarray(posterior.sample_functions(rows, key=key_draws, num=num))
    gain = draws - draws[:, :1]
    return Advice(
        probability=float(np.mean(gain.max(1) <= epsilon)),
        expected_gain=float(np.maximum(gain, 0).mean(0).max()),
        epsilon=epsilon,
    )


_NUM_ROWS = 512
