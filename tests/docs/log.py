"""A tutorial shows what three commands make of an nginx log: this makes the log, and runs them.

python -m tests.docs.log      runs the commands of the tutorial and rewrites their output
"""

from __future__ import annotations

import random
import re
import shlex
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.docs.readme import printed
from tests.docs.tables import ROOT

PAGE = ROOT / "docs" / "tutorials" / "nginx.md"
PLACE = re.compile(r"(<!-- excerpt of a log -->\n```text\n).*?(^```$)", re.M | re.S)
COMMANDS = (
    "telemetry init access.log",
    "telemetry run --once",
    'telemetry sql "SELECT route, count(*) AS requests, count(DISTINCT subject) AS accounts '
    'FROM api_request GROUP BY route ORDER BY requests DESC LIMIT 4"',
)
LINES = 5_000
_PATHS = {
    "GET /": 6,
    "GET /api/v1/products?page={n}": 9,
    "GET /api/v1/products/{n}": 8,
    "GET /api/v1/products/{n}/reviews": 3,
    "POST /api/v1/cart/items": 4,
    "POST /api/v1/orders": 2,
    "GET /api/v1/orders/{id}?mail=jane.doe@example.com": 3,
    "GET /users/jane-doe-{n}": 3,
    "GET /jane-doe": 1,
    "GET /assets/app.{id}.js": 4,
    "GET /favicon.ico": 2,
    "GET /wp-login.php": 1,
}
_AGENTS = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/154.0.0.0 Safari/537.36",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 26_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like "
    "Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
    "curl/8.5.0",
)


def write_log(path: Path, now: datetime) -> None:
    """Write an access log of recent requests, all of one day."""
    rng = random.Random(7)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if (now - midnight).total_seconds() <= LINES:
        now = midnight
    with path.open("w") as file:
        for number in range(LINES):
            at = now - timedelta(seconds=LINES - number)
            (request,) = rng.choices(list(_PATHS), list(_PATHS.values()))
            request = request.replace("{n}", str(rng.randrange(900)))
            request = request.replace("{id}", f"{rng.getrandbits(48):012x}")
            status = (
                404 if "wp-" in request else rng.choices([200, 304, 404, 500], [90, 6, 3, 1])[0]
            )
            person = rng.randrange(200)
            account = f"jane.doe.{person}@example.com" if person < 120 else "-"
            file.write(
                f"198.18.{person}.{rng.randrange(1, 255)} - {account} "
                f'[{at:%d/%b/%Y:%H:%M:%S} +0000] "{request} HTTP/1.1" {status} '
                f'{rng.randrange(200, 90_000)} "-" "{_AGENTS[person % 3]}"\n'
            )


def run_commands(folder: Path) -> str:
    """Make a log in `folder`, and return the commands with what they print."""
    write_log(folder / "access.log", datetime.now(UTC))
    return "\n".join(
        f"$ {command}\n{printed(folder, *shlex.split(command)[1:])}" for command in COMMANDS
    )


def main() -> None:
    """Run the commands in a folder of their own and write them into the tutorial."""
    with tempfile.TemporaryDirectory() as place:
        text = run_commands(Path(place))
    before = PAGE.read_text("utf-8")
    PAGE.write_text(PLACE.sub(lambda match: f"{match[1]}{text}{match[2]}", before), "utf-8")


if __name__ == "__main__":
    main()
