"""Strict JAX settings for every test; nothing of battprob is imported before the hooks."""

import os
import pathlib

_ROOT = pathlib.Path(__file__).parent
_CACHE = _ROOT / ".jax_cache"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")
# Two workers share the cores: each compiles and computes on one thread. Nearly all the
# suite's time is compilation, so programs are compiled in haste; notebooks, benchmarks
# and slow tests on request (XLA_FLAGS="") run those that users run.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_cpu_multi_thread_eigen=false --xla_cpu_use_fusion_emitters=false"
    " --xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1",
)

import jax  # noqa: E402 - the cache is configured by the lines above
import pytest  # noqa: E402

_MANY_MAPS = 20_000  # Linux stops at 65 530, and the process with it

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """Free compiled programs before they exhaust the memory maps of the process."""
    yield
    maps = pathlib.Path("/proc/self/maps")
    if not maps.exists() or len(maps.read_text().splitlines()) > _MANY_MAPS:
        jax.clear_caches()


@pytest.fixture
def key():
    """A fresh typed PRNG key; split it for more."""
    return jax.random.key(0)


@pytest.fixture(scope="session")
def data_folder():
    """The folder of real data sets; tests that need it skip where it is absent."""
    beside = _ROOT.parent / "shared" / "data"
    folder = pathlib.Path(os.environ.get("BATTPROB_DATA", beside))
    if not folder.is_dir():
        pytest.skip("real data absent: set BATTPROB_DATA")
    return folder
