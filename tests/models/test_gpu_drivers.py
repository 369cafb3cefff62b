"""Which drivers are found, and the command that makes llama.cpp use them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tierchat.models.placement import gpu_drivers, hardware
from tierchat.models.placement.gpu_drivers import Driver, install_line


@pytest.mark.parametrize(
    ("backend", "flag"),
    [("CUDA", "CUDA"), ("Metal", "METAL"), ("ROCm", "HIP"), ("Vulkan", "VULKAN")],
)
def test_every_backend_has_an_install_line(backend: str, flag: str) -> None:
    line = install_line(Driver("some", (backend,)))
    assert f'CMAKE_ARGS="-DGGML_{flag}=on"' in line and "llama-cpp-python" in line


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("NVIDIA UNIX x86_64 Kernel Module  550.54.15  Tue Mar", "NVIDIA 550.54.15"),
        ("NVIDIA UNIX Open Kernel Module for x86_64  580.159.04  Release", "NVIDIA 580.159.04"),
    ],
)
def test_an_nvidia_driver_has_its_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, name: str
) -> None:
    version = tmp_path / "version"
    version.write_text(f"NVRM version: {line}\n")
    monkeypatch.setattr(hardware, "_NVIDIA", version)
    found = gpu_drivers.gpu_drivers()
    assert found[0].name == name and found[0].backends[0] == "CUDA"


def test_a_driver_that_only_plays_a_gpu_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lvp_icd.x86_64.json").touch()
    for name in ("_NVIDIA", "_AMD"):
        module = hardware if name == "_NVIDIA" else gpu_drivers
        monkeypatch.setattr(module, name, tmp_path / "none")
    monkeypatch.setattr(gpu_drivers, "_VULKAN", (tmp_path,))
    assert gpu_drivers.gpu_drivers() == []
    (tmp_path / "intel_icd.x86_64.json").touch()
    assert [driver.backends for driver in gpu_drivers.gpu_drivers()] == [("Vulkan",)]
