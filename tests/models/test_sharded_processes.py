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
    # Devices that are threads wait for each other: there must be threads enough.
    own = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "NPROC": "64"}
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, arguments)],
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _answer(process):
    out, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])


def _same(one, other):
    np.testing.assert_allclose(one["answer"], other["answer"], rtol=1e-6)


def test_batches_on_eight_devices():
    alone, many = (_answer(_start(devices, "sparse")) for devices in (1, 8))
    assert many["devices"] == 8
    _same(alone, many)


@pytest.mark.slow
def test_blocks_of_rows_on_eight_devices():
    alone, many = (_answer(_start(devices, "iterative")) for devices in (1, 8))
    assert alone["shares"] == [32]
    assert many["shares"] == [4] * 8
    _same(alone, many)


@pytest.mark.slow
def test_batches_of_two_hosts_of_four_devices():
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    alone = _answer(_start(1, "sparse"))
    both = [_answer(p) for p in [_start(4, "sparse", place, port) for place in (0, 1)]]
    assert [answer["devices"] for answer in both] == [8, 8]
    for answer in both:
        _same(alone, answer)
