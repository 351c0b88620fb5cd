"""Strict JAX settings for every test; nothing of battprob is imported before the hooks."""

import contextlib
import ctypes
import gc
import os
import pathlib
import sys

_ROOT = pathlib.Path(__file__).parent
_CACHE = _ROOT / ".jax_cache"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # idle threads of it wait in a loop
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
from xdist.scheduler import LoadFileScheduling  # noqa: E402

_MANY_MAPS = 20_000  # Linux allows a process 65 530
# Bytes; two workers must fit on a laptop with 8 GB. Other folders use few of the programs
# of a folder, so that these are freed earlier when a worker begins another one.
_MUCH_MEMORY, _MUCH_MEMORY_OF_OTHER_FOLDERS = 2.4e9, 1.2e9
_folder_of_worker = []

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Tracing creates many objects that live on. By default, the collector visits all of them
# again and again, which takes a tenth of the suite's time.
gc.set_threshold(50_000, 20, 50)


class _Scheduling(LoadFileScheduling):
    """Give the tests of a folder to one worker: their files share compiled programs."""

    def _split_scope(self, nodeid):
        return str(pathlib.PurePath(super()._split_scope(nodeid)).parent)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    return _Scheduling(config, log)


@pytest.fixture(autouse=True, scope="module")
def _bounded_memory(request):
    """Free compiled programs when they use much memory, and close figures."""
    if _folder_of_worker != [request.path.parent]:
        _folder_of_worker[:] = [request.path.parent]
        _free_programs(_MUCH_MEMORY_OF_OTHER_FOLDERS)
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")
    _free_programs(_MUCH_MEMORY)


def _free_programs(limit):
    """Free all compiled programs if the process uses more than `limit` bytes."""
    if _memory() > limit or _num_maps() > _MANY_MAPS:
        jax.clear_caches()
        gc.collect()
        _return_free_memory()


def _memory():
    """Resident memory of this process in bytes; zero where the system does not tell."""
    status = pathlib.Path("/proc/self/statm")
    pages = int(status.read_text().split()[1]) if status.exists() else 0
    return pages * 4096


def _num_maps():
    """Number of memory maps of this process: every compiled program needs some."""
    maps = pathlib.Path("/proc/self/maps")
    return len(maps.read_text().splitlines()) if maps.exists() else 0


def _return_free_memory():
    """Give freed memory back to the system: glibc keeps it otherwise."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


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
