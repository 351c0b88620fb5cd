"""One space, one model and one acquisition for all tests of campaigns: one set of programs."""

import jax
import numpy as np

from battprob import noise
from battprob.design import Campaign, Categorical, LogEI, Real, Space
from battprob.inference import MAP
from battprob.models import GaussianProcess

SPACE = Space(Real("rate", 1.0, 8.0, unit="1/h"), Categorical("salt", ["x", "y"]))
MODEL = GaussianProcess(
    noise=noise.Known() + noise.Constant(), inference=MAP(num_starts=2)
)


def life(point):
    """Best at a rate of 4.3 in salt y: 1000."""
    return 1000 - 30 * (point["rate"] - 4.3) ** 2 - 80 * (point["salt"] == "x")


def told(points):
    return np.array([life(point) for point in points])


def started(seed=0, **settings):
    settings = {"maximise": True, "target": "life", "unit": "cycles"} | settings
    return Campaign.start(
        SPACE,
        model=MODEL,
        acquisition=LogEI(),
        key=jax.random.key(seed),
        initial=6,
        **settings,
    )


def going(seed=0, **settings):
    """After the first tests."""
    campaign = started(seed, **settings)
    suggestions = campaign.ask(6)
    return campaign.tell(suggestions, told(suggestions.points))
