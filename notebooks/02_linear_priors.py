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
# # Linear models for tens of cells and tens of features
#
# Battery data sets often have few cells, many correlated features, batches that differ, and tests that were stopped
# before the end of life. This notebook uses one Bayesian linear model for three questions: which **prior** suits which
# physics, how to use **tests that were stopped**, and how to predict cells of a **new batch**.

# %%
import json
import warnings
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binom
from sklearn.model_selection import KFold, LeaveOneGroupOut

import battprob as bp

bp.enable_x64()
key = jax.random.key(0)
quick = bp.inference.SVI(progress=False)

# %% [markdown]
# ## Which prior for which physics?
#
# There are forty cells and twenty features in five families of four, for example the height, width, position and area of
# five peaks. The true coefficients are of three kinds: *few mechanisms* (two features have an effect), *one transition*
# (all features of one family have an effect) and *dense* (every feature has a small effect). Each prior is fitted in each
# case and scored by the mean log predictive density of 400 new cells (larger is better). The scale of each prior is
# learned from the data; nothing is tuned. `SVI` is used because it is fast; with `NUTS`, the default, no density below
# changes by more than 0.02.

# %%
families = [
    [f"peak{p}_{part}" for part in ("height", "width", "position", "area")]
    for p in range(5)
]
names = [name for family in families for name in family]
priors = {
    "Ridge": bp.priors.Ridge(),
    "GroupLasso": bp.priors.GroupLasso(families),
    "Horseshoe": bp.priors.Horseshoe(expected_effects=3.0),
}


def cells(truth, seed, num):
    """Cells with features correlated within families, and a target linear in them."""
    rng = np.random.default_rng(seed)
    common = np.repeat(rng.normal(size=(num, 5)), 4, axis=1)
    x = 0.7 * common + 0.7 * rng.normal(size=(num, 20))
    return x, x @ truth + 0.7 * rng.normal(size=num)


truths = {"few mechanisms": np.zeros(20), "one transition": np.zeros(20)}
truths["few mechanisms"][[2, 9]] = [1.3, -1.0]
truths["one transition"][4:8] = [0.8, -0.6, 0.5, -0.7]
truths["dense"] = 0.3 * np.random.default_rng(5).normal(size=20)

density, posteriors = {}, {}
for case, truth in truths.items():
    new, y_new = cells(truth, 100, 400)
    for label, prior in priors.items():
        scores = []
        for seed in range(3):
            x, y = cells(truth, seed, 40)
            data = bp.Dataset(x, y, feature_names=names)
            model = bp.models.BayesianLinear(prior=prior, inference=quick)
            posterior = model.fit(data, key=key)
            scores.append(float(posterior.predict(new).log_prob(y_new).mean()))
        density[case, label] = np.mean(scores)
        posteriors[case, label] = posterior
    print(
        f"{case:15}",
        "  ".join(f"{label} {density[case, label]:.3f}" for label in priors),
    )

# %%
figure, axes = plt.subplots(1, 3, figsize=(11, 3), sharey=True, layout="constrained")
for axis, case in zip(axes, truths, strict=True):
    best = max(density[case, label] for label in priors)
    axis.bar(
        list(priors),
        [density[case, label] - best for label in priors],
        color="tab:blue",
    )
    axis.set_title(case)
axes[0].set_ylabel("log density per cell,\nminus that of the best prior")
plt.show()

# %% [markdown]
# With few strong effects, in one family or in several, the horseshoe is best; the group lasso is second where the effects
# are in one family. With many small effects ridge is best and the horseshoe is worst. The posterior of the coefficients is
# a table. `inclusion` is the probability that an effect is larger than a given size, here 0.3 units of the target for one
# standard deviation of the feature.

# %%
sparse = posteriors["few mechanisms", "Horseshoe"]
frame = sparse.coefficients.to_dataframe().loc[names]
frame["inclusion"] = sparse.inclusion(0.3)
frame["truth"] = truths["few mechanisms"]
print(frame.sort_values("inclusion", ascending=False).head(6).round(3))

