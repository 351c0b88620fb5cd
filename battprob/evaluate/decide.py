"""What to do with each cell, when mistakes have prices.

A cell fails (outcome 1) with a probability that is itself not known. Passing it costs
`cost_false_negative` if it fails, rejecting it costs `cost_false_positive` if it would
not have. With p the mean probability the cheaper is

    reject  where  p / (1 - p) > cost_false_positive / cost_false_negative

and that is all the distribution of p says, unless it can be made narrower: then the
epistemic part has a price too.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float, Int
from battprob.evaluate.classification import outcomes
from battprob.predictive import ClassPredictive

PASS, REJECT, RETEST = 0, 1, 2


class Decision(eqx.Module):
    """An action for every cell, and what it is expected to cost.

    Args:
        action: 0 pass, 1 reject, 2 retest.
        expected_cost: of that action.
        threshold: probability of failure above which to reject rather than pass.
        value_of_retest: cost that knowing each p would save, before the retest is paid.
    """

    action: Int[Array, "*b"]
    expected_cost: Float[Array, "*b"]
    threshold: Float[Array, "*b"]
    value_of_retest: Float[Array, "*b"]

    def __str__(self) -> str:
        counts = [int((self.action == a).sum()) for a in (PASS, REJECT, RETEST)]
        return (
            "pass {}, reject {}, retest {}; expected cost {:.4g}".format(
                *counts, float(self.expected_cost.sum())
            )
            + f", threshold {float(jnp.mean(self.threshold)):.3g}"
        )


def decide(
    p: ClassPredictive,
    *,
    cost_false_negative: ArrayLike,
    cost_false_positive: ArrayLike,
    cost_retest: ArrayLike = jnp.inf,
) -> Decision:
    r"""Pass, reject or retest each cell: the action of least expected cost.

    A retest is taken to reveal p, and with it the better of the two other actions:

    $$E[\text{retest}] = c_{retest} + E_p \min(c_{FN}\,p,\; c_{FP}\,(1 - p))$$

    which is worth it only where draws of p disagree about what to do: a cell whose
    outcome is a coin toss known to be one is not worth a retest. A test that tells less
    than p saves less than that: `value_of_measurement`.

    Args:
        p: probabilities of failure.
        cost_false_negative: of passing a cell that fails.
        cost_false_positive: of rejecting one that would not have.
        cost_retest: of testing a cell longer; default, it cannot be.

    Raises:
        DataError: a cost is negative or both costs of mistakes are zero.

    Example:
        >>> p = ClassPredictive([[0.001, 0.10, 0.00], [0.001, 0.10, 0.40]])
        >>> decision = decide(
        ...     p, cost_false_negative=50.0, cost_false_positive=1.0, cost_retest=0.3
        ... )
        >>> decision.action.tolist(), round(float(decision.threshold[0]), 4)
        ([0, 1, 2], 0.0196)

    References:
        Elkan, The foundations of cost-sensitive learning, IJCAI (2001), eq. 2; Chow, IEEE
        Trans. Inf. Theory 16, 41 (1970), doi:10.1109/TIT.1970.1054406 (reject option).
    """
    miss, alarm, retest = _costs(
        p, cost_false_negative, cost_false_positive, cost_retest
    )
    now = _least_cost(p.mean, p.complement, miss, alarm)
    known = _least_cost(p.probability, 1 - p.probability, miss[None], alarm[None])
    later = (jnp.exp(p.log_weight) * known).sum(0)
    at_once = jnp.where(miss * p.mean > alarm * p.complement, REJECT, PASS)
    worth_it = later + retest < now
    return Decision(
        action=jnp.where(worth_it, RETEST, at_once),
        expected_cost=jnp.where(worth_it, later + retest, now),
        threshold=alarm / (alarm + miss),
        value_of_retest=jnp.maximum(now - later, 0.0),
    )


def decide_within_budget(
    p: ClassPredictive,
    *,
    cost_false_negative: ArrayLike,
    cost_false_positive: ArrayLike,
    cost_retest: float,
    budget: float,
) -> Decision:
    """`decide` for many cells of which only so many can be retested.

    The retests that save most come first, while the budget lasts; the other cells are
    passed or rejected as they are.

    Args:
        p, cost_false_negative, cost_false_positive, cost_retest: see `decide`; the cost
            of a retest is the same for every cell.
        budget: that all retests together may cost.

    Example:
        >>> p = ClassPredictive([[0.0, 0.0, 0.0], [0.2, 0.4, 0.6]])
        >>> costs = dict(cost_false_negative=10.0, cost_false_positive=5.0)
        >>> decide_within_budget(p, **costs, cost_retest=0.1, budget=0.25).action.tolist()
        [0, 2, 2]
    """
    costs = {
        "cost_false_negative": cost_false_negative,
        "cost_false_positive": cost_false_positive,
    }
    free, bound = decide(p, **costs, cost_retest=cost_retest), decide(p, **costs)
    worth = jnp.where(free.action == RETEST, free.value_of_retest, -jnp.inf).ravel()
    rank = jnp.argsort(jnp.argsort(-worth)).reshape(p.shape).astype(worth.dtype)
    # To rounding: ten retests of 0.1 are within a budget of one.
    affordable = (rank + 1) * cost_retest <= budget * (1 + 1e-6)
    chosen = affordable & (free.action == RETEST)
    return Decision(
        action=jnp.where(chosen, RETEST, bound.action),
        expected_cost=jnp.where(chosen, free.expected_cost, bound.expected_cost),
        threshold=free.threshold,
        value_of_retest=free.value_of_retest,
    )


def value_of_measurement(
    p: ClassPredictive,
    *,
    cost_false_negative: ArrayLike,
    cost_false_positive: ArrayLike,
    sensitivity: ArrayLike,
    specificity: ArrayLike,
) -> Float[Array, "*b"]:
    r"""Cost that one more, imperfect, test of each cell is expected to save.

    $$\min_a E[c_a] - \sum_{r \in \{+,-\}} P(r) \min_a E[c_a \mid r]$$

    The test is worth making where this exceeds its price. Unlike the retest of `decide` it
    looks at the outcome itself, so that it may help even where p is known.

    Args:
        p, cost_false_negative, cost_false_positive: see `decide`.
        sensitivity: probability that the test of a failing cell says so.
        specificity: probability that the test of a sound cell says so.

    Example:
        >>> p = ClassPredictive([[0.5]])
        >>> float(value_of_measurement(
        ...     p, cost_false_negative=8.0, cost_false_positive=8.0,
        ...     sensitivity=1.0, specificity=0.5,
        ... )[0])
        2.0

    References:
        Raiffa and Schlaifer, Applied Statistical Decision Theory (1961): the expected
        value of sample information.
    """
    miss, alarm, _ = _costs(p, cost_false_negative, cost_false_positive, 0.0)
    sensitivity, specificity = jnp.asarray(sensitivity), jnp.asarray(specificity)
    bad, good = p.mean, p.complement
    now = _least_cost(bad, good, miss, alarm)
    # Joint probabilities, so that a result that never comes needs no division by zero.
    positive = _least_cost(sensitivity * bad, (1 - specificity) * good, miss, alarm)
    negative = _least_cost((1 - sensitivity) * bad, specificity * good, miss, alarm)
    return jnp.maximum(now - positive - negative, 0.0)


class CostCurve(NamedTuple):
    """Mean cost a cell of rejecting where p > threshold, on outcomes that came true.

    `bayes_threshold` is where `decide` would set it, `bayes_cost` what that cost.
    """

    threshold: Float[np.ndarray, " t"]
    cost: Float[np.ndarray, " t"]
    bayes_threshold: float
    bayes_cost: float


def cost_curve(
    p: ClassPredictive,
    y: ArrayLike,
    *,
    cost_false_negative: float,
    cost_false_positive: float,
) -> CostCurve:
    """What every threshold would have cost: calibrated probabilities need no search.

    Where the curve's lowest point lies far from `bayes_threshold`, and by more than the
    few cells near either could explain, the probabilities are not calibrated.

    Args:
        p: probabilities of failure.
        y: outcomes, 1 where the cell failed.
        cost_false_negative, cost_false_positive: see `decide`.

    Raises:
        DataError: `y` has another shape than `p` or holds more than 0 and 1.

    Example:
        >>> p = ClassPredictive([[0.1, 0.2, 0.9]])
        >>> curve = cost_curve(
        ...     p, [0, 1, 1], cost_false_negative=3.0, cost_false_positive=1.0
        ... )
        >>> curve.cost.tolist(), curve.bayes_cost
        ([0.3333333333333333, 0.0, 1.0, 2.0], 1.0)
    """
    failed = outcomes(p, y).ravel()
    probability = np.asarray(p.mean).ravel()
    threshold, rank = np.unique(probability, return_inverse=True)
    misses = np.bincount(rank, failed)  # passed once the threshold reaches the cell
    alarms = np.bincount(rank, ~failed)
    saved = cost_false_negative * misses - cost_false_positive * alarms
    start = cost_false_positive * alarms.sum()  # at 0 all are rejected
    cost = np.concatenate([[start], start + np.cumsum(saved)]) / len(failed)
    bayes = cost_false_positive / (cost_false_positive + cost_false_negative)
    at_bayes = cost[np.searchsorted(threshold, bayes, side="right")]
    return CostCurve(np.append(0.0, threshold), cost, bayes, float(at_bayes))


def _least_cost(bad, good, miss, alarm):
    return jnp.minimum(miss * bad, alarm * good)


def _costs(p, *costs):
    dtype = p.probability.dtype
    costs = [jnp.broadcast_to(jnp.asarray(cost, dtype), p.shape) for cost in costs]
    miss, alarm, _ = costs
    if not all(bool(jnp.all(cost >= 0)) for cost in costs):
        raise DataError(
            "costs must not be negative: count a saving as the other's cost"
        )
    if not bool(jnp.all(miss + alarm > 0)):
        raise DataError("both mistakes cost nothing, so every decision is as good")
    return costs
