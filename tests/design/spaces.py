"""Spaces of each kind, for properties that hold in all of them."""

from battprob.design import (
    Categorical,
    Integer,
    LinearConstraint,
    Real,
    Simplex,
    Space,
)

SPACES = {
    "box": Space(Real("a", 0, 1), Real("b", -2.0, 5.0, log=False)),
    "log": Space(Real("c", 1e-3, 10.0, log=True)),
    "mixed": Space(
        Real("c1", 3.6, 8.0, unit="1/h"),
        Simplex("salt", ["LiPF6", "LiFSI"], low=0.1),
        Categorical("additive", ["VC", "FEC"]),
        Integer("layers", 1, 4),
    ),
    "simplex": Space(
        Simplex("solvent", ["EC", "DMC", "EMC"], low=[0.2, 0, 0], high=[0.6, 0.7, 0.5]),
        Categorical("salt", ["LiPF6", "LiFSI", "LiTFSI"]),
    ),
    "constrained": Space(
        Real("c1", 3.6, 8.0),
        Real("c2", 3.6, 8.0),
        Simplex("solvent", ["EC", "DMC", "EMC"]),
        constraints=[
            LinearConstraint({"c1": 1, "c2": 1}, at_most=10.0),
            LinearConstraint({"EC": 1, "c1": 0.1}, at_least=0.6),
        ],
    ),
    "balanced": Space(
        Real("a", 0, 1),
        Real("b", 0, 1),
        Real("c", 0, 1),
        constraints=[LinearConstraint({"a": 1, "b": 1, "c": 1}, equal_to=1.2)],
    ),
    "table": Space.from_candidates({"rate": [1.0, 2.0, 4.0], "salt": ["x", "y", "x"]}),
}
