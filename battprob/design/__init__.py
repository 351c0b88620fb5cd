"""Experimental design: which test to run next.

Space -> Campaign.ask -> tests -> Campaign.tell -> Campaign.recommend
"""

from battprob.design._fantasies import condition_on, draw_fantasies, mean_fantasies
from battprob.design._posterior_view import (
    expected_noise_variance,
    function_marginals,
    observed_rows,
)
from battprob.design.batch import greedy
from battprob.design.batch_acquisition import (
    BatchIntegratedVariance,
    BatchLogNEI,
    BatchUCB,
)
from battprob.design.campaign import Campaign
from battprob.design.chebyshev import LogChebyshevEI
from battprob.design.confidence import UCB, Epistemic, Thompson
from battprob.design.constrained import Constrained, PerCost
from battprob.design.defaults import default_model
from battprob.design.dimensions import (
    Categorical,
    Integer,
    LinearConstraint,
    Real,
    Simplex,
)
from battprob.design.hypervolume import LogEHVI, LogNEHVI
from battprob.design.improvement import LogEI, LogNEI, LogPI
from battprob.design.information import (
    ComponentInformation,
    InformationGain,
    MaxValueEntropy,
)
from battprob.design.lookahead import IntegratedVariance, KnowledgeGradient
from battprob.design.replication import AugmentedEI, repeat_or_new
from battprob.design.risk import RiskAverse
from battprob.design.space import Space
from battprob.design.suggest import suggest

__all__ = [
    "UCB",
    "AugmentedEI",
    "BatchIntegratedVariance",
    "BatchLogNEI",
    "BatchUCB",
    "Campaign",
    "Categorical",
    "ComponentInformation",
    "Constrained",
    "Epistemic",
    "InformationGain",
    "Integer",
    "IntegratedVariance",
    "KnowledgeGradient",
    "LinearConstraint",
    "LogChebyshevEI",
    "LogEHVI",
    "LogEI",
    "LogNEHVI",
    "LogNEI",
    "LogPI",
    "MaxValueEntropy",
    "PerCost",
    "Real",
    "RiskAverse",
    "Simplex",
    "Space",
    "Thompson",
    "condition_on",
    "default_model",
    "draw_fantasies",
    "expected_noise_variance",
    "function_marginals",
    "greedy",
    "mean_fantasies",
    "observed_rows",
    "repeat_or_new",
    "suggest",
]
