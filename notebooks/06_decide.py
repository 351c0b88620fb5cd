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
# A hundred cycles of each cell are known. A cell that will not last 500 cycles costs 20 units if it is sold and 1 if
# it is thrown away though it was sound; testing it longer costs 0.05. Probabilities first, prices after: a classifier
# is fitted to what happens, never to what it costs.

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
# Forty batches of about ten cells, which differ as batches do. The cells of twelve of them were tested to the end; what is
# asked of the models is always a batch that they have not seen.

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
    f"{short[train].mean():.0%} of the {len(train)} cells tested to the end fell short"
)

# %% [markdown]
# ## From features to probabilities

# %%
classifier = bp.models.BayesianLogistic()
p = classifier.fit(screen, key=key).predict(x_new)
print(bp.evaluate.summary(p, failed, groups=batch[test]))

# %% [markdown]
# Accuracy has to be read beside the majority rate, average precision beside the prevalence: the dashed line is a guess.

# %%
figure, axes = plt.subplots(1, 3, figsize=(13, 4.2), layout="constrained")
bp.plots.roc(p, failed, ax=axes[0])
bp.plots.precision_recall(p, failed, ax=axes[1])
bp.plots.reliability_curve(p, failed, ax=axes[2])
plt.show()

# %% [markdown]
# ## From probabilities to a threshold
#
# With probabilities that come true, the threshold follows from the costs: reject where the odds of failure exceed
# 1/20. A search for it on the cells at hand fits their luck too (triangle), and needs outcomes that are not there yet when
# one must decide.

# %%
curve = bp.evaluate.cost_curve(p, failed, **costs)
bp.plots.cost_curve(curve, unit="units")
plt.show()
half = curve.cost[np.searchsorted(curve.threshold, 0.5) - 1]
print(f"threshold 0.5: {half:.2f} a cell; by the costs: {curve.bayes_cost:.2f}")

# %% [markdown]
# ## Or test it longer
#
# A retest is worth its price only where draws of the *probability* disagree about what to do (epistemic): a toss-up
# known to be one is decided at once.

# %%
at_once = bp.evaluate.decide(p, **costs)
decision = bp.evaluate.decide(p, **costs, cost_retest=0.05)
afford = bp.evaluate.decide_within_budget(p, **costs, cost_retest=0.05, budget=0.5)
print("at once:         ", at_once)
print("with retests:    ", decision)
print("budget of 0.5:   ", afford)

# %%
action = np.asarray(decision.action)
epistemic_sd = np.sqrt(np.asarray(p.epistemic))
for code, name in enumerate(["pass", "reject", "test longer"]):
    chosen = action == code
    plt.scatter(np.asarray(p.mean)[chosen], epistemic_sd[chosen], s=15, label=name)
plt.axvline(float(decision.threshold[0]), color="grey", linestyle="--")
plt.xlabel("probability of falling short")
plt.ylabel("epistemic sd of that probability")
plt.xscale("log")
plt.legend(frameon=False)
plt.show()

# %% [markdown]
# ## A predicted life is a classifier too
#
# A model of life knows how far below the specification a cell fell, which a yes or no has forgotten. P(life < 500) has
# the same split, and goes into the same functions.

# %%
kernel = bp.kernels.Linear() + bp.kernels.Matern32()
process = bp.models.GaussianProcess(kernel, bp.noise.LogLinear(["charge_rate"]))
life = process.fit(lives.take(train), key=key).predict(x_new)
from_life = bp.evaluate.probability_below(life, specification_cycles)
scores = {
    name: bp.evaluate.summary(pred, failed, groups=batch[test])
    for name, pred in {"outcomes": p, "lives": from_life}.items()
}
for name, own in scores.items():
    print(f"{name}: log loss {own['log_loss']:.3f} ± {own.errors['log_loss']:.3f}")
print(bp.evaluate.decide(from_life, **costs, cost_retest=0.05))

# %% [markdown]
# ## Intervals that hold for new batches
#
# The model of life knows nothing of batches, and for new ones its intervals hold less than they promise. Half of the new
# batches calibrate them; the other half check. Fourteen batches are few: that the intervals hold is paid for in width.

# %%
calibration = number[test] < 26
conformal = bp.evaluate.ConformalInterval(level=0.9, groups=batch[test][calibration])
life_known = np.asarray(lives.y)[test]
calibrated = conformal.fit(
    life.take(np.flatnonzero(calibration)), life_known[calibration]
)
print(f"stretched by {calibrated.stretch:.2f}, {calibrated.effective_size:.0f} batches")

# %%
others = life.take(np.flatnonzero(~calibration))
for name, (low, high) in {
    "as predicted": others.interval(0.9),
    "calibrated": calibrated.interval(others),
}.items():
    held = (life_known[~calibration] >= low) & (life_known[~calibration] <= high)
    width = np.mean(np.asarray(high - low))
    print(
        f"{name}: holds {held.mean():.2f} of the cells, mean width {width:.0f} cycles"
    )
