"""Checks that find something: the child that asks llama.cpp is real, what it imports is not."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Home
from tierchat.cli.actions import doctor
from tierchat.cli.actions.doctor import Finding, examine
from tierchat.models.placement import hardware


def llama_findings(home: Home) -> list[Finding]:
    return [finding for finding in examine(home.paths) if finding.name == "llama.cpp"]


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
    warm: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, said: str
) -> None:
    (tmp_path / "llama_cpp").mkdir()
    (tmp_path / "llama_cpp" / "__init__.py").write_text(source)
    here = str(Path(doctor.__file__).parents[3])
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{here}")
    monkeypatch.setattr(hardware, "_TIMEOUT_S", 2)
    found = list(examine(warm.paths))
    llama = next(finding for finding in found if finding.name == "llama.cpp")
    assert not llama.is_good and said in llama.detail and llama.advice
    assert found[-1].name == "generation" and found[-1].is_good


def test_a_missing_package_is_a_finding(warm: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> str:
        raise doctor.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "version", missing)
    found = llama_findings(warm)
    assert len(found) == 1 and not found[0].is_good
