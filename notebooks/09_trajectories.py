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
# # The rest of the curve
#
# A cell has been cycled for some time, others of its kind have been cycled to their end. What will its capacity be, and
# when does it cross 80 % of nominal? The answer is a distribution of curves and a distribution of lives, each with its
# variance split: **aleatoric**, which lies in the cell, and **epistemic**, which more cells would settle.

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
# Synthetic cells that resemble fast-charged LFP. Their lives are drawn from a known law, in which the scatter
# grows sixfold from the slowest charging rate to the fastest. Sixty teach; the others are kept for tests.

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
# ## One cell, seen for a tenth, a third and a half of its life
#
# Thick is what the model was shown, the black line is what came after. Bands hold 50, 80 and 95 % of what will be read.
# On the threshold stands the density of the life.


# %%
def fan(posterior, cell, share, ax):
    after = share * cell.cycle_life
    forecast = posterior.forecast(cell, after_cycle=after)
    life = forecast.life(threshold_ah=THRESHOLD_AH)
    end = min(1.15 * float(life.quantile(0.99)), forecast.horizon)
    cycles = np.linspace(float(forecast.record.last), end, 121)[1:]
    seen = cell.cycle <= after
    bp.plots.trajectory(
        cycles,
        forecast.capacity(cycles),
        observed=(cell.cycle[seen], cell.capacity_ah[seen]),
        threshold=THRESHOLD_AH,
        life=life,
        ax=ax,
    )
    ax.plot(cell.cycle[~seen], cell.capacity_ah[~seen], color="black", lw=1)
    ax.set_title(f"{share:.0%} of {cell.cycle_life:.0f} cycles")
    return life


def stacked(lives):
    return jax.tree.map(lambda *leaves: jnp.stack(leaves, axis=-1), *lives)


def lives_at(posterior, cells, share):
    forecasts = [
        posterior.forecast(cell, after_cycle=share * cell.cycle_life) for cell in cells
    ]
    return stacked([f.life(threshold_ah=THRESHOLD_AH) for f in forecasts])


chosen = new[0]
SHARES = (0.1, 0.3, 0.5)
figure, axes = plt.subplots(
    1, 3, figsize=(13, 3.8), sharex=True, sharey=True, layout="constrained"
)
lives = [
    fan(posterior, chosen, share, ax) for share, ax in zip(SHARES, axes, strict=True)
]
for ax in axes[1:]:
    ax.get_legend().remove()
    ax.set_ylabel("")
plt.show()

# %%
for share, life in zip(SHARES, lives, strict=True):
    low, high = life.interval(0.9)
    print(
        f"{share:.0%}: median {life.quantile(0.5):.0f} cycles, 90 % from {low:.0f} to {high:.0f}; "
        f"sd aleatoric {life.aleatoric**0.5:.0f}, epistemic {life.epistemic**0.5:.0f}"
    )

# %% [markdown]
# ## What more cells would settle
#
# Six cells after 30 % of their lives, foretold from ever more others. Blue is what is not known of the population: a
# large part of the variance with eight cells, a small one with sixty. Orange is the scatter of lives among cells that look
# alike so far. More cells do not remove it, they tell it better, and that may be upwards: here the second thirty cells
# scatter more than the first.

# %%
NUMBERS = (8, 15, 30, 60)
taught = []
for num in NUMBERS:
    fewer = bp.trajectories.FadeTrajectory(progress=False).fit(cells[:num], key=key)
    taught.append(lives_at(fewer, new[:6], 0.3))
figure, ax = plt.subplots(figsize=(6, 3.6), layout="constrained")
aleatoric = np.array([np.mean(p.aleatoric / p.mean**2) for p in taught])
epistemic = np.array([np.mean(p.epistemic / p.mean**2) for p in taught])
names = [str(num) for num in NUMBERS]
ax.bar(names, aleatoric, color="#E69F00", label="aleatoric")
ax.bar(names, epistemic, bottom=aleatoric, color="#0072B2", label="epistemic")
ax.set(xlabel="cells learned from", ylabel="variance of life / mean²")
ax.legend(frameon=False)
plt.show()

# %% [markdown]
# ## Does it hold?
#
# Cells that the model has not seen, each after 30 % of its life. Nine intervals in ten should meet the diagonal: not in
# each population, for sixty cells may by chance scatter less than those that follow, but over many. The picture is of the
# population above; the numbers are of this one and three more.


# %%
def told(pred, cells):
    true = np.array([cell.cycle_life for cell in cells])
    low, high = pred.interval(0.9)
    return np.mean((low <= true) & (true <= high)), np.mean(pred.crps(true))


def crps_of_others(known, cells):
    known, true = (np.array([c.cycle_life for c in group]) for group in (known, cells))
    apart = np.abs(known[:, None] - known).mean()
    return np.abs(known[:, None] - true).mean() - 0.5 * apart


rows = []
for seed in (3, 4, 5, 6):
    others = bp.data.population(90, seed=seed).cells
    known, tested = (cells, new[:30]) if seed == 3 else (others[:60], others[60:])
    taught_by = bp.trajectories.FadeTrajectory(progress=False).fit(known, key=key)
    pred = lives_at(taught_by, tested, 0.3)
    rows.append([*told(pred, tested), crps_of_others(known, tested)])
    if seed == 3:
        figure, ax = plt.subplots(figsize=(5, 5), layout="constrained")
        true = [cell.cycle_life for cell in tested]
        bp.plots.parity(pred, true, unit="cycles", ax=ax)
        plt.show()
for covered, crps, base in [*rows, np.mean(rows, axis=0)]:
    print(
        f"{covered:.0%} within 90 %; CRPS {crps:.0f} cycles, of the others' lives {base:.0f}"
    )

# %% [markdown]
# ## Cells unlike the population
#
# Now learn from slowly charged cells alone, and foretell cells that are charged fast. Their lives scatter more than
# any that the model has met, and nothing in the first 30 % of a record says so: **intervals are too narrow, and the
# model does not know.** No forecast from a population can say what the population does not hold. A few fast cells among
# the slow ones hardly help, since the model reads capacities, not protocols, and takes them for the rare case that they
# are. What helps is a population of the same kind as the cells to be foretold, be it small.

# %%
slow = [cell for cell, c in zip(cells, rate[:60], strict=True) if c < 5]
fast = [cell for cell, c in zip(cells, rate[:60], strict=True) if c > 5]
strangers = [cell for cell, c in zip(new, rate[60:], strict=True) if c > 5]
true = np.array([cell.cycle_life for cell in strangers])
taught = {
    f"{len(slow)} slow cells": slow,
    f"{len(slow)} slow, 8 fast": [*slow, *fast[:8]],
    f"{len(fast)} fast": fast,
}
figure, axes = plt.subplots(
    1, 3, figsize=(13, 4.6), sharex=True, sharey=True, layout="constrained"
)
for ax, (title, known) in zip(axes, taught.items(), strict=True):
    taught_by = bp.trajectories.FadeTrajectory(progress=False).fit(known, key=key)
    pred = lives_at(taught_by, strangers, 0.3)
    bp.plots.parity(pred, true, unit="cycles", ax=ax)
    covered, crps = told(pred, strangers)
    ax.set_title(f"from {title}: {covered:.0%} within 90 %", fontsize=10)
    print(
        f"{len(strangers)} fast cells from {title}: {covered:.0%}, CRPS {crps:.0f} cycles"
    )
for ax in axes[1:]:
    ax.get_legend().remove()
    ax.set_ylabel("")
plt.show()
