"""Splits a GGUF into parts, as llama.cpp does: `python tests/split_gguf.py FILE FOLDER N`.

Does not know models; the keys and the bytes of the tensors are copied as they are.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import gguf


def split(source: Path, folder: Path, num_parts: int = 3, stem: str = "") -> tuple[Path, ...]:
    """Write the parts of a model into a folder; returns their paths, the first part first."""
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    each = math.ceil(len(reader.tensors) / num_parts)
    before = folder / (stem or source.stem)
    writer = gguf.GGUFWriter(
        before.with_name(f"{before.name}.gguf"), architecture, split_max_tensors=each
    )
    for key, field in reader.fields.items():
        if key == "general.architecture" or key.startswith("GGUF."):
            continue
        inner = field.types[1] if len(field.types) > 1 else None
        writer.add_key_value(key, field.contents(), field.types[0], inner)
    for tensor in reader.tensors:
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = tuple(sorted(folder.glob(f"{before.name}-?????-of-?????.gguf")))
    assert len(found) == num_parts, found
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("num_parts", type=int)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for path in split(options.file, options.folder, options.num_parts):
        print(path)
