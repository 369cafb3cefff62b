"""Requests made from the endpoint's own description: none of them may be a server error.

    pip install schemathesis
    python bench/fuzz_api.py [--cases 3000] [--seed 1] [--with-control]

Starts a daemon in a home of its own, lets it serve the bundled models on a free port, and runs
schemathesis against /openapi.json: requests that keep to the description and such that do not.
Prints what schemathesis says, the number of requests by status, and whether the daemon is the
same process as before. Fails on any status of 500 and above, and if the daemon ended; but 504 is
the answer to a request whose own `timeout_s` is over. The routes that load, unload and stop things
are left out unless --with-control is given; those that stop the daemon or move it always are.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

# A short context, since half of the requests let a model write until it is full.
SETTINGS = 'cascade = "pocket"\ncontext = 256\nteach = false\nmax_waiting = 1000\n'
EXPECTED = [*(f"{hundreds}xx" for hundreds in range(2, 5)), 504]
NEVER = ("/tierchat/shutdown", "/tierchat/serve", "/tierchat/unserve")


def tierchat(home: Path, *arguments: str) -> str:
    """Run a command of a home and return its output."""
    done = subprocess.run(
        [sys.executable, "-m", "tierchat", *arguments],
        env={**os.environ, "TIERCHAT_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def fuzz(url: str, arguments: argparse.Namespace, report: Path) -> int:
    """Run schemathesis and return its exit code."""
    config = report.with_name("schemathesis.toml")
    config.write_text(f"[checks.not_a_server_error]\nexpected-statuses = {json.dumps(EXPECTED)}\n")
    command = [
        *(
            str(Path(arguments.schemathesis).resolve()),
            "--config-file",
            str(config),
            "run",
            f"{url}/openapi.json",
        ),
        *("--checks", "not_a_server_error", "--continue-on-failure", "--no-color"),
        # The first phase makes about two thousand requests by itself.
        *("--phases", "coverage,fuzzing", "--max-examples", str(arguments.cases // 30)),
        *("--seed", str(arguments.seed), "--request-timeout", "60", "--warnings", "off"),
        *("--generation-allow-x00", "true", "--suppress-health-check", "all"),
        *("--report", "ndjson", "--report-ndjson-path", str(report)),
    ]
    left_out = NEVER if arguments.with_control else (*NEVER, "/tierchat/")
    for path in left_out:
        command += ["--exclude-path-regex", f"^{path}"]
    # schemathesis keeps what it found in the folder where it runs.
    return subprocess.run(command, check=False, cwd=report.parent).returncode


def statuses(report: Path) -> Counter[int]:
    """Count the statuses of all replies in a report."""
    found: Counter[int] = Counter()

    def count(value: object) -> None:
        if isinstance(value, dict):
            if isinstance(value.get("status_code"), int) and "headers" in value:
                found[value["status_code"]] += 1
            for inner in value.values():
                count(inner)
        elif isinstance(value, list):
            for inner in value:
                count(inner)

    with report.open(encoding="utf-8") as lines:
        for line in lines:
            count(json.loads(line))
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=3000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--with-control", action="store_true")
    parser.add_argument("--schemathesis", default=shutil.which("schemathesis"))
    arguments = parser.parse_args()
    if not arguments.schemathesis:
        print("schemathesis is not installed: pip install schemathesis", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="tc") as directory:
        home = Path(directory)
        (home / "config").mkdir()
        (home / "config" / "config.toml").write_text(SETTINGS)
        try:
            listening = tierchat(home, "serve", "--background", "--no-key", "--port", "0", "--json")
            url = json.loads(listening.splitlines()[0])["url"].removesuffix("/v1")
            before = tierchat(home, "daemon", "status", "--json")
            report = home / "report.ndjson"
            code = fuzz(url, arguments, report)
            after = tierchat(home, "daemon", "status", "--json")
        finally:
            subprocess.run(
                [sys.executable, "-m", "tierchat", "daemon", "down"],
                env={**os.environ, "TIERCHAT_HOME": directory},
                stdout=subprocess.DEVNULL,
                check=False,
            )
        is_same = json.loads(before)["pid"] == json.loads(after)["pid"]
        counted = statuses(report)
    print(json.dumps({"requests": counted.total(), "by_status": dict(sorted(counted.items()))}))
    print(f"the daemon {'is the same process' if is_same else 'ended and was started again'}")
    has_failed = any(status >= 500 and status != 504 for status in counted)
    return 1 if code or has_failed or not is_same else 0


if __name__ == "__main__":
    sys.exit(main())
