"""Rows on eight devices, or of two hosts, give the answers of one device."""

import json
import os
import pathlib
import socket
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = pathlib.Path(__file__).with_name("sharded_script.py")


def _start(devices, *arguments):
    flags = (
        f"--xla_force_host_platform_device_count={devices}"
        " --xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0"
    )
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env={**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _answer(process):
    out, errors = process.communicate(timeout=500)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


def _same(one, other):
    for name, answers in one["answers"].items():
        np.testing.assert_allclose(
            answers, other["answers"][name], rtol=1e-6, err_msg=name
        )


@pytest.fixture(scope="module")
def alone():
    return _answer(_start(1))


def test_eight_devices(alone):
    many = _answer(_start(8))
    assert many["devices"] == 8
    assert alone["shares"] == [32]
    assert many["shares"] == [4] * 8
    _same(alone, many)


@pytest.mark.slow
def test_two_hosts_of_four_devices(alone):
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    both = [_answer(p) for p in [_start(4, place, port) for place in (0, 1)]]
    assert [answer["devices"] for answer in both] == [8, 8]
    for answer in both:
        _same(alone, answer)
