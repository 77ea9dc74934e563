"""What the page says for any chosen range: promises, what the gate hides, definitions.

Written as HTML into the page's file, so that the script draws only what depends on a choice and the
definitions can be read without it. Every text passes `escape`; there is no other way in.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from html import escape
from typing import Any, cast

from pipeline.errors import counted

PROMISED_DAYS = 90
"""The longest time that an event day is stored, as the data policy promises."""

PERTURBED = "figures are perturbed by about ±2 accounts so that nobody can be singled out"

HOW = (
    "Figures are perturbed by about ±2 accounts so that nobody can be singled out: counts of "
    "accounts by 5 at most, other figures by about as much as the cell's largest account "
    "contributes. Cells do not add up exactly to their total."
)

ERRORS = ((20, 0, 0), (21, 1, 5), (25, 1, 4), (100, 1, 4), (1_000, 1, 4))
"""By accounts in a cell: how far off a count of accounts is at most in half of all cells, and in
99 of 100. They follow from the table of noise; a test compares them with it."""

_GOOD = {"up": "higher is better", "down": "lower is better"}


def fixed_parts(data: Mapping[str, Any], manifest: Mapping[str, Any]) -> str:
    """The HTML of all parts, each in an element that names its page."""
    words = {metric["name"]: metric for metric in data["metrics"]}
    names = data["layout"]["names"]
    quality = _card("facts", "Freshness and promises", _sentence(words, "expiry_proof"))
    quality += f'<dl class="facts">{_pairs(facts(data))}</dl></section>'
    note = f"{_sentence(words, 'suppressed')} Last 28 days."
    title = words.get("suppressed", {}).get("title", "Hidden")
    quality += _card("hidden", title, note) + _hidden(data["hidden"], words, names) + "</section>"
    definitions = "".join(_definitions(data, manifest.get("populations", {})))
    return (
        f'<div data-page="quality" class="cards" hidden>{quality}</div>'
        f'<div data-page="definitions" class="defs" hidden><p>{escape(HOW)}</p>{_errors()}'
        f"{definitions}</div>"
    )


def facts(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Freshness and promises: for each, a term and its state."""
    status = cast("Mapping[str, Any]", data["status"])
    rule = data["rule"]
    if status.get("newest_commit"):
        yield "Newest commit", _moment(status["newest_commit"])
    if data["rolled_up_at"]:
        yield "Published", _moment(data["rolled_up_at"])
    if status.get("oldest_day") and data["rolled_up_at"]:
        day, today = status["oldest_day"], data["rolled_up_at"][:10]
        age = (date.fromisoformat(today) - date.fromisoformat(day)).days
        kept = "within" if age < PROMISED_DAYS else "OVER"
        yield (
            "Oldest event day",
            f"{day}, {counted(age, 'day')} old: {kept} the {PROMISED_DAYS} days promised",
        )
    last = status.get("last_expiry")
    yield "Last expiry run", _moment(last) if last else "none yet; a day is due 89 days after it"
    if status.get("epochs_live") is not None:
        live, dead = status["epochs_live"], status["epochs_destroyed"]
        yield "Key periods", f"{live} live, {dead} with their keys destroyed"
    share = f"{rule['share']:.0%}"
    yield "Smallest group", f"{rule['accounts']} accounts; none over {share} of a cell"
    yield "Perturbation", PERTURBED
    geo = status.get("geo") or {}
    if geo.get("type"):
        known = (geo.get(name) for name in ("type", "built", "credit"))
        yield "Country database", ", ".join(text for text in known if text)


def _sentence(words: Mapping[str, Mapping[str, str]], metric: str) -> str:
    return words[metric]["sentence"] if metric in words else ""


def _moment(text: str) -> str:
    return f"{text[:16].replace('T', ' ')} UTC"


def _card(kind: str, title: str, words: str) -> str:
    return (
        f'<section class="card" data-kind="{kind}" aria-label="{escape(title)}"><header><div>'
        f'<h3>{escape(title)}</h3><p class="what">{escape(words)}</p></div></header>'
    )


def _errors() -> str:
    """How far counts of accounts are from the true ones, by size of the cell."""
    body = "".join(
        f"<tr><td>{size:,}</td><td>{_off(half, size)}</td><td>{_off(most, size)}</td></tr>"
        for size, half, most in ERRORS
    )
    titles = ("Accounts in the cell", "Median error", "99 % are within")
    return _table("Error of counts of accounts", titles, body)


def _off(accounts: int, size: int) -> str:
    return f"{accounts} ({accounts / size:.1%})" if accounts else "0"


def _table(caption: str, titles: Sequence[str], body: str) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in titles)
    return (
        f'<div class="scroll" tabindex="0" role="group" aria-label="Table: {escape(caption)}">'
        f'<table><caption class="sr">{escape(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _pairs(rows: Iterator[tuple[str, str]]) -> str:
    return "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in rows)


def _hidden(
    hidden: Mapping[str, Sequence[float]],
    words: Mapping[str, Mapping[str, str]],
    names: Mapping[str, str],
) -> str:
    """Per table, the share of its events in cells too small to be shown."""
    if not hidden:
        return (
            '<div class="empty"><strong>Nothing hidden</strong>'
            "Every cell of every table passes the gate.</div>"
        )
    rows = []
    for key, [share] in sorted(hidden.items(), key=lambda item: -item[1][0]):
        metric, cut = key.split("|")
        by = " × ".join(names.get(name, name).lower() for name in cut.split(","))
        title = words[metric]["title"] if metric in words else metric
        cells = (title, by, f"{share:.0%}")
        rows.append("".join(f"<td>{escape(cell)}</td>" for cell in cells))
    body = "".join(f"<tr>{row}</tr>" for row in rows)
    return _table("Share hidden, by table", ("Metric", "Table", "Share hidden"), body)


def _definitions(
    data: Mapping[str, Any], populations: Mapping[str, Mapping[str, str]]
) -> Iterator[str]:
    for page in data["layout"]["page"]:
        mine = [metric for metric in data["metrics"] if metric["page"] == page["name"]]
        if mine:
            yield f"<h2>{escape(page['title'])}</h2>"
        for metric in mine:
            yield _definition(metric, populations.get(metric["population"]))


def _definition(metric: Mapping[str, Any], population: Mapping[str, str] | None) -> str:
    unit = "per cent" if metric["unit"] == "ratio" else metric["unit"]
    missing = "" if metric["collected"] else "not collected"
    notes = (f"in {unit}", _GOOD.get(metric["good"], ""), metric["tables"], missing)
    minor = " · ".join(escape(note) for note in notes if note)
    sql = ""
    if population is not None:
        over = f"\nover: {metric['denominator']}" if metric["kind"] == "ratio" else ""
        text = f"{population['sql']}\n\nmeasure: {metric['measure']}{over}"
        sql = (
            f"<details><summary>Computed from: {escape(population['sentence'])}</summary>"
            f'<pre tabindex="0"><code>{escape(text)}</code></pre></details>'
        )
    caveat = f"<p>{escape(metric['caveat'])}</p>" if metric["caveat"] else ""
    return (
        f'<article class="card def" id="def-{escape(metric["name"])}">'
        f"<h3>{escape(metric['title'])}</h3><p>{escape(metric['sentence'])}</p>{caveat}"
        f'<p class="minor"><code>{escape(metric["name"])}</code> · {minor}</p>{sql}</article>'
    )
