"""Which test next: what each is worth, and campaigns that ask and are told.

Space -> Campaign.ask -> tests -> Campaign.tell -> Campaign.recommend
"""

from battprob.design._advice import Advice
from battprob.design._history import Trial
from battprob.design.acquisition import AbstractAcquisition, AbstractLogAcquisition
from battprob.design.batch import greedy
from battprob.design.batch_acquisition import (
    AbstractJointAcquisition,
    JointIntegratedVariance,
    JointLogNEI,
    JointUCB,
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
from battprob.design.risk import RiskAverse, Utility
from battprob.design.space import Space
from battprob.design.suggest import suggest
from battprob.design.suggestions import Suggestions

__all__ = [
    "UCB",
    "AbstractAcquisition",
    "AbstractJointAcquisition",
    "AbstractLogAcquisition",
    "Advice",
    "AugmentedEI",
    "Campaign",
    "Categorical",
    "ComponentInformation",
    "Constrained",
    "Epistemic",
    "InformationGain",
    "Integer",
    "IntegratedVariance",
    "JointIntegratedVariance",
    "JointLogNEI",
    "JointUCB",
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
    "Suggestions",
    "Thompson",
    "Trial",
    "Utility",
    "default_model",
    "greedy",
    "repeat_or_new",
    "suggest",
]
