"""Cost-sensitive decisions: pass, reject or retest each cell.

A cell fails (outcome 1) with an uncertain probability. Passing a cell that fails costs
`cost_false_negative`; rejecting a cell that would not fail costs `cost_false_positive`. With
p the mean probability, the expected cost is lowest if a cell is

    rejected  where  p / (1 - p) > cost_false_positive / cost_false_negative

and passed elsewhere. This depends on the mean alone. The epistemic variance matters if a
further test can reduce it: then the value of that test can be computed.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from battprob._errors import DataError
from battprob._typing import Array, ArrayLike, Float, Int
from battprob.evaluate.classification import checked_outcomes
from battprob.predictive import ClassPredictive

PASS, REJECT, RETEST = 0, 1, 2


class Decision(eqx.Module):
    """The action for each cell, and its expected cost.

    Args:
        action: 0 pass, 1 reject, 2 retest.
        expected_cost: expected cost of that action.
        threshold: probability of failure above which rejecting is cheaper than passing.
        value_of_retest: expected reduction of the cost if p were known, before the cost of
            the retest.
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
    r"""Select for each cell the action with the lowest expected cost.

    A retest is assumed to determine p, and thus the cheaper of the two other actions:

    $$E[\text{retest}] = c_{retest} + E_p \min(c_{FN}\,p,\; c_{FP}\,(1 - p))$$

    It reduces the cost only if the draws of p lead to different actions. If p is known to
    be 0.5, a retest has no value. A test with less information than p saves less; see
    `value_of_measurement`.

    Args:
        p: probabilities of failure.
        cost_false_negative: cost of passing a cell that fails.
        cost_false_positive: cost of rejecting a cell that would not fail.
        cost_retest: cost of testing a cell longer; by default a retest is not possible.

    Raises:
        DataError: a cost is negative, or both costs of errors are zero.

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
    immediate = _least_cost(p.mean, p.complement, miss, alarm)
    by_draw = _least_cost(p.probability, 1 - p.probability, miss[None], alarm[None])
    informed = (jnp.exp(p.log_weight) * by_draw).sum(0)
    immediate_action = jnp.where(miss * p.mean > alarm * p.complement, REJECT, PASS)
    retest_is_cheaper = informed + retest < immediate
    return Decision(
        action=jnp.where(retest_is_cheaper, RETEST, immediate_action),
        expected_cost=jnp.where(retest_is_cheaper, informed + retest, immediate),
        threshold=alarm / (alarm + miss),
        value_of_retest=jnp.maximum(immediate - informed, 0.0),
    )


def decide_within_budget(
    p: ClassPredictive,
    *,
    cost_false_negative: ArrayLike,
    cost_false_positive: ArrayLike,
    cost_retest: float,
    budget: float,
) -> Decision:
    """`decide` with an upper limit on the total cost of all retests.

    Retests are assigned in decreasing order of `value_of_retest` until the budget is used.
    The remaining cells are passed or rejected.

    Args:
        p, cost_false_negative, cost_false_positive, cost_retest: see `decide`; the cost
            of a retest is the same for every cell.
        budget: upper limit on the total cost of the retests.

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
    unlimited = decide(p, **costs, cost_retest=cost_retest)
    no_retest = decide(p, **costs)
    wanted = unlimited.action == RETEST
    value = jnp.where(wanted, unlimited.value_of_retest, -jnp.inf).ravel()
    rank = jnp.argsort(jnp.argsort(-value)).reshape(p.shape).astype(value.dtype)
    # The tolerance is for rounding: ten retests at 0.1 must fit into a budget of 1.
    affordable = (rank + 1) * cost_retest <= budget * (1 + 1e-6)
    retest = affordable & wanted
    return Decision(
        action=jnp.where(retest, RETEST, no_retest.action),
        expected_cost=jnp.where(
            retest, unlimited.expected_cost, no_retest.expected_cost
        ),
        threshold=unlimited.threshold,
        value_of_retest=unlimited.value_of_retest,
    )


