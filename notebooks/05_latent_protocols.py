# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A protocol that was not recorded
#
# Two charging protocols age cells at different rates, and the operator chose between them by
# room temperature. The data have the rate and the temperature but not the protocol. A single
# regression treats the difference as noise; a mixture estimates how much of the variance the
# missing column causes.

# %%
import jax
import matplotlib.pyplot as plt
import numpy as np

import battprob as bp

bp.enable_x64()
rng = np.random.default_rng(0)
NAMES = ["rate", "temperature_c"]


def measure(num, protocol=None):
    rate, temperature = rng.uniform(0.5, 3, num), rng.normal(28, 5, num)
    chance = 1 / (1 + np.exp(-(temperature - 28) / 3))
    u = (
        (rng.random(num) < chance).astype(int)
        if protocol is None
        else np.full(num, protocol)
    )
    fade = np.where(u == 0, 4 + 1.0 * rate, 9 + 2.5 * rate) + rng.normal(0, 1.2, num)
    return np.column_stack([rate, temperature]), u, fade


x, u, y = measure(160)
labels = np.where(np.arange(160) < 6, u, -1)  # the protocol is known for six cells
data = bp.Dataset(
    x, y, protocol=labels, feature_names=NAMES, target_name="fade", target_unit="%"
)
model = bp.models.ProtocolMixture(
    bp.models.BayesianLinear(),
    num_protocols=2,
    gate=bp.models.SoftmaxGate(["temperature_c"]),
)
posterior = model.fit(data, key=jax.random.key(0))
print(posterior.report.message)

# %% [markdown]
# ## Variance due to the missing column
#
# Left: the line and the band of each protocol as functions of the rate at 28 °C, and the
# measurements in the colour of their most probable protocol. Right: the parts of the variance. The
# yellow part is not noise: it vanishes when the protocol is known.

# %%
grid = np.column_stack([np.linspace(0.5, 3, 60), np.full(60, 28.0)])
pred = posterior.predict(grid)
fig, axes = plt.subplots(1, 2, figsize=(11, 4), layout="constrained")
observed = (x[:, 0], y, posterior.responsibilities(x, y))
bp.plots.components(
    grid[:, 0], pred, observed=observed, feature="rate (C)", unit="%", ax=axes[0]
)
bp.plots.variance_stack(grid[:, 0], pred, feature="rate (C)", unit="%", ax=axes[1])

# %%
known = posterior.predict(grid[:1], protocol=1)
print(
    "sd, protocol unknown:",
    pred.std[:1],
    "protocol 1:",
    known.std,
    "a new protocol:",
    posterior.predict(grid[:1], protocol="new").std,
)
u_new = 1
cell, _, fades = measure(3, protocol=u_new)
print(
    "protocol probabilities of a new cell after three measurements:",
    posterior.identify(cell, fades).round(3),
)

# %% [markdown]
# ## Deployment on a single protocol
#
# Consider a plant that uses only one protocol. There the averaged prediction is biased by several
# percentage points. Its 90 % interval still has its coverage, but only because it spans both
# protocols: it is more than twice as wide as the interval of a model that uses the protocol.

# %%
bias = bp.evaluate.deployment_bias(pred)
bp.plots.deployment_bias(grid[:, 0], bias, feature="rate (C)", unit="%")

# %% [markdown]
# ## Correction without labels
#
# Forty new cells come from a plant that mostly uses protocol 1. This can be estimated from their
# temperatures alone.

# %%
pool, v, fade = measure(2000)
rows = np.concatenate([np.flatnonzero(v == 1)[:34], np.flatnonzero(v == 0)[:6]])
shift = bp.evaluate.detect_shift(x, pool[rows], key=jax.random.key(1), features=NAMES)
print(shift)
training = posterior.protocol_probabilities(x).mean(0)
unlabelled = bp.evaluate.protocol_weights(
    posterior.protocol_probabilities(pool[rows]), training
)
labelled = bp.evaluate.protocol_weights(
    posterior.responsibilities(pool[rows], fade[rows]), training
)
print(
    "34 of 40 cells are on protocol 1; weights estimated from temperature",
    unlabelled.weights.round(2),
    "±",
    unlabelled.error.round(2),
    "and with labels",
    labelled.weights.round(2),
)
bp.plots.shift(shift)

# %% [markdown]
# ## Out-of-distribution cells
#
# The detector is calibrated on the training cells so that it flags at most one in ten of similar
# cells.

# %%
detector = bp.evaluate.OutOfDistribution().fit(
    bp.models.BayesianLinear(),
    bp.Dataset(x, y, feature_names=NAMES),
    key=jax.random.key(2),
    progress=False,
)
hot = measure(50)[0] + np.array([2.0, 15.0])
print(
    "fraction flagged, similar cells:",
    detector.check(measure(200)[0]).flagged.mean(),
    "hot cells at high rates:",
    detector.check(hot).flagged.mean(),
)
