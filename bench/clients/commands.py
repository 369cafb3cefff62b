"""Programs that are started from a shell: the `llm` command, and `lm-eval` on public tasks.

Does not know what they send. `lm-eval` fetches its sets from a hub; here its task files get the
same questions from the folder with the public sets.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from calls import TIMEOUT_S, Place, Unmet, call, expect

_NUM_QUESTIONS = 5


def _run(command: list[str], home: Path, place: Place, stdin: str = "") -> str:
    """Run a command of the packages beside this Python and return what it prints."""
    bins = Path(sys.executable).parent
    env = {
        **os.environ,
        "LLM_USER_PATH": str(home),
        "HF_HOME": str(home),
        "HF_DATASETS_OFFLINE": "1",
        "HF_HUB_OFFLINE": "1",
        "TIERCHAT_KEY_FOR_LLM": place.key,
        "OPENAI_API_KEY": place.key,
    }
    done = subprocess.run(
        [str(bins / command[0]), *command[1:]],
        capture_output=True,
        text=True,
        input=stdin,
        env=env,
        timeout=3 * TIMEOUT_S,
        check=False,
    )
    expect(done.returncode == 0, done.stderr[-160:])
    return done.stdout


def _llm(place: Place, *runs: list[str], stdin: str = "") -> list[str]:
    """Run `llm` with this place as its model `nest`, several times with one log."""
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        model = {
            "model_id": "nest",
            "model_name": place.model,
            "api_base": place.v1,
            "api_key_name": "nest",
            "supports_tools": True,
            "supports_schema": True,
        }
        # JSON is YAML.
        (home / "extra-openai-models.yaml").write_text(json.dumps([model]))
        (home / "keys.json").write_text(json.dumps({"nest": place.key}))
        options = ["-m", "nest", "-o", "temperature", "0", "-o", "max_tokens", "60"]
        return [_run(["llm", *run, *options], home, place, stdin).strip() for run in runs]


@call("llm", "a question")
def _(place: Place) -> object:
    (said,) = _llm(place, ["What is 2+2? Answer with the number only."])
    expect("4" in said, said)
    return said


@call("llm", "a system prompt and a piped text, not streamed")
def _(place: Place) -> object:
    run = ["--no-stream", "-s", "Name the animal in this text. Answer with one word."]
    (said,) = _llm(place, run, stdin="A quick brown fox jumps over the fence.")
    expect("fox" in said.lower(), said)
    return said


@call("llm", "a conversation that goes on")
def _(place: Place) -> object:
    _, said = _llm(
        place,
        ["My name is Marguerite. Remember it."],
        ["-c", "What is my name? Answer with the name only."],
    )
    expect("Marguerite" in said, said)
    return said


@call("llm", "a schema")
def _(place: Place) -> object:
    (said,) = _llm(place, ["--schema", "name, age int", "Extract: Anna is 31 years old."])
    expect(json.loads(said) == {"name": "Anna", "age": 31}, said)
    return said


@call("llm", "a tool, called and answered")
def _(place: Place) -> object:
    code = 'def get_password() -> str:\n    "Returns the password."\n    return "HELIOTROPE"\n'
    question = "What is the password? Use the tool, then say the password."
    (said,) = _llm(place, ["--functions", code, question])
    expect("HELIOTROPE" in said, said)
    return said


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    with file.open(encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _lm_eval(place: Place, task: dict[str, Any], rows: list[dict[str, str]], model: str) -> Any:
    """Run a task of lm-eval on rows of its set; returns its results, and what was answered.

    `task` is what differs from the task file of lm-eval that it includes.
    """
    kind, path = model.split(" ")
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        (home / "set.jsonl").write_text("\n".join(map(json.dumps, rows)))
        files = {"test": str(home / "set.jsonl")}
        task = {
            "task": "public",
            "dataset_path": "json",
            "dataset_name": None,
            "dataset_kwargs": {"data_files": files},
            "test_split": "test",
            "num_fewshot": 0,
            **task,
        }
        # lm-eval knows further tags in its YAML; none is needed here, so JSON will do.
        (home / "public.yaml").write_text(json.dumps(task))
        arguments = [
            *(f"model={place.model}", f"base_url={place.v1}/{path}", "num_concurrent=2"),
            *("max_retries=1", f"timeout={int(TIMEOUT_S)}"),
        ]
        if kind == "local-completions":
            arguments += [*("tokenizer_backend=remote", "tokenized_requests=True")]
            arguments += [f"auth_token={place.key}"]
        command = ["lm_eval", "run", "--model", kind, "--model_args", ",".join(arguments)]
        command += ["--tasks", "public", "--include_path", directory]
        command += ["--output_path", f"{directory}/out", "--log_samples"]
        if kind == "local-chat-completions":
            command += ["--apply_chat_template"]
        _run(command, home, place)
        (found,) = Path(directory, "out").rglob("results_*.json")
        (samples,) = Path(directory, "out").rglob("samples_*.jsonl")
        told = [row["resps"][0][0] for row in _lines(samples)]
        return json.loads(found.read_text())["results"]["public"], told


def _set(place: Place, name: str) -> Iterator[dict[str, Any]]:
    if not place.data:
        raise Unmet("--data names no folder with the public sets")
    return _lines(Path(place.data) / name)


@call("lm-eval", "gsm8k by chat completions: answers are written")
def _(place: Place) -> object:
    rows = [
        {"question": row["prompt"], "answer": f"#### {row['answer']}"}
        for row in _set(place, "gsm8k.jsonl")
    ]
    task = {
        "doc_to_text": "Question: {{question}}\nAnswer:",
        "doc_to_target": "{{answer}}",
        "output_type": "generate_until",
        "generation_kwargs": {"until": ["Question:"], "max_gen_toks": 150, "temperature": 0},
        "metric_list": [
            {
                "metric": "exact_match",
                "regexes_to_ignore": [",", "\\$", "(?s).*#### ", "\\.$"],
                "ignore_case": True,
            }
        ],
        "filter_list": [
            {
                "name": "flexible-extract",
                "filter": [
                    {
                        "function": "regex",
                        "group_select": -1,
                        "regex_pattern": "(-?[$0-9.,]{2,})|(-?[0-9]+)",
                    },
                    {"function": "take_first"},
                ],
            }
        ],
    }
    model = "local-chat-completions chat/completions"
    found, told = _lm_eval(place, task, rows[:_NUM_QUESTIONS], model)
    right = found["exact_match,flexible-extract"]
    expect(len(told) == _NUM_QUESTIONS, told)
    expect(all(any(letter.isdigit() for letter in one) for one in told), told)
    return f"{right:.2f} of {_NUM_QUESTIONS} right"


@call("lm-eval", "bbh sports_understanding by completions: choices are scored")
def _(place: Place) -> object:
    rows = []
    for row in _set(place, "bbh.jsonl"):
        if row["family"] == "bbh/sports_understanding":
            wanted = re.findall(r"yes|no", row["answer"])[0]
            asked = row["prompt"].removesuffix("\nAnswer yes or no.")
            rows.append({"input": asked, "target": wanted})
    task = {
        "doc_to_text": "Q: {{input}}\nA:",
        "doc_to_target": "{{target}}",
        "doc_to_choice": ["yes", "no"],
        "output_type": "multiple_choice",
        "metric_list": [{"metric": "acc"}],
    }
    model = "local-completions completions"
    found, told = _lm_eval(place, task, rows[: 2 * _NUM_QUESTIONS], model)
    expect(len(told) == 2 * _NUM_QUESTIONS and all(float(one[0]) < 0 for one in told), told)
    expect(len({one[0] for one in told}) > _NUM_QUESTIONS, told)
    return f"{found['acc,none']:.2f} of {2 * _NUM_QUESTIONS} right"
