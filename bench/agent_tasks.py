"""The tasks of a scripted agent: 30 that are measured, and others that a policy may be tuned on.

Does not know models or policies. Each task has files or tables, needs one to four calls of the
tools of `bench/agent_world.py`, and says how its end is seen: what the last answer says, and what
is in the files then.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from agent_world import World

SYSTEM = (
    "You are an assistant with tools. Work in steps: call one tool, read its result, then call the "
    "next one. When all steps are done, say the result in one short sentence."
)
# Small models forget what is left to do once they have read a result.
_REMINDER = "\n\nThe task: {asked}\nIf a step is left, call the next tool. If not, say the result."


@dataclass(frozen=True)
class Task:
    """What is asked in which world, and how the end is seen.

    The last answer `says` all of these texts, letter case and separators of thousands ignored;
    `files` match these regular expressions, blanks around them ignored; `gone` files do not exist.
    """

    asked: str
    calls: int
    files: Mapping[str, str] = field(default_factory=dict)
    tables: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    leaves: Mapping[str, str] = field(default_factory=dict)
    gone: tuple[str, ...] = ()

    def reported(self, result: str) -> str:
        """Return a result of a tool as the agent reports it to the model."""
        return result + _REMINDER.format(asked=self.asked)

    def world(self) -> World:
        return World(dict(self.files), self.tables)

    def is_done(self, world: World, answer: str) -> bool:
        """Whether a world and the last answer are as they should be, other files unchanged."""
        said = re.sub(r"(?<=\d),(?=\d{3})", "", answer.casefold())
        if not all(text.casefold() in said for text in self.says):
            return False
        if any(path in world.files for path in self.gone):
            return False
        for path, wanted in self.leaves.items():
            if not re.fullmatch(wanted, world.files.get(path, "").strip(), re.DOTALL):
                return False
        kept = {path: text for path, text in self.files.items() if path not in self.gone}
        return all(world.files.get(p) == text for p, text in kept.items() if p not in self.leaves)


_PRICES = {"prices": {"lamp": "34.50", "chair": "129.00", "desk": "249.90", "shelf": "79.95"}}
_STOCK = {"stock": {"lamp": "12", "chair": "0", "desk": "3", "shelf": "41"}}
_STAFF = {
    "phones": {"Anna Keller": "0221-5501", "Ben Okafor": "0221-5517", "Carla Ruiz": "0221-5533"},
    "rooms": {"Anna Keller": "B204", "Ben Okafor": "A017", "Carla Ruiz": "C310"},
}
_SERVER = {
    "server.ini": "\n".join(
        f"[{name}]\nhost = {name}.example.org\nport = {port}\ntimeout = {timeout}\n"
        for name, port, timeout in (("mail", 2525, 30), ("web", 8443, 75), ("cache", 6380, 12),
                                    ("queue", 5673, 90), ("search", 9201, 45))
    )
}  # fmt: skip
_LOG = {
    "server.log": "\n".join(
        f"10:{minute} {text}"
        for minute, text in (
            (31, "started"), (33, "user 14 logged in"), (34, "page /home served in 12 ms"),
            (36, "page /shop served in 48 ms"), (38, "user 9 logged in"), (39, "cache cleared"),
            (41, "page /home served in 11 ms"), (42, "upload failed: the disk is full"),
            (44, "page /cart served in 31 ms"), (47, "user 14 logged out"), (49, "stopped"),
        )
    )
}  # fmt: skip
_INVOICE = {
    "invoice.txt": "Invoice 2026-117\n"
    + "\n".join(
        f"{count} x {what} at {price}.00: {count * price}.00"
        for count, what, price in (
            (2, "keyboard", 45), (1, "monitor", 280), (4, "cable", 9), (3, "mouse", 22),
            (2, "headset", 61), (1, "webcam", 74), (5, "adapter", 14), (2, "stand", 31),
        )
    )
    + "\nTotal: 800.00\nTo be paid within 14 days"
}  # fmt: skip
_MANY = {
    f"{folder}/{name}": "x"
    for folder in ("docs", "photos", "src")
    for name in ("a1.md", "b2.md", "index.html", "old.zip", "readme.txt", "test_all.py", "x.csv")
}
_CONFIG = {"config.ini": "host = localhost\nport = 8080\ndebug = true\n"}
_SALES = {"north.txt": "1250", "south.txt": "980", "east.txt": "1405"}

# Nothing may be tuned on these.
MEASURED = (
    # One call.
    Task("Calculate 487 * 36.", 1, says=("17532",)),
    Task("What is the date today?", 1, says=("14",)),
    Task("Read the file config.ini. Which port does it set?", 1, _CONFIG, says=("8080",)),
    Task("What does the desk cost? Look in the table prices.", 1, tables=_PRICES, says=("249.90",)),
    Task("List the files. In which folder is plan.md?", 1, {**_MANY, "src/plan.md": "x"},
         says=("src",)),
    Task("Create the file hello.txt with the text Hello, world!", 1,
         leaves={"hello.txt": r"Hello, world!"}),
    Task("Delete old.log.", 1, {"old.log": "x", "new.log": "y"}, gone=("old.log",)),
    Task("Which file mentions the word invoice?", 1,
         {"a.txt": "lunch at noon", "b.txt": "send the invoice", "c.txt": "call Bob"},
         says=("b.txt",)),
    Task("Прочитай файл server.ini. Какой порт у cache?", 1, _SERVER, says=("6380",)),
    Task("Read server.log. What went wrong at 10:42?", 1, _LOG, says=("disk",)),
    # Two calls.
    Task("Read a.txt, then read b.txt. How much larger is the number in a.txt?", 3,
         {"a.txt": "4812", "b.txt": "4182"}, says=("630",)),
    Task("Read notes.txt, then write the same content to backup.txt.", 2,
         {"notes.txt": "milk\neggs\nflour"}, leaves={"backup.txt": "milk\neggs\nflour"}),
    Task("Read config.ini, then write it again with the port 9090 and all else as it was.", 2,
         _CONFIG, leaves={"config.ini": "host = localhost\nport = 9090\ndebug = true"}),
    Task("Look up Ben Okafor in the table phones, then write his number to ben.txt.", 2,
         tables=_STAFF, leaves={"ben.txt": r".*0221-5517.*"}),
    Task("Ask for today's date, then say how many days it is until 2026-03-31.", 1, says=("17",)),
    Task("Look up lamp in the table prices, then calculate what 7 lamps cost.", 2, tables=_PRICES,
         says=("241.5",)),
    Task("Read invoice.txt, then calculate 19 percent of its total.", 2, _INVOICE, says=("152",)),
    Task("Ask for today's date, then write it to date.txt.", 2,
         leaves={"date.txt": r".*2026-03-14.*"}),
    Task("Search the files for Tokyo, then delete the file that mentions it.", 2,
         {"x.txt": "Paris in May", "y.txt": "Tokyo in June", "z.txt": "Rome in July"},
         gone=("y.txt",)),
    Task("Read list.txt, then write it again with the line bread added at the end.", 2,
         {"list.txt": "milk\neggs"}, leaves={"list.txt": r"milk\neggs\nbread"}),
    # Three and four calls.
    Task("Read draft.txt, write its content to final.txt, then delete draft.txt.", 3,
         {"draft.txt": "The garden is open on Sunday."},
         leaves={"final.txt": r"The garden is open on Sunday\."}, gone=("draft.txt",)),
    Task("Read report.txt and say its total. If it is not there, list the files first.", 3,
         {**_MANY, "docs/report.txt": "items 14\ntotal 512"}, says=("512",)),
    Task("Read north.txt, then south.txt, then east.txt, then calculate the sum of the numbers.", 4,
         _SALES, says=("3635",)),
    Task("Look up shelf in the table prices, then desk, then calculate the price of both.", 3,
         tables=_PRICES, says=("329.85",)),
    Task("Look up chair in the table prices and in the table stock, then write both to chair.txt.",
         3, tables={**_PRICES, **_STOCK}, leaves={"chair.txt": r".*129.*\b0\b.*"}),
    Task("Look up desk in the table stock, then in the table prices, then multiply the two.", 3,
         tables={**_PRICES, **_STOCK}, says=("749.7",)),
    Task("Read width.txt, read height.txt, calculate the area and write it to area.txt.", 4,
         {"width.txt": "34", "height.txt": "27"}, leaves={"area.txt": r".*\b918\b.*"}),
    Task("List the files, then delete every file that ends in .tmp.", 3,
         {"a.tmp": "1", "b.txt": "2", "c.tmp": "3", "d.md": "4"}, gone=("a.tmp", "c.tmp")),
    Task("Look up Anna Keller in the table rooms, then Ben Okafor, then write both rooms to"
         " team.txt.", 3, tables=_STAFF, leaves={"team.txt": r".*B204.*A017.*"}),
    Task("Read order.txt, look up what it names in the table prices, then write the price to"
         " price.txt.", 3, {"order.txt": "shelf"}, tables=_PRICES,
         leaves={"price.txt": r".*79\.95.*"}),
)  # fmt: skip

_CITIES = {
    "people": {"Bonn": "336465", "Ulm": "126949", "Jena": "111191"},
    "mayors": {"Bonn": "Guido", "Ulm": "Martin", "Jena": "Thomas"},
}
_HOURS = {"hours": {"library": "9 to 19", "museum": "10 to 17", "pool": "7 to 21"}}

# A policy may be tuned on these.
TUNED = (
    Task("Calculate 1234 + 8766 * 2.", 1, says=("18766",)),
    Task("Read server.ini. What is the timeout of web?", 1, _SERVER, says=("75",)),
    Task("How many people live in Ulm? Look in the table people.", 1, tables=_CITIES,
         says=("126949",)),
    Task("Save the text buy stamps in the file memo.txt.", 1, leaves={"memo.txt": "buy stamps"}),
    Task("Найди в файлах слово отпуск и назови файл.", 1,
         {"a.txt": "план на отпуск", "b.txt": "список покупок"}, says=("a.txt",)),
    Task("Read server.log. Who logged in at 10:38?", 1, _LOG, says=("user 9",)),
    Task("Read p.txt, then q.txt. What is the first number minus the second?", 3,
         {"p.txt": "977", "q.txt": "93"}, says=("884",)),
    Task("Read settings.txt, then write it again with the color blue and the same size.", 2,
         {"settings.txt": "size = 3\ncolor = red"},
         leaves={"settings.txt": "size = 3\ncolor = blue"}),
    Task("Look up Jena in the table mayors, then write the name to mayor.txt.", 2, tables=_CITIES,
         leaves={"mayor.txt": r".*Thomas.*"}),
    Task("Look up Bonn and Ulm in the table people, then calculate the difference.", 3,
         tables=_CITIES, says=("209516",)),
    Task("Read invoice.txt, then calculate what headsets and cables cost together.", 2, _INVOICE,
         says=("158",)),
    Task("Read a.txt, write its content to b.txt, then delete a.txt.", 3,
         {"a.txt": "stars at night"}, leaves={"b.txt": "stars at night"}, gone=("a.txt",)),
    Task("Search the files for Oslo, then write the line that you find to oslo.txt.", 2,
         {"trip.txt": "Bergen 3 days\nOslo 2 days", "x.txt": "none"},
         leaves={"oslo.txt": r".*Oslo 2 days.*"}),
    Task("Read code.txt and say the code. If it is not there, list the files first.", 3,
         {**_MANY, "src/code.txt": "the code is X7-Q"}, says=("X7-Q",)),
    Task("Read k.txt, look up what it names in the table hours, then write the hours to open.txt.",
         3, {"k.txt": "pool"}, tables=_HOURS, leaves={"open.txt": r".*7 to 21.*"}),
    Task("Ask for today's date, then say which year it is.", 1, says=("2026",)),
)  # fmt: skip
