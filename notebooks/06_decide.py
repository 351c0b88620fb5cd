# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Which cells to reject, and which to test longer
#
# The first hundred cycles of each cell are known. Selling a cell that fails before 500 cycles costs 20 units, rejecting a
# good cell costs 1 unit, and a longer test costs 0.05 units. The classifier is fitted to the outcomes only. The costs are
# used afterwards, to decide.

# %%
import warnings

import jax
import matplotlib.pyplot as plt
import numpy as np

import battprob as bp

warnings.filterwarnings("ignore", "IProgress not found")
bp.enable_x64()
key = jax.random.key(0)
specification_cycles = 500
costs = {"cost_false_negative": 20.0, "cost_false_positive": 1.0}

# %% [markdown]
# There are forty batches of about ten cells each. The cells of twelve batches were tested to the end of life and are used
# for training. All predictions are for the other batches.

# %%
population = bp.data.population(400, seed=3, num_batches=40)
table = bp.features.early_life(population.cells).select(
    ["delta_q_log10_variance", "fade_slope"]
)
rate = bp.features.FeatureTable(
    population.charge_rate_c[:, None],
    names=["charge_rate"],
    units=["1/h"],
    rows=table.rows,
    groups=table.groups,
)
lives = table.join(rate).to_dataset(bp.targets.cycle_life(population.cells))
short = np.asarray(lives.y) < specification_cycles
batch = np.array([cell.batch for cell in population.cells])
number = np.array([int(name.removeprefix("batch")) for name in batch])
train, test = np.flatnonzero(number < 12), np.flatnonzero(number >= 12)
x_new, failed = np.asarray(lives.x)[test], short[test]
screen = bp.Dataset(
    np.asarray(lives.x)[train],
    short[train],
    feature_names=lives.feature_names,
)
print(
    f"{short[train].mean():.0%} of the {len(train)} training cells failed before "
    f"{specification_cycles} cycles"
)

# %% [markdown]
# ## From features to probabilities

# %%
classifier = bp.models.BayesianLogistic()
p = classifier.fit(screen, key=key).predict(x_new)
print(bp.evaluate.summary(p, failed, groups=batch[test]))

# %% [markdown]
# Accuracy must be compared with the majority rate, and average precision with the prevalence. The dashed lines show a
# classifier without skill.

# %%
figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
bp.plots.roc(p, failed, ax=axes[0])
bp.plots.precision_recall(p, failed, ax=axes[1])
bp.plots.reliability_curve(p, failed, ax=axes[2])
plt.show()

# %% [markdown]
# ## From probabilities to a threshold
#
# If the probabilities are calibrated, the threshold follows from the costs: reject where the odds of failure exceed 1/20.
# A threshold optimised on a sample (triangle) is overfitted to this sample, and needs outcomes that are not yet known when
# the decision is made.

# %%
curve = bp.evaluate.cost_curve(p, failed, **costs)
bp.plots.cost_curve(curve, unit="units")
plt.show()
half = curve.cost[np.searchsorted(curve.threshold, 0.5) - 1]
print(
    f"mean cost per cell: {half:.2f} with threshold 0.5, {curve.bayes_cost:.2f} with the "
    "threshold from the costs"
)

# %% [markdown]
# ## Longer tests
#
# A longer test is worth its cost only where the posterior draws of the *probability* lead to different decisions
# (epistemic uncertainty). If the probability itself is well known, even one near the threshold, more testing does not
# help.

# %%
at_once = bp.evaluate.decide(p, **costs)
decision = bp.evaluate.decide(p, **costs, cost_retest=0.05)
affordable = bp.evaluate.decide_within_budget(p, **costs, cost_retest=0.05, budget=0.5)
print("without longer tests: ", at_once)
print("with longer tests:    ", decision)
print("with a budget of 0.5: ", affordable)

# %%
action = np.asarray(decision.action)
epistemic_sd = np.sqrt(np.asarray(p.epistemic))
for code, name in enumerate(["pass", "reject", "test longer"]):
    chosen = action == code
    plt.scatter(np.asarray(p.mean)[chosen], epistemic_sd[chosen], s=15, label=name)
plt.axvline(float(decision.threshold[0]), color="grey", linestyle="--")
plt.xlabel(f"probability of failure before {specification_cycles} cycles")
plt.ylabel("epistemic sd of that probability")
plt.xscale("log")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Probabilities from predicted lives
#
# A regression of life uses more information than a classifier: not only whether a cell fails before the specified life but
# by how much. P(life < 500) also has an aleatoric and an epistemic part, and can be used with the same functions.

# %%
kernel = bp.kernels.Linear() + bp.kernels.Matern32()
process = bp.models.GaussianProcess(kernel, bp.noise.LogLinear(["charge_rate"]))
life = process.fit(lives.take(train).without("groups"), key=key).predict(x_new)
from_life = bp.evaluate.probability_below(life, specification_cycles)
scores = {
    name: bp.evaluate.summary(pred, failed, groups=batch[test])
    for name, pred in {"outcomes": p, "lives": from_life}.items()
}
for name, score in scores.items():
    print(f"{name}: log loss {score['log_loss']:.3f} ± {score.errors['log_loss']:.3f}")
print(bp.evaluate.decide(from_life, **costs, cost_retest=0.05))

# %% [markdown]
# ## Calibrated intervals for new batches
#
# The regression ignores batches, so for new batches the coverage of its intervals is below 90 %. Half of the new batches
# are used to calibrate the intervals and the other half to check them. With only fourteen calibration batches, the
# intervals become wide.

# %%
calibration = number[test] < 26
observed_life = np.asarray(lives.y)[test]
calibrated = bp.evaluate.ConformalInterval(level=0.9).fit(
    life.take(np.flatnonzero(calibration)),
    observed_life[calibration],
    groups=batch[test][calibration],
)
print(
    f"intervals widened by a factor of {calibrated.factor:.2f}, from "
    f"{calibrated.effective_size:.0f} batches"
)

# %%
others = life.take(np.flatnonzero(~calibration))
for name, (low, high) in {
    "as predicted": others.interval(0.9),
    "calibrated": calibrated.interval(others),
}.items():
    y = observed_life[~calibration]
    coverage = np.mean(np.asarray((low <= y) & (y <= high)))
    width = np.mean(np.asarray(high - low))
    print(f"{name}: coverage {coverage:.2f}, mean width {width:.0f} cycles")
