"""One space, model and acquisition for all tests of campaigns, which share programs."""

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
    """Life of a cell; the largest is 1000, at a rate of 4.3 with salt y."""
    return 1000 - 30 * (point["rate"] - 4.3) ** 2 - 80 * (point["salt"] == "x")


def lives(points):
    return np.array([life(point) for point in points])


def new_campaign(seed=0, **settings):
    settings = {"maximise": True, "target": "life", "unit": "cycles"} | settings
    return Campaign.start(
        SPACE,
        model=MODEL,
        acquisition=LogEI(),
        key=jax.random.key(seed),
        initial=6,
        **settings,
    )


def campaign_with_results(seed=0, **settings):
    """A campaign with the results of its six initial tests."""
    campaign = new_campaign(seed, **settings)
    suggestions = campaign.ask(6)
    return campaign.tell(suggestions, lives(suggestions.points))