def value_of_measurement(
    p: ClassPredictive,
    *,
    cost_false_negative: ArrayLike,
    cost_false_positive: ArrayLike,
    sensitivity: ArrayLike,
    specificity: ArrayLike,
) -> Float[Array, "*b"]:
    r"""Expected reduction of the cost by one further, imperfect test of each cell.

    $$\min_a E[c_a] - \sum_{r \in \{+,-\}} P(r) \min_a E[c_a \mid r]$$

    The test reduces the total cost if this value exceeds the cost of the test. Unlike the
    retest in `decide`, the test measures the outcome and not p, so it can have a value even
    if p is known.

    Args:
        p, cost_false_negative, cost_false_positive: see `decide`.
        sensitivity: probability of a positive result for a cell that fails.
        specificity: probability of a negative result for a cell that does not fail.

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
    fails, passes = p.mean, p.complement
    without_test = _least_cost(fails, passes, miss, alarm)
    # Joint probabilities of outcome and result avoid a division by P(result), which is zero
    # if a result never occurs.
    positive = _least_cost(sensitivity * fails, (1 - specificity) * passes, miss, alarm)
    negative = _least_cost((1 - sensitivity) * fails, specificity * passes, miss, alarm)
    return jnp.maximum(without_test - positive - negative, 0.0)


class CostCurve(NamedTuple):
    """Observed mean cost per cell if cells with p > threshold are rejected.

    `bayes_threshold` is the threshold that `decide` uses, `bayes_cost` the cost there.
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
    """Observed mean cost of every threshold on cells with known outcomes.

    For calibrated probabilities the threshold `bayes_threshold` of the costs has the lowest
    expected cost. If the minimum of the curve is far from it, and lower than the few cells
    between the two can explain, the probabilities are not calibrated.

    Args:
        p: probabilities of failure.
        y: outcomes, 1 where the cell failed.
        cost_false_negative, cost_false_positive: see `decide`.

    Raises:
        DataError: `y` has another shape than `p` or contains values other than 0 and 1.

    Example:
        >>> p = ClassPredictive([[0.1, 0.2, 0.9]])
        >>> curve = cost_curve(
        ...     p, [0, 1, 1], cost_false_negative=3.0, cost_false_positive=1.0
        ... )
        >>> curve.cost.tolist(), curve.bayes_cost
        ([0.3333333333333333, 0.0, 1.0, 2.0], 1.0)
    """
    failed = checked_outcomes(p, y).ravel()
    probability = np.asarray(p.mean).ravel()
    threshold, rank = np.unique(probability, return_inverse=True)
    # A cell is passed as soon as the threshold reaches its probability.
    misses = np.bincount(rank, failed)
    alarms = np.bincount(rank, ~failed)
    change = cost_false_negative * misses - cost_false_positive * alarms
    all_rejected = cost_false_positive * alarms.sum()  # cost at threshold 0
    cost = np.append(all_rejected, all_rejected + np.cumsum(change)) / len(failed)
    bayes = cost_false_positive / (cost_false_positive + cost_false_negative)
    at_bayes = cost[np.searchsorted(threshold, bayes, side="right")]
    return CostCurve(np.append(0.0, threshold), cost, bayes, float(at_bayes))


def _least_cost(fails, passes, miss, alarm):
    """Expected cost of the cheaper action, pass or reject."""
    return jnp.minimum(miss * fails, alarm * passes)


def _costs(p, *costs):
    dtype = p.probability.dtype
    costs = [jnp.broadcast_to(jnp.asarray(cost, dtype), p.shape) for cost in costs]
    miss, alarm, _ = costs
    if not all(bool(jnp.all(cost >= 0)) for cost in costs):
        raise DataError(
            "costs must not be negative; express a saving by one action as a cost of the "
            "other action"
        )
    if not bool(jnp.all(miss + alarm > 0)):
        raise DataError(
            "cost_false_negative and cost_false_positive are both zero, so all actions "
            "have the same cost; set at least one of them to a positive value"
        )
    return costs
