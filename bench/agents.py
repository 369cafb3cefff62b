"""Coding agents against the endpoint: one edit of a file, checked by running the file.

    npm install --prefix DIR @openai/codex @anthropic-ai/claude-code @continuedev/cli opencode-ai
    npm install --prefix DIR @qwen-code/qwen-code @mariozechner/pi-coding-agent
    pip install aider-chat
    PYTHONPATH=. python bench/agents.py --scripted --bin DIR/node_modules/.bin --bin VENV/bin
    python bench/agents.py --model coder --key "$TIERCHAT_KEY" --only pi --bin DIR/node_modules/.bin

Every agent that is found gets a home of its own and a repository in which add() subtracts, and is
asked to mend it; whatever it does there it does without being asked again. With --scripted no model
answers: the daemon of `bench/scripted_model.py` calls the agent's own shell, or writes the file for
an agent without tools. That shows whether requests are taken and a round of call and result comes
through, and how much an agent sends. Otherwise the models of --model answer.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.request import urlopen

CALC = '''"""Small sums."""


def add(a, b):
    return a - b


def double(number):
    return 2 * number
'''
TASK = "In calc.py, add() subtracts. Fix the bug in add()."
CHECK = "import calc; assert (calc.add(2, 3), calc.double(4)) == (5, 8)"
_SERVER_STARTS_S = 60.0


@dataclass(frozen=True)
class Agent:
    """How an agent is told where the models are, and asked for one task without a dialogue.

    In all texts {url}, {key}, {model} and {task} stand for what they say; `files` are written into
    its home, those of `project` into the repository.
    """

    command: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    project: dict[str, str] = field(default_factory=dict)


CODEX = """model = "{model}"
model_provider = "tierchat"

[model_providers.tierchat]
name = "tierchat"
base_url = "{url}/v1"
env_key = "TIERCHAT_KEY"
wire_api = "responses"
"""
CONTINUE = """name: tierchat
version: 0.0.1
schema: v1
models:
  - name: tierchat
    provider: openai
    model: {model}
    apiBase: {url}/v1
    apiKey: {key}
    roles: [chat, edit]
