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
# # When the noise depends on where you measure
#
# A resistance read at low state of charge scatters more than one read in the middle; a fast protocol makes lives more
# random. A model with one noise level for all rows is then wrong twice: too timid where the data are clean, and
# overconfident where they are not. Here the noise is learned with the function, and the two variances of a
# prediction are kept apart.

# %%
import json
import os
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binom

import battprob as bp

bp.enable_x64()
key = jax.random.key(0)

# %% [markdown]
# ## A function whose noise grows fivefold
#
# The example of Goldberg, Williams and Bishop (1998): mean $2\sin 2\pi x$, standard deviation $0.5 + x$.


# %%
def draw(num, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, num)
    return x, 2 * np.sin(2 * np.pi * x) + (0.5 + x) * rng.normal(size=num)


x, y = draw(200, seed=1)
data = bp.Dataset(x, y, feature_names=["x"])
models = {
    "one noise level": bp.models.GaussianProcess(),
    "noise learned": bp.models.GaussianProcess(noise=bp.noise.LatentGP()),
}
fits = {name: model.fit(data, key=key) for name, model in models.items()}

# %%
grid = np.linspace(0, 1, 101)
figure, axes = plt.subplots(1, 2, figsize=(10, 4), sharey=True, layout="constrained")
for ax, (name, fit) in zip(axes, fits.items(), strict=True):
    functions = fit.sample_functions(grid, key=key, num=5)
    bp.plots.process(
        grid,
        fit.predict(grid),
        observed=(x, y),
        functions=functions,
        feature="x",
        ax=ax,
    )
    ax.set_title(name)
plt.show()

# %% [markdown]
# Both means are right. The grey band of the left model has one width; that of the right model follows the data.
#
# ## Calibrated on the whole is not calibrated everywhere
#
# On 3000 new measurements both intervals hold about 90 % in all. By thirds of x they do not: one noise level covers too
# much on the left and too little on the right.

# %%
x_new, y_new = draw(3000, seed=2)
third = np.minimum((3 * x_new).astype(int), 2)
print(
    f"{'coverage of the 90 % interval':<30}{'all':>8}{'left':>8}{'middle':>8}{'right':>8}{'NLPD':>9}"
)
for name, fit in fits.items():
    pred = fit.predict(x_new)
    inside = np.asarray(bp.evaluate.covered(pred, y_new))
    parts = [inside.mean(), *(inside[third == part].mean() for part in range(3))]
    score = float(bp.evaluate.nlpd(pred, y_new).mean())
    print(f"{name:<30}" + "".join(f"{part:>8.3f}" for part in parts) + f"{score:>9.3f}")

# %% [markdown]
# ## What each variance means
#
# Eight times as many measurements: the blue line (not known yet) falls, the orange one (the noise) stays, and comes to lie
# on the truth (dotted). *That* is the difference between the two, and the reason to choose the next experiment by the
# blue one.

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3.5), sharey=True, layout="constrained")
for ax, num in zip(axes, (50, 400), strict=True):
    few = bp.Dataset(*draw(num, seed=3), feature_names=["x"])
    fit = models["noise learned"].fit(few, key=key)
    bp.plots.noise_level(grid, fit.predict(grid), feature="x", ax=ax)
    ax.plot(grid, 0.5 + grid, "k:", linewidth=0.8)
    ax.set_title(f"{num} measurements")
plt.show()

# %% [markdown]
# ## Hyper-parameters that are not known either
#
# With two dozen rows lengthscales and noise are guesses. `inference=NUTS` draws them instead of taking the best ones;
# the draws disagree, and the disagreement is epistemic. With a hundred rows the two answers nearly meet.

# %%
print(
    f"{'rows':>5}{'epistemic s.d. at the mode':>28}{'over NUTS draws':>18}{'r-hat':>8}"
)
for num in (20, 100):
    rows = bp.Dataset(*draw(num, seed=4), feature_names=["x"])
    head = bp.noise.LogLinear()
    mode = bp.models.GaussianProcess(noise=head).fit(rows, key=key)
    sampler = bp.inference.NUTS(num_samples=200)
    full = bp.models.GaussianProcess(noise=head, inference=sampler).fit(rows, key=key)
    spread = [
        np.sqrt(np.asarray(fit.predict(grid).epistemic)).mean() for fit in (mode, full)
    ]
    print(f"{num:>5}{spread[0]:>28.3f}{spread[1]:>18.3f}{full.report.r_hat:>8.3f}")

# %% [markdown]
# ## Real data
#
# Head acceleration in simulated motorcycle crashes (Silverman 1985): quiet before the impact, violent after. Shown when the
# file is there.

# %%
folder = Path(os.environ.get("BATTPROB_DATA", "../../shared/data"))
path = folder / "mcycle" / "mcycle.csv"
if path.is_file():
    import pandas as pd

    frame = pd.read_csv(path)
    crash = bp.Dataset.from_dataframe(
        frame,
        target="accel",
        features=["times"],
        units={"times": "ms", "accel": "g"},
    )
    fit = models["noise learned"].fit(crash, key=key)
    times = np.linspace(frame["times"].min(), frame["times"].max(), 150)
    figure, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    pred = fit.predict(times)
    observed = (crash.x, crash.y)
    bp.plots.process(
        times, pred, observed=observed, feature="time (ms)", unit="g", ax=axes[0]
    )
    bp.plots.noise_level(times, pred, feature="time (ms)", unit="g", ax=axes[1])
    plt.show()
else:
    print("Set BATTPROB_DATA to the folder of real data to see them here.")

# %% [markdown]
# ## What each kind of inference gets wrong
#
# Truths were drawn from the priors 120 times, 16 rows of data each; the rank of the truth among posterior draws should fall
# in every bin equally often (the band holds 99 % of such counts). `NUTS` does
# (`pytest -m slow tests/recovery/test_gp_sbc.py`). `Laplace`, a Gaussian about the mode, places the scale of the function too
# high, and truths of the function fall outside of its draws somewhat too often. `MAP`, the default and the fastest, has one
# set of hyper-parameters: its draws of the function are too narrow on so few rows. With hundreds of rows all three agree.

# %%
stored = json.loads(Path("gp_ranks.json").read_text())
ranked = ["lengthscale", "scale", "noise", "function"]
figure, axes = plt.subplots(1, 4, figsize=(12, 2.8), sharey=True, layout="constrained")
for column, (axis, name) in enumerate(zip(axes, ranked, strict=True)):
    axis.axhspan(*binom(120, 1 / 6).ppf([0.005, 0.995]), alpha=0.2)
    for colour, (route, counts) in enumerate(stored.items()):
        if route == "MAP" and name != "function":
            continue  # one draw has no ranks
        edges = np.linspace(0, 1, 7)
        axis.stairs(counts[column], edges, label=route, color=f"C{colour}", lw=1.5)
    axis.set_title(name)
    axis.set_xlabel("rank of the truth")
axes[0].set_ylabel("data sets")
figure.legend(*axes[-1].get_legend_handles_labels(), loc="outside right upper")
plt.show()
