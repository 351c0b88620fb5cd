"""The Python in the README runs as written, in order."""

import pathlib
import re

import pytest

README = pathlib.Path(__file__).parent.parent / "README.md"


def test_readme_python_runs(capsys):
    """Assert that every Python block of the README runs, later ones after earlier ones."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert blocks
    namespace = {}
    for block in blocks:
        exec(compile(block, str(README), "exec"), namespace)
    assert "coverage" in capsys.readouterr().out
    assert namespace["pred"].mean.shape == (20,)


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)h#][^)]*)\)", README.read_text()))
def test_readme_links_lead_somewhere(path):
    """Assert that files the README points to exist."""
    assert (README.parent / path).exists()
