"""Shared fixtures: the bundled models, loaded once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import tierchat
from tierchat.engine.llama import LlamaLog, LlamaModel


@pytest.fixture(scope="session")
def models_dir() -> Path:
    return Path(tierchat.__file__).parent / "pocket" / "models"


@pytest.fixture(scope="session")
def llama_log() -> LlamaLog:
    return LlamaLog()


@pytest.fixture(scope="session")
def pocket_s(models_dir: Path, llama_log: LlamaLog) -> Iterator[LlamaModel]:
    model = LlamaModel(models_dir / "pocket-s.gguf", llama_log)
    yield model
    model.close()
