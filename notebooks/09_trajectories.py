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
# # Forecasts of capacity
#
# A cell has been cycled for some time; similar cells have been cycled to the end of life. What will its capacity be, and
# when does it fall below 80 % of the nominal capacity? The forecast is a distribution of curves and a distribution of lives,
# each with an **aleatoric** variance (differences between cells) and an **epistemic** variance (reduced by more cells).

# %%
import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np

import battprob as bp

bp.enable_x64()
key = jax.random.key(0)
THRESHOLD_AH = 0.88  # 80 % of 1.1 Ah

# %% [markdown]
# ## A population
#
# Synthetic cells that resemble fast-charged LFP cells. Their lives are drawn from a known distribution, whose standard
# deviation (of log life) is six times larger at the fastest charging rate than at the slowest. Sixty cells are used for
# training and sixty for testing.

# %%
population = bp.data.population(120, seed=3)
cells, new = population.cells[:60], population.cells[60:]
rate = population.charge_rate_c
figure, ax = plt.subplots(figsize=(7, 3.6), layout="constrained")
colours = plt.get_cmap("viridis")((rate - 3.6) / 2.4 * 0.9)
for cell, colour in zip(cells, colours[:60], strict=True):
    ax.plot(cell.cycle, cell.capacity_ah, color=colour, lw=0.8)
for c in (3.6, 4.2, 5.4, 6.0):
    ax.plot(
        [], [], color=plt.get_cmap("viridis")((c - 3.6) / 2.4 * 0.9), label=f"{c} C"
    )
ax.axhline(THRESHOLD_AH, color="grey", lw=1)
ax.set(xlabel="cycle", ylabel="capacity (Ah)")
ax.legend(title="charging", frameon=False)
plt.show()

# %%
posterior = bp.trajectories.FadeTrajectory(progress=False).fit(cells, key=key)

# %% [markdown]
# ## Forecasts after 10, 30 and 50 % of the life of a cell
#
# Dots are the capacities given to the model, the black line those that followed. The bands are the 50, 80 and 95 % intervals
# of future readings. The curve on the threshold is the predictive density of the life.


# %%
def draw_forecast(posterior, cell, fraction, ax):
    after = fraction * cell.cycle_life
    forecast = posterior.forecast(cell, after_cycle=after)
    life = forecast.life(threshold_ah=THRESHOLD_AH)
    end = min(1.15 * float(life.quantile(0.99)), forecast.horizon)
    cycles = np.linspace(float(forecast.record.last_cycle), end, 121)[1:]
    observed = cell.cycle <= after
    bp.plots.trajectory(
        cycles,
        forecast.capacity(cycles),
        observed=(cell.cycle[observed], cell.capacity_ah[observed]),
        threshold=THRESHOLD_AH,
        life=life,
        ax=ax,
    )
    ax.plot(cell.cycle[~observed], cell.capacity_ah[~observed], color="black", lw=1)
    ax.set_title(f"{fraction:.0%} of {cell.cycle_life:.0f} cycles")
    return life


def stacked(lives):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=-1), *lives)


def predict_lives(posterior, cells, fraction):
    forecasts = [
        posterior.forecast(cell, after_cycle=fraction * cell.cycle_life)
        for cell in cells
    ]
    return stacked([f.life(threshold_ah=THRESHOLD_AH) for f in forecasts])


chosen = new[0]
FRACTIONS = (0.1, 0.3, 0.5)
figure, axes = plt.subplots(
    1, 3, figsize=(13, 3.8), sharex=True, sharey=True, layout="constrained"
)
lives = [
    draw_forecast(posterior, chosen, fraction, ax)
    for fraction, ax in zip(FRACTIONS, axes, strict=True)
]
for ax in axes[1:]:
    ax.get_legend().remove()
    ax.set_ylabel("")
plt.show()

# %%
for fraction, life in zip(FRACTIONS, lives, strict=True):
    low, high = life.interval(0.9)
    print(
        f"{fraction:.0%}: median {life.quantile(0.5):.0f} cycles, 90 % interval {low:.0f} to {high:.0f}; "
        f"sd aleatoric {life.aleatoric**0.5:.0f}, epistemic {life.epistemic**0.5:.0f}"
    )

# %% [markdown]
# ## Number of training cells
#
# The lives of six cells, predicted after 30 % of their lives from increasing numbers of training cells. The epistemic part
# (blue) is a large fraction of the variance with eight cells and a small one with sixty. The aleatoric part (orange) is the
# variance of life among cells with the same record so far. More cells do not reduce it but estimate it better. The estimate
# may increase: here the lives of the second thirty cells vary more than those of the first.

