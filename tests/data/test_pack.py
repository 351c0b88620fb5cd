"""`read_pack` returns the recorded values; `despike` repairs only known spikes."""

import numpy as np
import pytest

from battprob import DataError
from battprob.data import despike, read_pack

KNOWN_SPIKES = {
    ("train/cell2", 12),
    ("train/cell9", 13),
    ("train/cell16", 73),
    ("test1/cell1", 12),
    ("test1/cell3", 12),
    ("test1/cell9", 13),
    ("test1/cell39", 74),
    ("test1/cell19", 11),  # one voltage, error 0.07 Ah; not in the list of the source
}


def first_below(cell, capacity_ah):
    """First cycle below the capacity, or the cycle after the last one."""
    repaired = despike(cell)[0]
    below = repaired.cycle[repaired.capacity_ah < capacity_ah]
    return below[0] if below.size else repaired.cycle[-1] + 1


@pytest.fixture(scope="module")
def cells(data_folder):
    return read_pack(data_folder / "severson" / "severson.npz")


def test_cells_have_their_labels(cells):
    first = cells[0]
    assert len(cells) == 84
    assert first.name == "train/cell1"
    assert (first.split, first.batch) == ("train", "2017-05-12")
    assert first.protocol == "3.6C(80%)-3.6C"
    assert first.meta["barcode"] == "EL150800460486"
    assert first.meta["charge_time_0_80_min"] == pytest.approx(40 / 3)
    assert (first.cycle_life, first.censored) == (2160.0, False)
    assert first.curve_cycle.tolist() == list(range(2, 101))
    np.testing.assert_array_equal(first.capacity_ah, first.curve_capacity_ah[:, -1])


def test_only_the_known_spikes_are_repaired(cells):
    repairs = [repair for cell in cells for repair in despike(cell)[1]]
    assert {(repair.cell, repair.cycle) for repair in repairs} == KNOWN_SPIKES
    assert all(-0.01 < repair.new < 1.1 for repair in repairs)


def test_capacity_sequences_run_to_the_end_of_life(data_folder, cells):
    folder = data_folder / "severson"
    full = read_pack(folder / "severson.npz", capacity_path=folder / "capacity.npz")
    longer = [cell for cell in full if cell.cycle.size > 99]
    assert len(longer) == 83
    assert max(abs(first_below(cell, 0.88) - cell.cycle_life) for cell in longer) <= 2
    assert full[0].capacity_ah[0] == pytest.approx(
        1.0753
    )  # the curve ends at 1.0610 Ah


def test_a_pack_without_an_array_is_refused(tmp_path):
    np.savez(tmp_path / "p.npz", Qdlin=np.zeros((1, 1, 1)))
    with pytest.raises(DataError, match="no array 'scale'; it has"):
        read_pack(tmp_path / "p.npz")


def test_a_small_pack(tmp_path):
    np.savez(
        tmp_path / "p.npz",
        Qdlin=np.array([[[0, 50, 107], [0, 49, 106]]], np.int32),
        scale=0.01,
        voltage=[3.6, 3.0, 2.0],
        cycles=[2, 3],
        cycle_life=[700],
        split=["train"],
        source_file=["train/cell1.csv"],
        policy=["4C"],
        charge_time_0_80_min=[12.0],
        batch_date=["2017"],
        barcode=["EL1"],
    )
    np.savez(
        tmp_path / "c.npz",
        capacity=[[107, 106, -1]],
        cycle=[[2, 3, 4]],
        row=[0],
        scale=0.01,
    )
    (cell,) = read_pack(tmp_path / "p.npz")
    np.testing.assert_allclose(cell.capacity_ah, [1.07, 1.06])
    (cell,) = read_pack(tmp_path / "p.npz", capacity_path=tmp_path / "c.npz")
    assert cell.cycle.tolist() == [2, 3]
