"""Checks of `doctor` that fail: the child process is real, the llama_cpp that it imports is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import UserHome
from tests.trapping import quirks_here, trapping_env
from tierchat.cli.actions import doctor
from tierchat.cli.actions.doctor import Finding, examine
from tierchat.config import home as config
from tierchat.models.placement import hardware
from tierchat.workers import quirks


def of_paths(home: UserHome) -> config.Home:
    return config.Home(home.paths, home.env)


def llama_findings(home: UserHome) -> list[Finding]:
    return [finding for finding in examine(of_paths(home)) if finding.name == "llama.cpp"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import os; os.abort()", "exit code -6"),
        ("raise ImportError('no libllama')", "no libllama"),
        ("import time; time.sleep(60)", "did not list its devices within"),
        ("import sys; sys.stderr.buffer.write(b'\\xff bad'); sys.exit(1)", "\ufffd bad"),
    ],
)
def test_a_llama_cpp_that_does_not_load_is_a_finding_and_the_rest_goes_on(
    warm: UserHome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    (tmp_path / "llama_cpp").mkdir()
    (tmp_path / "llama_cpp" / "__init__.py").write_text(source)
    here = str(Path(doctor.__file__).parents[3])
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{here}")
    monkeypatch.setattr(hardware, "_TIMEOUT_S", 2)
    found = list(examine(of_paths(warm)))
    llama = next(finding for finding in found if finding.name == "llama.cpp")
    assert not llama.is_good and said in llama.detail and llama.advice
    assert found[-1].name == "generation" and found[-1].is_good


def test_a_missing_package_is_a_finding(warm: UserHome, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise doctor.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "version", missing)
    found = llama_findings(warm)
    assert len(found) == 1 and not found[0].is_good


@pytest.fixture
def amx(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset({"amx_int8"}))


def cpu_finding(home: UserHome) -> Finding:
    return next(finding for finding in examine(of_paths(home)) if finding.name == "CPU")


def test_a_build_whose_amx_kernels_trap_is_named_with_the_line_that_builds_it_right(
    home: UserHome, amx: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in trapping_env().items():
        monkeypatch.setenv(name, value)
    home.paths.machine_file.unlink(missing_ok=True)
    for _ in range(2):
        found = cpu_finding(home)
        assert found.is_good and "traps in its AMX kernels" in found.detail
        assert 'CXXFLAGS="-fno-tree-dse -fno-dse"' in found.advice
        assert "--no-cache-dir" in found.advice and "llama-cpp-python==" in found.advice


def test_amx_kernels_that_work_are_in_use(home: UserHome, amx: None) -> None:
    quirks_here(home.paths.machine_file)
    if not quirks.MachineQuirks(home.paths.machine_file).uses_extra_buffer_types:
        pytest.skip("this machine's build traps")
    assert "AMX in use" in cpu_finding(home).detail
    assert not home.paths.machine_file.exists()


def test_without_amx_nothing_is_loaded_to_find_out(
    home: UserHome, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hardware, "cpu_flags", lambda: frozenset({"avx2"}))
    monkeypatch.setattr(doctor, "build_pool", None)
    home.paths.machine_file.unlink(missing_ok=True)
    assert "no known trap" in cpu_finding(home).detail
