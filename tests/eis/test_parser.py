"""Circuit texts are read as impedance.py reads them; errors mark the position."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from battprob.eis import Circuit, from_autoeis, from_boukamp, read_impedance_py
from battprob.eis.parser import parse, to_text


def test_names_units_and_order():
    circuit = Circuit(" R0 - p( R_1 , CPE1 )-p(R2-Wo1,C2)")
    assert circuit.names == (
        *("R0", "R_1", "CPE1_0", "CPE1_1", "R2", "Wo1_0", "Wo1_1", "C2"),
    )
    assert circuit.units[:4] == ("Ohm", "Ohm", "Ohm^-1 sec^a", "")


def test_nested_circuit_is_the_hand_written_formula():
    frequency = np.array([0.01, 1.0, 300.0])
    s = 2j * np.pi * frequency
    circuit = Circuit("R0-p(R1-p(R2,C2),C1)-L1")
    got = circuit.impedance([1.0, 2.0, 3.0, 0.1, 0.02, 1e-4], frequency)
    inner = 2.0 + 1 / (1 / 3.0 + s * 0.1)
    np.testing.assert_allclose(got, 1.0 + 1 / (1 / inner + s * 0.02) + s * 1e-4)


def test_constants_are_fixed():
    circuit = Circuit("R0-CPE1", constants={"CPE1_1": 0.5})
    assert circuit.names == ("R0", "CPE1_0")
    expected = Circuit("R0-CPE1").impedance([1.0, 2.0, 0.5], [3.0])
    np.testing.assert_allclose(circuit.impedance([1.0, 2.0], [3.0]), expected)


_ELEMENT = st.sampled_from(["R", "C", "L", "CPE", "W", "Wo", "Zarc"])


@st.composite
def _circuits(draw):
    counter = iter(range(100))

    def series(depth):
        return "-".join(item(depth) for _ in range(draw(st.integers(1, 3))))

    def item(depth):
        if depth and draw(st.booleans()):
            branches = draw(st.integers(2, 3))
            return f"p({','.join(series(depth - 1) for _ in range(branches))})"
        return f"{draw(_ELEMENT)}{next(counter)}"

    return series(2)


@given(_circuits())
def test_round_trip(text):
    assert to_text(parse(text)) == text


@pytest.mark.parametrize(
    ("text", "message", "position"),
    [
        ("R0-X1", "no element 'X1'", 4),
        ("R0-p(R1,C1", r"expected ',' or '\)'.*character 4", 11),
        ("R0--R1", "expected an element or 'p\\(', found '-'", 4),
        ("R0-", "found the end", 4),
        ("R0)-R1", r"expected '-' or the end, found '\)'", 3),
        ("p(R1)", "two branches or more", 1),
        ("R0-R0", "occurs twice", 4),
        ("R0-__import__('os')", "expected an element", 4),
        ("", "found the end", 1),
    ],
)
def test_errors_mark_the_position(text, message, position):
    with pytest.raises(ValueError, match=message) as raised:
        Circuit(text)
    assert f"at character {position} of" in str(raised.value)
    assert str(raised.value).splitlines()[-1].index("^") == 4 + position - 1


def test_wrong_parameters_and_constants():
    circuit = Circuit("R0-C1")
    with pytest.raises(ValueError, match=r"missing or unknown: \['C1', 'C2'\]"):
        circuit.impedance({"R0": 1.0, "C2": 1.0}, [1.0])
    with pytest.raises(ValueError, match="2 free parameters"):
        circuit.impedance([1.0], [1.0])
    with pytest.raises(ValueError, match="'R7' is no parameter"):
        Circuit("R0", constants={"R7": 1.0})
    with pytest.raises(ValueError, match="outside"):
        Circuit("R0-CPE1", constants={"CPE1_1": 1.5})


@pytest.mark.parametrize(
    ("code", "ours"),
    [
        ("R(RQ)", "R0-p(R1,CPE1)"),
        ("R(C(RW))", "R0-p(C1,R1-W1)"),
        ("R(C[RW])(RQ)", "R0-p(C1,R1-W1)-p(R2,CPE1)"),
        ("LR(Q[R(RQ)])", "L1-R0-p(CPE1,R1-p(R2,CPE2))"),
    ],
)
def test_boukamp(code, ours):
    assert from_boukamp(code) == ours
    assert str(Circuit(ours)) == ours


def test_boukamp_errors():
    with pytest.raises(ValueError, match="no element 'X'"):
        from_boukamp("R(RX)")
    with pytest.raises(ValueError, match=r"expected \), found the end"):
        from_boukamp("R(RQ")
    with pytest.raises(ValueError, match=r"expected the end, found \)"):
        from_boukamp("R)Q")


def test_autoeis():
    assert from_autoeis("R0-[R1,P2]-[R3,P4-L5]") == "R0-p(R1,CPE2)-p(R3,CPE4-L5)"


def test_saved_json_of_impedance_py(tmp_path):
    path = tmp_path / "circuit.json"
    saved = {
        "Name": None,
        "Circuit String": "R0-p(R1,CPE1)",
        "Initial Guess": [0.1, 0.2, 0.3],
        "Constants": {"CPE1_1": 0.9},
        "Fit": True,
        "Parameters": [0.11, 0.22, 0.33],
        "Confidence": [0.1, 0.1, 0.1],
    }
    path.write_text(json.dumps(saved))
    circuit, values = read_impedance_py(path)
    assert values == {"R0": 0.11, "R1": 0.22, "CPE1_0": 0.33}
    assert circuit.network.constant_names == ("CPE1_1",)
    path.write_text(json.dumps(saved | {"Parameters": [1.0]}))
    with pytest.raises(ValueError, match="has 1 parameters"):
        read_impedance_py(path)
    path.write_text("{}")
    with pytest.raises(ValueError, match="not a circuit saved"):
        read_impedance_py(path)
