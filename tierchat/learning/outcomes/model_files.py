"""A cascade over model files that are in no catalogue, such as models that were just trained.

Does not know prompts or what the models are asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from tierchat.config.catalogue import CascadeSpec, Catalogue, ModelSpec, TierSpec
from tierchat.config.settings import Settings
from tierchat.learning.outcomes.work import Work, work_of, workers_of
from tierchat.paths import Paths
from tierchat.types import Sampling
from tierchat.workers.pool import Pool

_CASCADE = "files"


def work_of_files(files: Mapping[str, Path], paths: Paths, max_tokens: int) -> Work:
    """Make each file a tier of its own name, cheapest first; raises ModelMissing."""
    catalogue = _catalogue(files, max_tokens)
    return work_of(catalogue.cascades[_CASCADE], catalogue, paths)


def workers_of_files(files: Mapping[str, Path], paths: Paths) -> AbstractAsyncContextManager[Pool]:
    """Hold workers for the files, by the same names, and end them afterwards.

    What `paths` know of this machine counts; the user's settings do not.
    """
    return workers_of(_catalogue(files), _CASCADE, paths, Settings())


def _catalogue(files: Mapping[str, Path], max_tokens: int | None = None) -> Catalogue:
    sampling = Sampling(max_tokens=max_tokens)
    tiers = tuple(
        TierSpec(name=name, model=name, gate="token", sampling=sampling) for name in files
    )
    models = {name: ModelSpec(file=str(path.absolute())) for name, path in files.items()}
    return Catalogue(models=models, cascades={_CASCADE: CascadeSpec(tiers=tiers)})
