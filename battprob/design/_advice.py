"""Whether another test is worth it, from joint draws of the function."""

from typing import Any, NamedTuple

import jax
import numpy as np

from battprob._typing import Float, PRNGKey
from battprob.design._posterior_view import tested
from battprob.design.space import Space


class Advice(NamedTuple):
    """What may still be gained.

    Attributes:
        probability: that no point of the space is better than the recommended one by more
            than `epsilon`, as far as 512 points spread over it and those tested show.
        expected_gain: most that the expected improvement of one test on the recommended
            point may be, were the test free of noise.
        epsilon: what was called close enough.
    """

    probability: float
    expected_gain: float
    epsilon: float

    def __str__(self) -> str:
        return (
            f"within {self.epsilon:g} of the best with probability "
            f"{self.probability:.2f}; the next test may gain {self.expected_gain:.3g}"
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
    """Draw the function at the recommended row and many others, and compare."""
    key_rows, key_draws = jax.random.split(key)
    rows = [recommended, tested(posterior), space.sample(_NUM_ROWS, key=key_rows)]
    rows = np.concatenate(rows)[:_NUM_ROWS]
    draws = np.asarray(posterior.sample_functions(rows, key=key_draws, num=num))
    gain = draws - draws[:, :1]
    return Advice(
        probability=float(np.mean(gain.max(1) <= epsilon)),
        expected_gain=float(np.maximum(gain, 0).mean(0).max()),
        epsilon=epsilon,
    )


_NUM_ROWS = 512
