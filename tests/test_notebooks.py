"""Every notebook's source runs from top to bottom."""

import pathlib

import pytest

FOLDER = pathlib.Path(__file__).parent.parent / "notebooks"


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in FOLDER.glob("*.py")))
def test_notebook_runs(name, monkeypatch):
    """Assert that the source of the notebook runs."""
    import matplotlib.pyplot as plt

    monkeypatch.chdir(FOLDER)
    source = (FOLDER / name).read_text()
    exec(compile(source, name, "exec"), {"__name__": "__main__"})
    plt.close("all")
