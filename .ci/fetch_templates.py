"""Fetch the chat templates that come with llama.cpp out of the source of llama-cpp-python (77 MB).

python .ci/fetch_templates.py DIRECTORY

Without a network it says so and ends well: the tests that need the templates are skipped then.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path, PurePath

_PACKAGE = "llama-cpp-python==0.3.36"
_PLACE = "vendor/llama.cpp/models/templates/"


def main(folder: Path) -> None:
    if list(folder.glob("*.jinja")):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        archive = _download(Path(place))
        if archive is None:
            print("llama.cpp's chat templates could not be fetched", file=sys.stderr)
            return
        with tarfile.open(archive) as source:
            for member in source:
                if _PLACE in member.name and member.name.endswith(".jinja"):
                    file = source.extractfile(member)
                    assert file is not None
                    (folder / PurePath(member.name).name).write_bytes(file.read())


def _download(place: Path) -> Path | None:
    pip = (sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(place))
    only_source = ("--no-binary", "llama-cpp-python")
    # pip asks the package's build backend for its metadata; either way may be out of reach.
    for way in ((), ("--no-build-isolation",)):
        subprocess.run([*pip, *only_source, *way, _PACKAGE], check=False)
        found = list(place.glob("llama_cpp_python*.tar.gz"))
        if found:
            return found[0]
    return None


if __name__ == "__main__":
    main(Path(sys.argv[1]))
