"""Daemon or client killed at random moments, many times: what was acknowledged is there."""

from __future__ import annotations

import json
import random
import signal
import sqlite3
import subprocess
import time

import pytest

from tests.conftest import UserHome, wait_until
from tierchat.conversations.reader import LogReader

NUM_KILLS = 120


@pytest.mark.slow
def test_120_kills_lose_nothing_that_was_acknowledged(home: UserHome) -> None:
    rng = random.Random(4)
    daemon = home.start_scripted("40", "0.005")
    acknowledged: dict[str, str] = {}
    num_asked = 0
    for number in range(NUM_KILLS):
        kills_daemon = number % 2 == 0
        going_on = ["-c"] if acknowledged else []
        clients = [
            subprocess.Popen(
                home.command("ask", "--json", *going_on, f"kill {number}.{k}"),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=dict(home.env),
            )
            for k in range(2)
        ]
        num_asked += 2
        time.sleep(rng.uniform(0.0, 0.7))
        victim = daemon if kills_daemon else clients[0]
        victim.send_signal(signal.SIGKILL)
        if kills_daemon:
            daemon.wait()
            # A client that finds no daemon would start the real one.
            for client in clients:
                client.kill()
        for client in clients:
            said = client.communicate(timeout=30)[0]
            if said.strip():
                outcome = json.loads(said)
                acknowledged[outcome["exchange_id"]] = outcome["answer"]
        home.client.stop()
        daemon = home.start_scripted("40", "0.005")
    home.run("ask", "the last one")
    wait_until(lambda: not _states(home).get("running"))
    db = sqlite3.connect(home.paths.log_file)
    assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.execute("INSERT INTO exchanges_text (exchanges_text) VALUES ('integrity-check')")
    found = {
        exchange.id: exchange
        for row in LogReader(home.paths.log_file).conversations(1000)
        for exchange in LogReader(home.paths.log_file).exchanges(row.id, with_hidden=True)
    }
    assert len(acknowledged) > 20
    for id, answer in acknowledged.items():
        assert found[id].state == "done" and found[id].answer == answer
    whole = "".join(f"{n} " for n in range(40))
    for exchange in found.values():
        if exchange.state == "done":
            assert exchange.answer == whole
        else:
            # A daemon that is stopped in good order says that it could not finish.
            assert exchange.state in ("interrupted", "lost", "failed")
            assert whole.startswith(exchange.answer)
    states = _states(home)
    assert states.get("lost") and states.get("interrupted"), states
    print(f"{num_asked} asked, {len(acknowledged)} acknowledged, in the log: {states}")


def _states(home: UserHome) -> dict[str, int]:
    db = sqlite3.connect(f"file:{home.paths.log_file}?mode=ro", uri=True)
    return dict(db.execute("SELECT state, count(*) FROM exchanges GROUP BY state").fetchall())
