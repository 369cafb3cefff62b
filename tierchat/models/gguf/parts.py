"""The later parts of a split model: found beside the first, and checked to belong to it.

Does not know vocabularies or what a model needs; the first part has all of that.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tierchat.config.model_parts import MAX_PARTS, missing_part, part_paths
from tierchat.errors import ModelCorrupt
from tierchat.models.gguf.contents import Contents
from tierchat.models.gguf.reader import FETCH_AGAIN

_TOGETHER = "fetch all parts of one model again, into one folder"


def refuse_later_part(path: Path, contents: Contents) -> None:
    """Raise ModelCorrupt for a part of a split model that is not the first."""
    if contents.num_parts > 1 and contents.part:
        first = part_paths(path)[0]
        where = str(first) if first != path else "the part whose name ends in -00001-of-..."
        raise ModelCorrupt(
            f"it is part {contents.part + 1} of {contents.num_parts} of a model", f"name {where}"
        )


def later_parts(
    path: Path, first: Contents, read: Callable[[Path], Contents]
) -> tuple[Contents, ...]:
    """Read the other parts of the model whose first part is at `path`.

    Raises ModelMissing for a part that is not there, ModelCorrupt with the broken rule.
    """
    count = first.num_parts
    if count == 1:
        return ()
    paths = part_paths(path)
    if len(paths) != count:
        most = f"; at most {MAX_PARTS:,} are read" if count > MAX_PARTS else ""
        raise ModelCorrupt(
            f"{path} is the first of {count:,} parts of a model, and not named so{most}",
            f"name it NAME-00001-of-{count:05d}.gguf, the next NAME-00002-of-{count:05d}.gguf, ...",
        )
    found = []
    for index, each in enumerate(paths[1:], 1):
        if not each.exists():
            raise missing_part(each, index + 1, count)
        part = read(each)
        if (part.part, part.num_parts) != (index, count):
            raise ModelCorrupt(
                f"{each} says that it is part {part.part + 1} of {part.num_parts}, "
                f"not part {index + 1} of {count}",
                _TOGETHER,
            )
        found.append(part)
    _check_tensors(path, (first, *found))
    return tuple(found)


def _check_tensors(path: Path, parts: tuple[Contents, ...]) -> None:
    names = [tensor.name for part in parts for tensor in part.tensors]
    if len(set(names)) != len(names):
        raise ModelCorrupt(
            f"the parts of {path} hold a tensor twice: they are not of one model", _TOGETHER
        )
    announced = parts[0].metadata.get("split.tensors.count")
    if not isinstance(announced, int) or isinstance(announced, bool):
        raise ModelCorrupt(f"{path} does not say how many tensors its parts hold", FETCH_AGAIN)
    if announced != len(names):
        raise ModelCorrupt(
            f"the parts of {path} hold {len(names):,} tensors of {announced:,}: they are not of "
            "one model",
            _TOGETHER,
        )