# %%
figure, axis = plt.subplots(figsize=(8, 3), layout="constrained")
position = np.arange(len(names))
for shift, label in ((-0.15, "Ridge"), (0.15, "Horseshoe")):
    table = posteriors["few mechanisms", label].coefficients
    mean, low, high = table.mean[1:], table.low[1:], table.high[1:]
    axis.errorbar(
        position + shift, mean, [mean - low, high - mean], fmt="o", ms=4, label=label
    )
axis.plot(position, truths["few mechanisms"], "k_", ms=12, label="truth")
axis.set_xticks(position, names, rotation=90, fontsize=7)
axis.set_ylabel("slope, 90 % interval")
axis.legend()
plt.show()

# %% [markdown]
# ## Tests that were stopped
#
# Sixty-four cells are cycled, and all tests stop at 750 cycles, before 27 of the cells reach the end of life. Leaving
# these out biases the fit towards short lives, and so does using the last cycle as the life. `censored=True` marks the
# value as a lower bound: the likelihood then has the probability that the life is longer, which is exact.

# %%
rng = np.random.default_rng(3)
stress = rng.normal(size=(464, 1))
life = np.exp(6.5 - 0.45 * stress[:, 0] + 0.35 * rng.normal(size=464))
stop, known, new = 750.0, slice(64), slice(64, None)
alive = life[known] > stop
print(f"{alive.sum()} of {alive.size} cells have not failed by cycle {stop:.0f}")
log = bp.transforms.Log()


def line(x, y, **bounds):
    """Linear model of log life, fitted."""
    data = bp.Dataset(x, y, feature_names=["stress"], transform=log, **bounds)
    return bp.models.BayesianLinear(inference=quick).fit(data, key=key)


observed = np.minimum(life[known], stop)
fits = {
    "stopped tests as bounds": line(stress[known], observed, censored=alive),
    "stopped tests dropped": line(stress[known][~alive], life[known][~alive]),
    "last cycle as life": line(stress[known], observed),
}
grid = np.linspace(-2.5, 2.5, 60)[:, None]
figure, axes = plt.subplots(1, 3, figsize=(11, 3.2), sharey=True, layout="constrained")
for axis, (label, posterior) in zip(axes, fits.items(), strict=True):
    pred = posterior.predict(np.concatenate([grid, stress[new]]))
    low, median, high = pred.take(slice(60)).quantile(np.array([0.05, 0.5, 0.95]))
    inside = bp.evaluate.covered(pred.take(slice(60, None)), life[new])
    axis.fill_between(grid[:, 0], low, high, alpha=0.3)
    axis.plot(grid[:, 0], median)
    axis.plot(
        grid[:, 0], np.exp(6.5 - 0.45 * grid[:, 0]), "k--", lw=1, label="true median"
    )
    axis.plot(stress[known][~alive, 0], life[known][~alive], "k.", ms=4)
    axis.plot(
        stress[known][alive, 0], np.full(alive.sum(), stop), "r^", ms=4, label="stopped"
    )
    axis.set_title(
        f"{label}\ncoverage of the 90 % interval {inside.mean():.2f}", fontsize=10
    )
    axis.set_yscale("log")
    axis.set_xlabel("stress")
axes[0].set_yticks([200, 500, 1000, 2000, 4000], ["200", "500", "1000", "2000", "4000"])
axes[0].minorticks_off()
axes[0].set_ylabel("life (cycles)")
axes[0].legend(fontsize=8)
plt.show()

# %% [markdown]
# A life known only to lie between two inspections is given as `y` and `y_upper`; an upper bound as `censored=-1`.

# %% [markdown]
# ## A new batch
#
# Five batches differ by an offset whose cause was not recorded. `random_effects=True` gives each batch an intercept and
# learns the variance between batches. The prediction for a cell of a known batch uses the intercept of this batch. The
# prediction for a new batch includes the variance between batches, which is reported separately as `between`.

