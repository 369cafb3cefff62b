"""A pool put together for one home: files checked, quirks known, memory planned.

The one way to workers, for the daemon, `add`, `train` and `eval` alike. Does not know what they
are asked.
"""

from __future__ import annotations

from tierchat.config.catalogue import Catalogue
from tierchat.config.settings import Settings
from tierchat.models.gguf.header import CheckedHeaders
from tierchat.models.placement import hardware
from tierchat.models.placement.cascade_plans import CascadePlans
from tierchat.models.verified_files import VerifiedFiles
from tierchat.paths import Paths, make_private
from tierchat.workers.cores import CoreBudget
from tierchat.workers.pool import Pool
from tierchat.workers.quirks import MachineQuirks
from tierchat.workers.speeds import Speeds
from tierchat.workers.starter import Starter


def build_pool(
    catalogue: Catalogue,
    cascade: str,
    paths: Paths,
    settings: Settings,
    *,
    keepalive_s: float,
    headers: CheckedHeaders | None = None,
    speeds: Speeds | None = None,
) -> Pool:
    """Return a pool without workers; its models are planned as those of `cascade` first.

    An idle model stays for `keepalive_s` seconds, for ever if that is negative. `headers` may be
    shared with others who read them. `speeds` are those measured before.
    Raises UnsafePath, UsageError.
    """
    # Where the starter remembers checked files and quirks.
    make_private(paths.state_dir)
    starter = Starter(
        VerifiedFiles(paths.verified_file),
        MachineQuirks(paths.machine_file),
        num_threads=settings.num_threads,
        headers=headers,
    )
    plans = plan_cascades(catalogue, cascade, settings)
    # A person who sets more threads than cores wants them for the worker that is busy alone.
    cores = CoreBudget(max(hardware.num_cores(), settings.num_threads))
    return Pool(
        catalogue.models, starter, keepalive_s=keepalive_s, plans=plans, cores=cores, speeds=speeds
    )


def plan_cascades(catalogue: Catalogue, cascade: str, settings: Settings) -> CascadePlans:
    """Plan the models of a catalogue on this machine; raises UsageError without that cascade."""
    catalogue.find(cascade)
    return CascadePlans(catalogue, cascade, hardware.look, settings.context)
