"""Rows on eight devices, or of two hosts, give the answers of one device."""

import pathlib
import socket

import numpy as np
import pytest

from tests.devices import answer, start

SCRIPT = pathlib.Path(__file__).with_name("sharded_script.py")


def _start(devices, *arguments):
    return start(devices, str(SCRIPT), *map(str, arguments))


def _same(one, other):
    np.testing.assert_allclose(one["answer"], other["answer"], rtol=1e-6)


def test_batches_on_eight_devices():
    alone, many = (answer(_start(devices, "sparse")) for devices in (1, 8))
    assert many["devices"] == 8
    _same(alone, many)


@pytest.mark.slow
def test_blocks_of_rows_on_eight_devices():
    alone, many = (answer(_start(devices, "iterative")) for devices in (1, 8))
    assert alone["shares"] == [32]
    assert many["shares"] == [4] * 8
    _same(alone, many)


@pytest.mark.slow
def test_batches_of_two_hosts_of_four_devices():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    alone = answer(_start(1, "sparse"))
    both = [answer(p) for p in [_start(4, "sparse", place, port) for place in (0, 1)]]
    assert [own["devices"] for own in both] == [8, 8]
    for own in both:
        _same(alone, own)