# %%
rng = np.random.default_rng(4)
batch = np.repeat(["A", "B", "C", "D", "E"], 10)
offset = dict(zip("ABCDE", 0.25 * rng.normal(size=5), strict=True))
x = rng.normal(size=(50, 1))
shift = np.array([offset[b] for b in batch])
life = np.exp(6.5 - 0.3 * x[:, 0] + shift + 0.08 * rng.normal(size=50))
data = bp.Dataset(x, life, groups=batch, feature_names=["stress"], transform=log)
with_batches = bp.models.BayesianLinear(random_effects=True, inference=quick)
mixed = with_batches.fit(data, key=key)
pooled = bp.models.BayesianLinear(inference=quick)
plain = pooled.fit(data.without("groups"), key=key)

labels = [*"ABCDE", "a new batch"]
origin = np.zeros((6, 1))
pred = mixed.predict(origin, groups=[*"ABCDE", None])
low, median, high = pred.quantile(np.array([0.05, 0.5, 0.95]))
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
left.errorbar(
    labels,
    median,
    [median - low, high - median],
    fmt="o",
    label="90 % interval, random effects",
)
bottom, top = plain.predict(origin[:1]).interval(0.9)
left.axhspan(
    float(bottom[0]), float(top[0]), alpha=0.2, label="90 % interval, one intercept"
)
left.plot(
    labels[:5],
    [np.exp(6.5 + offset[b]) for b in "ABCDE"],
    "k_",
    ms=14,
    label="true median",
)
left.set_ylabel("life at mean stress (cycles)")
left.set_ylim(top=1.25 * left.get_ylim()[1])  # room for the legend
left.legend(fontsize=8, loc="upper left")
parts = {"within": pred.within, "between": pred.between, "epistemic": pred.epistemic}
floor = np.zeros(6)
for name, part in parts.items():
    right.bar(labels, part, bottom=floor, label=name)
    floor = floor + np.asarray(part)
right.set_ylabel("variance (cycles²)")
right.legend(fontsize=8)
plt.show()

# %% [markdown]
# Cross-validation scores depend on the split. Random folds have cells of every batch in training, so their scores are too
# good: in use, the model predicts batches that it has not seen. Leaving out whole batches measures that case.

# %%
warnings.filterwarnings(
    "ignore", category=bp.LeakageWarning
)  # the first split leaks intentionally
for label, splits in (
    ("random rows", KFold(5, shuffle=True, random_state=0)),
    ("whole batches", LeaveOneGroupOut()),
):
    scores = bp.evaluate.cross_validate(
        with_batches, data, splits=splits, key=key, progress=False
    ).scores
    print(
        f"{label:14} RMSE {scores['rmse']:.0f} cycles, coverage {scores['coverage']:.2f}"
    )

# %% [markdown]
# ## Is the posterior correct?
#
# Simulation-based calibration: parameters and data are drawn from the model 200 times, and the rank of each true value
# among its posterior draws must be uniformly distributed. The figure has every prior, four kinds of data and four
# quantities (function, noise, scale of the prior, standard deviation between groups), all with the default inference. Each
# grey line is one histogram of ranks; the band contains 99 % of the bins of a uniform histogram
# (`pytest -m slow tests/recovery/test_linear_sbc.py`).

# %%
stored = json.loads(Path("linear_sbc.json").read_text())
figure, axes = plt.subplots(
    1, len(stored), figsize=(12, 2.4), sharey=True, layout="constrained"
)
for axis, (name, cases_of) in zip(axes, stored.items(), strict=True):
    axis.axhspan(*binom(200, 0.1).ppf([0.005, 0.995]), alpha=0.2)
    for counts in cases_of.values():
        for count in counts.values():
            axis.step(
                np.arange(11), [*count, count[-1]], where="post", color="grey", lw=0.7
            )
    axis.set_title(name)
    axis.set_xlabel("decile of the rank")
axes[0].set_ylabel("data sets of 200")
axes[0].set_ylim(0, None)
plt.show()
