"""Without a solver, the number of rows chooses one that supports the specification."""

import jax
import numpy as np
import pytest

import battprob as bp
from battprob.models.process import model

ROWS = np.random.default_rng(0).normal(size=(12, 2))


@pytest.mark.parametrize(
    ("num_features", "inference", "limit", "expected"),
    [
        (2, None, 12, "solver Exact(): 12 distinct rows"),
        (1, None, 11, "solver StateSpace(): 12 distinct rows, more than 11"),
        (2, None, 11, "solver InducingPoints(): 12 distinct rows, more than 11"),
        (2, bp.inference.Laplace(num_draws=2), 11, "but no other solver does Laplace"),
    ],
)
def test_report_states_the_solver_and_its_reason(
    num_features, inference, limit, expected, monkeypatch
):
    """Assert the choice that the report states."""
    monkeypatch.setattr(model, "_LARGEST_EXACT", limit)
    kernel = bp.kernels.Matern32()
    data = bp.Dataset(ROWS[:, :num_features], ROWS[:, 0])
    posterior = bp.models.GaussianProcess(kernel, inference=inference).fit(
        data, key=jax.random.key(0)
    )
    assert expected in posterior.report.message
