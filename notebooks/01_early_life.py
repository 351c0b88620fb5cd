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
# # Cycle life from the first hundred cycles
#
# After a hundred cycles the capacity of a cell has hardly changed, but the *shape* of its discharge curve has. This
# notebook predicts the cycle life from that shape. Each prediction has two variances: the **aleatoric** variance, which
# remains however many cells are tested, and the **epistemic** variance, which decreases with more cells.

# %%
import os
from pathlib import Path

import jax
import matplotlib.pyplot as plt
import numpy as np

import battprob as bp

bp.enable_x64()
key = jax.random.key(0)

# %% [markdown]
# ## Synthetic cells
#
# The synthetic population resembles fast-charged LFP cells. Unlike for real cells, the true distribution of each life is
# known. Its standard deviation depends on the protocol: it is six times larger for the fastest charging than for the
# slowest.

# %%
population = bp.data.population(160, seed=1)
cells, repairs = zip(*map(bp.data.despike, population.cells), strict=True)
print(cells[0])
print(sum(map(len, repairs)), "readings were repaired")

# %%
curves = np.stack([cell.curve_ah(100) - cell.curve_ah(10) for cell in cells])
lives = np.array([cell.cycle_life for cell in cells])
bp.plots.delta_q(cells[0].voltage_v, curves, lives)
plt.show()

# %% [markdown]
# Cells with a short life lose more charge between cycles 10 and 100, and lose it at particular voltages. The features
# are statistics of this difference curve and the slope of the capacity. The charging rate is known from the protocol.

# %%
table = bp.features.early_life(cells).select(["delta_q_log10_variance", "fade_slope"])
rate = bp.features.FeatureTable(
    population.charge_rate_c[:, None],
    names=["charge_rate"],
    units=["1/h"],
    rows=table.rows,
    groups=table.groups,
)
# The models below have no random effects, so they do not take the batches of the cells.
data = table.join(rate).to_dataset(bp.targets.cycle_life(cells)).without("groups")
train, test = data.take(slice(100)), data.take(slice(100, None))

# %% [markdown]
# ## Noise that depends on the protocol
#
# Two models with the same kernel. One has constant noise. In the other the logarithm of the noise variance is a linear
# function of the features, here of the charging rate.

# %%
kernel = bp.kernels.Linear() + bp.kernels.Matern32()
models = {
    "constant noise": bp.models.GaussianProcess(kernel, bp.noise.Constant()),
    "log-linear noise": bp.models.GaussianProcess(
        kernel, bp.noise.LogLinear(["charge_rate"])
    ),
}
predictions = {
    name: model.fit(train, key=key).predict(test.x) for name, model in models.items()
}
fast = np.asarray(test.x[:, 2]) > 5
for name, pred in predictions.items():
    scores = bp.evaluate.summary(pred, test.y, unit="cycles")
    inside = np.asarray(bp.evaluate.covered(pred, test.y))
    low, high = map(np.asarray, pred.interval(0.9))
    print(f"{name}: NLPD {scores['nlpd']:.3f}, CRPS {scores['crps']:.1f} cycles")
    for label, rows in {"all": fast | ~fast, "slow": ~fast, "fast": fast}.items():
        ratio = np.median(high[rows] / low[rows])
        print(
            f"  {label:4} {rows.sum():2} cells: coverage of the 90 % interval "
            f"{inside[rows].mean():.2f}, upper / lower end {ratio:.2f}"
        )

# %% [markdown]
# Both models cover about nine lives in ten. With constant noise, however, the intervals are too wide for slow charging and
# too narrow for fast charging. Noise that depends on the rate halves the former and widens the latter. The next figure
# compares the learned standard deviation with the true one.

# %%
true_sd = population.log_life_sd[100:]
for name, pred in predictions.items():
    learned = np.sqrt(np.asarray(pred.noise_variance).mean((0, 1)))  # on the log scale
    plt.scatter(true_sd, learned, label=name)
plt.plot([0.05, 0.4], [0.05, 0.4], color="grey", label="equal", zorder=0)
plt.gca().set_aspect("equal")
plt.xlabel("true sd of log life")
plt.ylabel("learned sd of log life")
plt.legend()
plt.show()

# %%
pred = predictions["log-linear noise"]
figure, axes = plt.subplots(1, 2, figsize=(12, 5), layout="constrained")
bp.plots.parity(pred, test.y, unit="cycles", ax=axes[0])
bp.plots.calibration(pred, test.y, ax=axes[1])
plt.show()

# %% [markdown]
# ## Which cell to test next?
#
# The cell with the largest *epistemic* variance, because that is the part which a test reduces. The cell with the largest
# total variance may be one whose life is merely random.

# %%
short_names = [name.removeprefix("synthetic/") for name in table.rows[100:]]
bp.plots.variance_split(pred.take(slice(30)), short_names[:30], unit="cycles")
plt.show()
print("test next:", short_names[int(pred.epistemic.argmax())])

# %% [markdown]
# ## Real cells
#
# This section needs the data of Severson et al. (2019) in the folder `BATTPROB_DATA`. The default pipeline is fitted to
# the 41 training cells and predicts the 43 primary test cells. Most of the variance is now epistemic, because 41 cells are
# few. The cell with a life of 148 cycles is unlike all training cells and lies outside its interval; several papers
# exclude it.

# %%
folder = Path(os.environ.get("BATTPROB_DATA", "../shared/data"))
pack = folder / "severson" / "severson.npz"
if pack.is_file():
    from battprob.cli import life

    train_source, test_source = life.read(pack)
    dataset = train_source.dataset
    posterior = life.model(dataset).fit(dataset, key=key)
    pred = test_source.predicted_by(posterior, train_source)
    print(bp.evaluate.summary(pred, test_source.life, unit="cycles"))
    fraction = np.median(pred.epistemic / pred.variance)
    print(f"epistemic fraction of the variance: {fraction:.0%} (median over cells)")
    bp.plots.parity(pred, test_source.life, unit="cycles")
    plt.show()