# %%
NUMBERS = (8, 15, 30, 60)
predictions = []
for num in NUMBERS:
    fewer = bp.trajectories.FadeTrajectory(progress=False).fit(cells[:num], key=key)
    predictions.append(predict_lives(fewer, new[:6], 0.3))
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
aleatoric = np.array([np.mean(p.aleatoric / p.mean**2) for p in predictions])
epistemic = np.array([np.mean(p.epistemic / p.mean**2) for p in predictions])
names = [str(num) for num in NUMBERS]
ax.bar(names, aleatoric, color="#E69F00", label="aleatoric")
ax.bar(names, epistemic, bottom=aleatoric, color="#0072B2", label="epistemic")
ax.set(xlabel="training cells", ylabel="variance of life / mean²")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Coverage
#
# Test cells, each predicted after 30 % of its life. On average over many populations, nine in ten 90 % intervals should
# contain the observed life. In a single population coverage can differ, because the lives of the sixty training cells may
# vary less than those of the test cells by chance. The figure shows the population above; the numbers are for this
# population and three more.


# %%
def coverage_and_crps(pred, cells):
    true = np.array([cell.cycle_life for cell in cells])
    low, high = pred.interval(0.9)
    return np.mean((low <= true) & (true <= high)), np.mean(pred.crps(true))


def crps_of_training_lives(train, test):
    """CRPS of a forecast that ignores the record: the empirical distribution of lives."""
    train, test = (np.array([c.cycle_life for c in group]) for group in (train, test))
    half_distance = 0.5 * np.abs(train[:, None] - train).mean()
    return np.abs(train[:, None] - test).mean() - half_distance


rows = []
for seed in (3, 4, 5, 6):
    others = bp.data.population(90, seed=seed).cells
    train, test = (cells, new[:30]) if seed == 3 else (others[:60], others[60:])
    fitted = bp.trajectories.FadeTrajectory(progress=False).fit(train, key=key)
    pred = predict_lives(fitted, test, 0.3)
    rows.append([*coverage_and_crps(pred, test), crps_of_training_lives(train, test)])
    if seed == 3:
        figure, ax = plt.subplots(figsize=(5, 5), layout="constrained")
        true = [cell.cycle_life for cell in test]
        bp.plots.parity(pred, true, unit="cycles", ax=ax)
        plt.show()
for covered, crps, base in [*rows, np.mean(rows, axis=0)]:
    print(
        f"coverage {covered:.0%}; CRPS {crps:.0f} cycles, of the training lives {base:.0f}"
    )

# %% [markdown]
# ## Cells that differ from the training cells
#
# The model is now fitted to slowly charged cells only and predicts cells with fast charging. Their lives vary more than
# those of the training cells, and the first 30 % of the records do not show it: **the intervals are too narrow and nothing
# in the forecast indicates this.** A forecast cannot represent behaviour that is missing from the training cells. Adding a
# few cells with fast charging hardly helps, because the model uses capacities, not protocols, and treats these cells as rare
# cases. A training set of the same kind as the cells to predict helps, even if it is small.

# %%
slow = [cell for cell, c in zip(cells, rate[:60], strict=True) if c < 5]
fast = [cell for cell, c in zip(cells, rate[:60], strict=True) if c > 5]
fast_test = [cell for cell, c in zip(new, rate[60:], strict=True) if c > 5]
true = np.array([cell.cycle_life for cell in fast_test])
training_sets = {
    f"{len(slow)} slow cells": slow,
    f"{len(slow)} slow, 8 fast": [*slow, *fast[:8]],
    f"{len(fast)} fast": fast,
}
figure, axes = plt.subplots(
    1, 3, figsize=(13, 4.6), sharex=True, sharey=True, layout="constrained"
)
for ax, (title, train) in zip(axes, training_sets.items(), strict=True):
    fitted = bp.trajectories.FadeTrajectory(progress=False).fit(train, key=key)
    pred = predict_lives(fitted, fast_test, 0.3)
    bp.plots.parity(pred, true, unit="cycles", ax=ax)
    covered, crps = coverage_and_crps(pred, fast_test)
    ax.set_title(f"from {title}: coverage {covered:.0%}", fontsize=10)
    print(
        f"{len(fast_test)} fast cells from {title}: coverage {covered:.0%}, "
        f"CRPS {crps:.0f} cycles"
    )
for ax in axes[1:]:
    ax.get_legend().remove()
    ax.set_ylabel("")
plt.show()
