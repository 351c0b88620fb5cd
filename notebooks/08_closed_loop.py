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
# # A closed loop: which test next
#
# Two searches. First fast-charging policies, whose lives scatter more the longer they are, and whose end is foretold
# after a hundred cycles. Then the composition of an electrolyte. Both ask a *campaign* which tests to run, tell it what
# came out, and end with a recommendation: the point with the best posterior mean, not the luckiest result.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import battprob as bp

bp.enable_x64()
key = jax.random.key(0)
rng = np.random.default_rng(0)

# %% [markdown]
# ## Fast charging
#
# A policy has two currents (in multiples of the capacity). The true life has one ridge; its scatter is a tenth of it, so
# the model gets noise that depends on the policy, on top of the known variance of early predictions.


# %%
def life(point):
    ridge = (
        (point["c1"] - 5.2) ** 2 / 2
        + (point["c2"] - 4.6) ** 2
        + 0.4 * (point["c1"] - 5.2) * (point["c2"] - 4.6)
    )
    return 500 + 650 * np.exp(-ridge / 2)


space = bp.design.Space(
    bp.design.Real("c1", 3.6, 8.0, unit="1/h"),
    bp.design.Real("c2", 3.6, 6.0, unit="1/h"),
)
campaign = bp.design.Campaign.start(
    space,
    model=bp.models.GaussianProcess(
        noise=bp.noise.Known() + bp.noise.LogLinear(),
        inference=bp.inference.MAP(num_starts=2),
    ),
    acquisition=bp.design.LogNEI(),
    key=key,
    target="life",
    unit="cycles",
    initial=8,
)

# %% [markdown]
# Eight channels. In each round their lives are *predicted* after a hundred cycles, with a standard deviation of 80 cycles
# and 60 cycles too high on the whole; four of the eight tests run on to the end, which shows the bias.

# %%
best = life({"c1": 5.2, "c2": 4.6})
regret, bias = [], []
for _ in range(5):
    suggestions = campaign.ask(8)
    true = np.array([life(point) for point in suggestions.points])
    ends = true * (1 + 0.1 * rng.normal(size=8))
    early = ends + 60 + 80 * rng.normal(size=8)
    campaign = campaign.tell_early(
        suggestions, bp.Predictive.gaussian(early, 80.0**2 * np.ones(8))
    )
    campaign = campaign.tell(suggestions.take(slice(4)), ends[:4])
    bias.append(campaign.early_bias)
    regret.append(best - life(campaign.recommend().points[0]))
print(
    "regret of the recommended policy after each round:", np.round(regret).astype(int)
)
print(
    "bias of early predictions:",
    [f"{b.mean:.0f} ± {b.variance**0.5:.0f}" for b in bias],
)

# %%
print(campaign.recommend())
print(campaign.advice(epsilon=50.0))

# %% [markdown]
# What each test was expected to give when it was asked for, and what it gave. Below, the two standard deviations: the
# noise stays; what is not known is large where a test explores, and at the end far below the noise. That is the moment
# to stop.

# %%
bp.plots.closed_loop(campaign.results, target="life", unit="cycles")
plt.show()

# %% [markdown]
# The same in one picture of the policies: epistemic standard deviation, and where the tests were.

# %%
grid = [
    {"c1": a, "c2": b}
    for b in np.linspace(3.6, 6.0, 25)
    for a in np.linspace(3.6, 8.0, 25)
]
pred = campaign.predict(grid)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True, layout="constrained")
shown = {
    "mean life": pred.mean,
    "aleatoric sd": pred.aleatoric**0.5,
    "epistemic sd": pred.epistemic**0.5,
}
for ax, (title, values) in zip(axes, shown.items(), strict=True):
    drawn = ax.pcolormesh(
        np.linspace(3.6, 8.0, 25),
        np.linspace(3.6, 6.0, 25),
        np.asarray(values).reshape(25, 25),
    )
    tests = [trial.point for trial in campaign.history.trials.values()]
    ax.plot(
        [p["c1"] for p in tests],
        [p["c2"] for p in tests],
        ".",
        color="white",
        markersize=4,
    )
    figure.colorbar(drawn, ax=ax, label="cycles")
    ax.set(title=title, xlabel="c1 (1/h)")
axes[0].set_ylabel("c2 (1/h)")
plt.show()

# %% [markdown]
# ## The composition of an electrolyte
#
# Three solvents that sum to one, a bound on the first, and a salt. Conductivity is measured with 2 % error. Five campaigns
# from different starts, and for comparison twenty sets of points spread evenly over the space; bands are quartiles.

# %%
solvents = bp.design.Space(
    bp.design.Simplex(
        "solvent", ["EC", "DMC", "EMC"], low=[0.1, 0.0, 0.0], high=[0.6, 0.9, 0.9]
    ),
    bp.design.Categorical("salt", ["LiPF6", "LiFSI"]),
)


def conductivity(point):
    peak = 11 - 40 * (point["EC"] - 0.32) ** 2 - 12 * (point["DMC"] - 0.5) ** 2
    return peak + 0.6 * (point["salt"] == "LiFSI")


top = conductivity({"EC": 0.32, "DMC": 0.5, "salt": "LiFSI"})
found = []
for seed in range(5):
    search = bp.design.Campaign.start(
        solvents,
        acquisition=bp.design.LogNEI(),
        key=jax.random.key(seed),
        target="conductivity",
        unit="mS/cm",
        initial=6,
    )
    for _ in range(16):
        suggestions = search.ask()
        true = np.array([conductivity(point) for point in suggestions.points])
        search = search.tell(suggestions, true * (1 + 0.02 * rng.normal(size=1)))
    tested = [conductivity(trial.point) for trial in search.results]
    found.append(top - np.maximum.accumulate(tested))
random = [
    [
        conductivity(p)
        for p in solvents.decode(solvents.sample(16, key=jax.random.key(s)))
    ]
    for s in range(20)
]
bp.plots.regret(
    {
        "campaign": found,
        "spread over the space": top - np.maximum.accumulate(random, axis=1),
    },
    unit="mS/cm",
)
plt.show()
print(search.recommend())

# %% [markdown]
# A campaign is one readable file. Any process can go on with it, and asks the same next question.

# %%
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "campaign.json"
    search.save(path)
    again = bp.design.Campaign.load(path)
print(again.ask().points == search.ask().points)
