"""The hardware of the machine, from real files, made-up files and a real child process."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tierchat.errors import EngineCrashed
from tierchat.models.placement import hardware

GIB = 1 << 30
MEMINFO = "MemTotal: 16777216 kB\nMemFree: 1048576 kB\nMemAvailable: 8388608 kB\n"


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 16 GiB, of which 8 are free, without a container; its files may be changed."""
    monkeypatch.setattr(hardware, "_CGROUP_LIMITS", (f"{tmp_path}/memory.max",))
    monkeypatch.setattr(hardware, "_CGROUP_USAGE", (f"{tmp_path}/memory.current",))
    monkeypatch.setattr(hardware, "_CGROUP_STAT", (f"{tmp_path}/memory.stat",))
    monkeypatch.setattr(hardware, "_CGROUP_CPU", tmp_path / "cpu.max")
    monkeypatch.setattr(hardware, "_SIBLINGS", f"{tmp_path}/siblings{{}}")
    monkeypatch.setattr(hardware, "_system_ram", lambda: (16 * GIB, 8 * GIB))
    return tmp_path


@pytest.fixture
def four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {0, 1, 2, 3}, raising=False)


def test_the_machine_looks_like_one() -> None:
    found = hardware.look()
    assert GIB // 4 < found.ram_total_bytes < 1 << 50
    assert 0 < found.ram_free_bytes <= found.ram_total_bytes
    assert 1 <= found.num_cores <= (os.cpu_count() or 1)
    assert found.backends and len(set(found.backends)) == len(found.backends)
    assert hardware.num_oom_kills() >= 0


@pytest.mark.usefixtures("four_cpus")
def test_hyper_threads_of_one_core_count_once(files: Path) -> None:
    assert hardware.num_cores() == 4
    for cpu in range(4):
        (files / f"siblings{cpu}").write_text("0,2\n" if cpu % 2 == 0 else "1,3\n")
    assert hardware.num_cores() == 2


@pytest.mark.usefixtures("four_cpus")
@pytest.mark.parametrize(
    "quota, expected",
    [
        ("max 100000\n", 4),
        ("200000 100000\n", 2),
        ("150000 100000\n", 2),
        ("10000 100000\n", 1),
        ("900000 100000\n", 4),
        ("nonsense\n", 4),
    ],
)
def test_the_quota_of_a_container_counts(files: Path, quota: str, expected: int) -> None:
    (files / "cpu.max").write_text(quota)
    assert hardware.num_cores() == expected


def test_affinity_counts(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: {5}, raising=False)
    assert hardware.num_cores() == 1
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert hardware.num_cores() == 3


def test_the_memory_limit_of_a_container_counts_and_cached_files_are_free(files: Path) -> None:
    assert hardware.ram() == (16 * GIB, 8 * GIB)
    (files / "memory.max").write_text("max\n")
    assert hardware.ram() == (16 * GIB, 8 * GIB)
    (files / "memory.max").write_text(f"{4 * GIB}\n")
    assert hardware.ram() == (4 * GIB, 4 * GIB)
    (files / "memory.current").write_text(f"{3 * GIB}\n")
    assert hardware.ram() == (4 * GIB, GIB)
    (files / "memory.stat").write_text(f"anon {GIB}\ninactive_file {2 * GIB}\nactive_file 1\n")
    assert hardware.ram() == (4 * GIB, 3 * GIB)


def test_a_container_with_more_than_the_machine_has_what_the_machine_has(files: Path) -> None:
    (files / "memory.max").write_text(f"{64 * GIB}\n")
    (files / "memory.current").write_text(f"{GIB}\n")
    assert hardware.ram() == (16 * GIB, 8 * GIB)
    (files / "memory.max").write_text(f"{12 * GIB}\n")
    # The machine has less free memory than the container may still use.
    assert hardware.ram() == (12 * GIB, 8 * GIB)


def test_free_memory_is_what_the_kernel_calls_available(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "_read", {"/proc/meminfo": MEMINFO}.get)
    assert hardware._system_ram() == (16 * GIB, 8 * GIB)


def test_the_devices_are_listed_by_a_child_that_lists_a_cpu() -> None:
    found = hardware.list_devices()
    (cpu,) = [device for device in found if device.kind == "cpu"]
    assert cpu.backend == "CPU" and cpu.total_bytes > GIB // 4
    assert 0 <= cpu.free_bytes <= cpu.total_bytes


def scripted(monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    monkeypatch.setattr(hardware, "_COMMAND", (sys.executable, "-c", code))


@pytest.mark.parametrize(
    "code, reason",
    [
        ("raise SystemExit('libcuda.so.1: no such file')", "libcuda.so.1: no such file"),
        ("raise SystemExit(3)", "exit code 3"),
        ("import os; os.abort()", "exit code -6"),
        ("import sys; print('one\\ntwo', file=sys.stderr); sys.exit(1)", "two"),
    ],
)
def test_a_child_that_fails_is_an_error_with_its_reason(
    monkeypatch: pytest.MonkeyPatch, code: str, reason: str
) -> None:
    scripted(monkeypatch, code)
    with pytest.raises(EngineCrashed) as caught:
        hardware.list_devices()
    assert reason in caught.value.message and caught.value.hint


@pytest.mark.parametrize("said", ["", "hello", "[1, 2]", '[{"name": "GPU0"}]', '{"gpus": []}'])
def test_a_child_that_prints_nonsense_is_an_error(
    monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    scripted(monkeypatch, f"print({said!r})")
    with pytest.raises(EngineCrashed, match="cannot be read"):
        hardware.list_devices()


def test_a_driver_that_hangs_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, "import time; time.sleep(60)")
    monkeypatch.setattr(hardware, "_TIMEOUT_S", 0.3)
    with pytest.raises(EngineCrashed, match="did not list its devices"):
        hardware.list_devices()


def test_the_list_of_devices_is_a_program() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "tierchat.engine.devices"], capture_output=True, check=True
    )
    assert found.stdout.startswith(b"[{")
