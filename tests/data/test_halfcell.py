"""Full-cell curves conserve lithium and respond to each degradation mode correctly."""

import numpy as np
import pytest

from battprob.data._halfcell import (
    discharge_curves_ah,
    graphite_potential_v,
    lfp_potential_v,
)

VOLTAGE = np.linspace(3.6, 2.0, 200)


def curve(lithium=1.165, graphite=1.3, resistive=0.055, diffusive=0.0):
    return discharge_curves_ah(
        VOLTAGE,
        lithium_ah=np.array([lithium]),
        graphite_ah=np.array([graphite]),
        lfp_ah=1.2,
        resistive_v=np.array([resistive]),
        diffusive_v=np.array([diffusive]),
    )[0]


def test_potentials_agree_with_those_of_the_materials():
    assert lfp_potential_v(np.array([0.5]))[0] == pytest.approx(3.4, abs=0.02)
    assert graphite_potential_v(np.array([0.8]))[0] == pytest.approx(0.09, abs=0.02)


def test_potentials_fall_with_lithiation():
    x = np.linspace(0.0, 1.0, 500)
    assert (np.diff(graphite_potential_v(x)) < 0).all()
    assert (np.diff(lfp_potential_v(x)) < 0).all()


def test_capacity_increases_as_voltage_falls():
    q = curve()
    assert q[0] == 0
    assert (np.diff(q) > 0).all()
    assert q[-1] == pytest.approx(1.05, abs=0.03)


def test_loss_of_lithium_reduces_the_capacity_by_the_same_amount():
    assert (curve() - curve(lithium=1.145))[-1] == pytest.approx(0.02, abs=1e-3)


def test_slower_transport_affects_the_middle_of_the_curve_more_than_its_end():
    lost = curve() - curve(diffusive=0.1)
    assert (lost > -1e-9).all()
    assert 2.8 < VOLTAGE[np.argmax(lost)] < 3.2
    assert lost[-1] < 0.3 * lost.max()


def test_loss_of_graphite_shifts_the_curve_more_than_its_end():
    moved = np.abs(curve() - curve(graphite=1.28))
    assert moved.max() > 3 * moved[-1]
