"""Fits on eight devices, or on two hosts, equal those on one device."""

import pathlib
import socket

import numpy as np
import pytest

from tests.devices import answer, start

SCRIPT = pathlib.Path(__file__).with_name("sharded_script.py")


def _start(devices, *arguments):
    return start(devices, str(SCRIPT), *map(str, arguments))


def _require_same(one, other):
    np.testing.assert_allclose(one["result"], other["result"], rtol=1e-6)


def test_inducing_points_on_eight_devices():
    alone, many = (answer(_start(devices, "inducing_points")) for devices in (1, 8))
    assert many["devices"] == 8
    _require_same(alone, many)


@pytest.mark.slow
def test_conjugate_gradients_on_eight_devices():
    alone, many = (answer(_start(devices, "conjugate_gradients")) for devices in (1, 8))
    assert alone["rows_per_device"] == [32]
    assert many["rows_per_device"] == [4] * 8
    _require_same(alone, many)


@pytest.mark.slow
def test_inducing_points_on_two_hosts_of_four_devices():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    alone = answer(_start(1, "inducing_points"))
    started = [_start(4, "inducing_points", host, port) for host in (0, 1)]
    both = [answer(process) for process in started]
    assert [output["devices"] for output in both] == [8, 8]
    for output in both:
        _require_same(alone, output)
