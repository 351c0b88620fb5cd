"""States of cyclers: charge, discharge, rest."""

import numpy as np
import pytest

from battprob.data.cycler.states import direction_of_states

_STATES = {
    1.0: ["C", "c", "CC_Chg", "CCCV Chg", "Charge", "CHARGING", "恒流充电", "CC-CV_Chg",
          "Chg", "C_CC", "CHA", "Laden", "Charge"],
    -1.0: ["D", "CC_DChg", "CC Dchg", "Discharge", "DISCHG", "恒流放电", "D_CC", "dis",
           "Power Discharge", "DCH", "Entladen", "Décharge"],
    0.0: ["R", "Rest", "Pause", "OCV", "搁置", "P", "Idle"],
}  # fmt: skip


@pytest.mark.parametrize("direction", list(_STATES))
def test_direction_of_each_state(direction):
    states = np.array([*_STATES[direction], "C", "D"], object)
    found = direction_of_states(states)
    assert found is not None
    assert found[:-2].tolist() == [direction] * len(_STATES[direction])


def test_codes_without_meaning_give_no_direction():
    assert direction_of_states(np.array(["1", "7", "2.0"], object)) is None
    assert direction_of_states(np.array(["R", "R"], object)) is None
