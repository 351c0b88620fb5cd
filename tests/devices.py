"""Programs on several devices of the CPU, each a process of its own."""

import json
import os
import subprocess
import sys


def start(devices: int, *program: str) -> subprocess.Popen:
    """Begin `python *program` where JAX sees so many devices; quickly compiled."""
    flags = (
        f"--xla_force_host_platform_device_count={devices}"
        " --xla_cpu_multi_thread_eigen=false --xla_backend_optimization_level=0"
    )
    # Devices that are threads wait for each other: there must be threads enough.
    own = {"XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu", "NPROC": "64"}
    return subprocess.Popen(
        [sys.executable, *program],
        env={**os.environ, **own},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen) -> dict:
    """What a program prints last, a line of JSON; an error where it fails."""
    out, errors = process.communicate(timeout=900)
    assert process.returncode == 0, errors
    return json.loads(out.splitlines()[-1])
