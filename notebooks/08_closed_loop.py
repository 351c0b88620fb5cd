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
# # Closed-loop experimental design
#
# Two optimisations: a fast-charging policy with a long life, where lives are predicted after a hundred cycles, and an
# electrolyte with a high conductivity. In both, a *campaign* suggests the next tests (`ask`) and is updated with the results
# (`tell`). At the end it recommends the point with the best posterior mean, which is not always the point with the best
# single result.

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
# A policy has two currents (C-rates, in 1/h). The true mean life has one maximum, and the standard deviation of lives is a
# tenth of the mean. The noise of the model is therefore the sum of the known variance of early predictions and of a variance
# that depends on the policy.


# %%
def life(point):
    distance = (
        (point["c1"] - 5.2) ** 2 / 2
        + (point["c2"] - 4.6) ** 2
        + 0.4 * (point["c1"] - 5.2) * (point["c2"] - 4.6)
    )
    return 500 + 650 * np.exp(-distance / 2)


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
# There are eight test channels. In each round the lives are *predicted* after a hundred cycles, with a standard deviation of
# 80 cycles and a bias of 60 cycles. Four of the eight tests continue to the end of life, from which the campaign estimates
# the bias.

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
    "regret of the recommended policy after each round, in cycles:",
    np.round(regret).astype(int),
)
print(
    "estimated bias of early predictions, in cycles:",
    [f"{b.mean:.0f} ± {b.variance**0.5:.0f}" for b in bias],
)

# %%
print(campaign.recommend())
print(campaign.advice(epsilon=50.0))

# %% [markdown]
# Upper figure: the prediction for each test when it was suggested, and its result. Lower figure: the two standard
# deviations of the prediction. The aleatoric one stays. The epistemic one is large where a test explores and is far below
# the aleatoric one at the end, when further tests bring little.

# %%
bp.plots.closed_loop(campaign.results, target="life", unit="cycles")
plt.show()

# %% [markdown]
# The posterior as a function of the policy: mean and both standard deviations. White points are tests.

# %%
grid = [
    {"c1": a, "c2": b}
    for b in np.linspace(3.6, 6.0, 25)
    for a in np.linspace(3.6, 8.0, 25)
]
pred = campaign.predict(grid)
figure, axes = plt.subplots(1, 3, figsize=(12, 3.6), sharey=True, layout="constrained")
surfaces = {
    "mean life": pred.mean,
    "aleatoric sd": pred.aleatoric**0.5,
    "epistemic sd": pred.epistemic**0.5,
}
for ax, (title, values) in zip(axes, surfaces.items(), strict=True):
    image = ax.pcolormesh(
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
    figure.colorbar(image, ax=ax, label="cycles")
    ax.set(title=title, xlabel="c1 (1/h)")
axes[0].set_ylabel("c2 (1/h)")
plt.show()

# %% [markdown]
# ## The composition of an electrolyte
#
# The fractions of three solvents sum to one and have bounds; the salt is one of two. Conductivity is measured with an error
# of 2 %. Five campaigns with different initial points are compared with twenty Sobol sequences; bands are quartiles.

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
regrets = []
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
    regrets.append(top - np.maximum.accumulate(tested))
random = [
    [
        conductivity(p)
        for p in solvents.decode(solvents.sample(16, key=jax.random.key(s)))
    ]
    for s in range(20)
]
bp.plots.regret(
    {
        "campaign": regrets,
        "Sobol points": top - np.maximum.accumulate(random, axis=1),
    },
    unit="mS/cm",
)
plt.show()
print(search.recommend())

# %% [markdown]
# A campaign is saved in one text file. Any process can load it and continue with the same next suggestion.

# %%
import tempfile
from pathlib import Path

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "campaign.json"
    search.save(path)
    loaded = bp.design.Campaign.load(path)
print(loaded.ask().points == search.ask().points)
