"""The study of label variance recovers the true cell-to-cell standard deviation."""

import importlib.util
import pathlib
import sys

import numpy as np
import pytest

_SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks" / "label_variance.py"


@pytest.fixture(scope="module")
def study():
    spec = importlib.util.spec_from_file_location("label_variance", _SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["label_variance"] = module
    spec.loader.exec_module(module)
    return module


def test_variance_within_groups_agrees_with_numpy(study):
    values = np.array([1.0, 3.0, 10.0, np.nan, 14.0, 9.0])
    groups = np.array(["a", "a", "b", "b", "b", "c"])
    expected = (np.var([1, 3]) * 2 + np.var([10, 14]) * 2) / 2
    np.testing.assert_allclose(study.within(values, groups), expected)


def test_cell_to_cell_sd_agrees_with_the_true_one(study, capsys):
    rows = study.report("synthetic", *study.synthetic(80))
    assert "explained fraction of var log life" in capsys.readouterr().out
    # 56 degrees of freedom: the relative error of a standard deviation is about 10 %.
    for row in rows:
        if row["label"] != "fade rate to cycle 10":
            np.testing.assert_allclose(row["cell_sd"], row["true_sd"], rtol=0.3)
    errors = [row["error_sd"] for row in rows[1:]]
    assert errors == sorted(errors, reverse=True)