"""
OPENCODE = {
    "provider": {
        "tierchat": {
            "npm": "@ai-sdk/openai-compatible",
            "name": "tierchat",
            "options": {"baseURL": "{url}/v1", "apiKey": "{key}"},
            "models": {"{model}": {}},
        }
    }
}
PI = {
    "providers": {
        "tierchat": {
            "baseUrl": "{url}/v1",
            "api": "openai-completions",
            "apiKey": "TIERCHAT_KEY",
            "models": [{"id": "{model}", "contextWindow": 32768, "maxTokens": 1024}],
        }
    }
}
OPENAI = {"OPENAI_BASE_URL": "{url}/v1", "OPENAI_API_KEY": "{key}", "OPENAI_MODEL": "{model}"}
AGENTS = {
    "aider": Agent(
        (
            *("aider", "--model", "openai/{model}", "--edit-format", "whole", "--yes-always"),
            *("--no-check-update", "--no-show-model-warnings", "--no-analytics"),
            *("--no-auto-commits", "--timeout", "3600", "--message", "{task}", "calc.py"),
        ),
        {"OPENAI_API_BASE": "{url}/v1", "OPENAI_API_KEY": "{key}"},
    ),
    "claude": Agent(
        ("claude", "-p", "{task}", "--allowedTools", "Bash(sed:*)", "Edit", "Read"),
        {
            "ANTHROPIC_BASE_URL": "{url}",
            "ANTHROPIC_AUTH_TOKEN": "{key}",
            "ANTHROPIC_MODEL": "{model}",
            "ANTHROPIC_SMALL_FAST_MODEL": "{model}",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
    ),
    "cn": Agent(
        ("cn", "--config", "{home}/config.yaml", "--auto", "-p", "{task}"),
        files={"config.yaml": CONTINUE},
    ),
    "codex": Agent(
        ("codex", "exec", "--dangerously-bypass-approvals-and-sandbox", "{task}"),
        {"TIERCHAT_KEY": "{key}"},
        files={".codex/config.toml": CODEX},
    ),
    "opencode": Agent(
        ("opencode", "run", "-m", "tierchat/{model}", "{task}"),
        project={"opencode.json": json.dumps(OPENCODE)},
    ),
    "pi": Agent(
        ("pi", "--provider", "tierchat", "--model", "{model}", "-p", "{task}"),
        {"PI_OFFLINE": "1", "TIERCHAT_KEY": "{key}"},
        files={".pi/agent/models.json": json.dumps(PI)},
    ),
    "qwen": Agent(("qwen", "--yolo", "-p", "{task}"), OPENAI),
}


@dataclass(frozen=True)
class Edit:
    """What an agent did: whether add() adds now, what it changed, what it said last."""

    is_right: bool
    diff: str
    said: str
    seconds: float


def edit(agent: Agent, path: str, words: dict[str, str], timeout_s: float) -> Edit:
    """Let an agent mend add() in a repository of its own."""
    with tempfile.TemporaryDirectory(prefix="agent") as directory:
        home, project = Path(directory, "home"), Path(directory, "project")
        words = {**words, "home": str(home)}
        project.mkdir()
        home.mkdir()
        (project / "calc.py").write_text(CALC)
        git = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@localhost"]
        for words_of_git in (["init", "-q"], ["add", "."], ["commit", "-qm", "Begin"]):
            subprocess.run([*git, *words_of_git], check=True)
        for where, texts in ((home, agent.files), (project, agent.project)):
            for name, text in texts.items():
                (where / name).parent.mkdir(parents=True, exist_ok=True)
                (where / name).write_text(_filled(text, words))
        # opencode asks the variable where it is.
        env = {**os.environ, "HOME": str(home), "PATH": path, "PWD": str(project)}
        env |= {name: _filled(value, words) for name, value in agent.env.items()}
        began_s = time.monotonic()
        try:
            done = subprocess.run(
                [_filled(word, words) for word in agent.command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=project,
                env=env,
                timeout=timeout_s,
                check=False,
            )
            said = done.stdout.decode(errors="replace").strip()
        except subprocess.TimeoutExpired:
            said = f"no end within {timeout_s:.0f} s"
        seconds = time.monotonic() - began_s
        diff = subprocess.run([*git, "diff"], check=True, capture_output=True, text=True).stdout
        check = [sys.executable, "-c", CHECK]
        checked = subprocess.run(check, cwd=project, capture_output=True, check=False)
        return Edit(checked.returncode == 0, diff, said, seconds)


def _filled(text: str, words: dict[str, str]) -> str:
    for name, value in words.items():
        text = text.replace("{" + name + "}", value)
    return text


def version(name: str, path: str) -> str:
    """Return what an agent calls its version."""
    done = subprocess.run(
        [name, "--version"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": path},
        check=False,
    )
    lines = f"{done.stdout}{done.stderr}".split("\n")
    return next((line.strip() for line in lines if line.strip()), "of unknown version")


@contextmanager
def scripted(log: Path) -> Iterator[str]:
    """Run a daemon whose answers are scripted; yields its address."""
    with tempfile.TemporaryDirectory(prefix="tc") as directory:
        home, port = Path(directory), 8490
        (home / "config").mkdir()
        lines = ["serve = true", "serve_no_key = true", f"serve_port = {port}"]
        (home / "config" / "config.toml").write_text("\n".join(lines) + "\n")
        script = Path(__file__).with_name("scripted_model.py")
        env = {**os.environ, "TIERCHAT_HOME": directory}
        daemon = subprocess.Popen([sys.executable, str(script), str(log)], env=env)
        try:
            url = f"http://127.0.0.1:{port}"
            until_s = time.monotonic() + _SERVER_STARTS_S
            while True:
                try:
                    urlopen(f"{url}/healthz", timeout=5).close()
                    break
                except OSError:
                    if daemon.poll() is not None or time.monotonic() > until_s:
                        raise
                    time.sleep(0.2)
            yield url
        finally:
            daemon.terminate()
            daemon.wait()


def requests(log: Path) -> str:
    """Say what was asked since the log was emptied, and empty it."""
    lines = log.read_text().splitlines() if log.exists() else []
    log.write_text("")
    sizes = [json.loads(line)["chars"] for line in lines]
    return f", {len(sizes)} requests, the largest of {max(sizes):,} characters" if sizes else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--bin", action="append", default=[], help="a folder with agents")
    parser.add_argument("--only", nargs="*", default=list(AGENTS), choices=AGENTS)
    parser.add_argument("--scripted", action="store_true", help="no model, a script")
    parser.add_argument("--url", default="http://127.0.0.1:8421", help="address, without /v1")
    parser.add_argument("--model", default="coder")
    parser.add_argument("--key", default=os.environ.get("TIERCHAT_KEY", ""))
    parser.add_argument("--timeout", type=float, default=1800.0, help="seconds for one agent")
    given = parser.parse_args()
    folders = [str(Path(name).resolve()) for name in given.bin]
    path = os.pathsep.join([*folders, os.environ.get("PATH", "")])
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory, "log")
        served = scripted(log) if given.scripted else _there(given.url)
        with served as url:
            words = {"url": url, "key": given.key or "no-key-is-asked-for"}
            words |= {"model": given.model, "task": TASK}
            for name in given.only:
                if not shutil.which(name, path=path):
                    print(f"{name}: is not installed")
                    continue
                made = edit(AGENTS[name], path, words, given.timeout)
                failed += not made.is_right
                verdict = "add() adds" if made.is_right else "add() does not add"
                print(f"{name} {version(name, path)}: {verdict}, {made.seconds:.0f} s", end="")
                print(requests(log), flush=True)
                print(made.diff if made.diff else f"  said: {made.said[-400:]}", flush=True)
    return 1 if failed else 0


@contextmanager
def _there(url: str) -> Iterator[str]:
    yield url.rstrip("/")


if __name__ == "__main__":
    sys.exit(main())
