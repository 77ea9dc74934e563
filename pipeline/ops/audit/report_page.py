"""An audit as one HTML file, to hand over, print or archive; no scripts, no requests."""

from __future__ import annotations

from html import escape

from pipeline.ops.audit.audit import Proof, Report, Result, Verdict

_WORDS = {
    Verdict.KEPT: ("kept", "✓"),
    Verdict.BROKEN: ("broken", "✗"),
    Verdict.NOT_VERIFIED: ("not verified", "?"),
    Verdict.NOT_APPLICABLE: ("not applicable", "–"),
}

_STYLE = """
:root { color-scheme: light dark; --ground: #f6f6f3; --card: #fff; --line: #e3e3dc; --ink: #1c2126;
  --soft: #59626b; --kept: #0b6b4f; --broken: #a8321f; --unseen: #7a5200; --none: #59626b;
  --stop: #fbe6e2; }
@media (prefers-color-scheme: dark) { :root { --ground: #101316; --card: #171b20; --line: #2a3037;
  --ink: #e8ebee; --soft: #a3adb7; --kept: #5fd0a8; --broken: #ff9b86;
  --unseen: #e5b567; --none: #a3adb7; --stop: #42201a; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
header, main, footer { max-width: 1000px; margin: 0 auto; padding: 0 24px; }
header { padding-top: 36px; }
h1 { font-size: 26px; margin: 0 0 4px; letter-spacing: -.01em; }
h2 { font-size: 17px; margin: 0; }
.outcome { font-size: 17px; padding: 14px 18px; border-radius: 10px; background: var(--card);
  border: 1px solid var(--line); border-left: 6px solid var(--kept); margin: 20px 0; }
.outcome.broken { border-left-color: var(--broken); background: var(--stop); }
dl { display: grid; grid-template-columns: max-content 1fr; gap: 2px 18px; margin: 0;
  color: var(--soft); font-size: 14px; }
dt { font-weight: 600; } dd { margin: 0; overflow-wrap: anywhere; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 16px 18px; margin: 14px 0; break-inside: avoid; }
.head { display: flex; gap: 12px; align-items: baseline; flex-wrap: wrap; }
.id { color: var(--soft); font-variant-numeric: tabular-nums; font-weight: 600; }
.verdict { margin-left: auto; font-weight: 650; white-space: nowrap; }
.kept .verdict, td.kept { color: var(--kept); }
.broken .verdict, td.broken { color: var(--broken); }
.not_verified .verdict, td.not_verified { color: var(--unseen); }
.not_applicable .verdict, td.not_applicable { color: var(--none); }
section.broken { border-left: 6px solid var(--broken); }
section.not_verified { border-left: 6px solid var(--unseen); }
.wide { overflow-x: auto; margin-top: 10px; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; vertical-align: top; padding: 6px 12px 6px 0;
  border-top: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; border-top: 0; }
td.kept, td.broken, td.not_verified, td.not_applicable { white-space: nowrap; font-weight: 600; }
ul { margin: 6px 0 0; padding-left: 18px; } code { font-size: 13px; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: 13px; padding-bottom: 40px; }
@media print { body { background: #fff; } section, .outcome { border-color: #bbb; } }
"""


def page(report: Report, version: str) -> str:
    """Return the report as one HTML document that needs nothing else."""
    broken, proven = len(report.broken), len(report.of(Verdict.KEPT))
    unseen, idle = report.of(Verdict.NOT_VERIFIED), report.of(Verdict.NOT_APPLICABLE)
    outcome = (
        f"{broken} of {len(report.proofs)} promises are broken: {', '.join(report.broken)}."
        if broken
        else f"No promise is broken; {proven} are kept."
    )
    rest = f" Not verified: {', '.join(unseen)}; each says why." if unseen else ""
    rest += f" {len(idle)} have nothing to be checked on here." if idle else ""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    sections = "\n".join(_section(proof) for proof in report.proofs)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>Privacy audit of {report.at:%Y-%m-%d}</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>Privacy audit</h1>
<p class="outcome {"broken" if broken else "kept"}">{escape(outcome + rest)}</p>
<dl>
<dt>Lake</dt><dd>{escape(report.lake)}</dd>
<dt>Looked at</dt><dd>{report.at:%Y-%m-%d %H:%M} UTC</dd>
<dt>Last receipt</dt><dd><code>{report.last_receipt or "none yet"}</code></dd>
<dt>Program</dt><dd>telemetry {escape(version)}</dd>
</dl>
</header>
<main>
{sections}
</main>
<footer>
<p>Each check looks at what is really there. Evidence names places and counts, never a stored
value. Keep the hash of the last receipt elsewhere: nobody can exchange the record then.</p>
</footer>
</body>
</html>
"""


def _section(proof: Proof) -> str:
    word, sign = _WORDS[proof.verdict]
    promise = proof.promise
    rows = "\n".join(_row(result) for result in proof.results)
    return f"""<section class="{proof.verdict.value}" aria-labelledby="{promise.id}">
<div class="head"><span class="id">{escape(promise.id)}</span>
<h2 id="{escape(promise.id)}">{escape(promise.text)}</h2>
<span class="verdict"><span aria-hidden="true">{sign}</span> {word}</span></div>
<div class="wide" tabindex="0" role="group" aria-label="Checks of {escape(promise.id)}"><table>
<thead><tr><th scope="col">Check</th><th scope="col">Looks at</th><th scope="col">Outcome</th>
<th scope="col">Seen</th></tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
</section>"""


def _row(result: Result) -> str:
    seen = result.observation
    word, _ = _WORDS[seen.verdict]
    items = "".join(f"<li><code>{escape(one)}</code></li>" for one in seen.evidence)
    more = seen.findings - len(seen.evidence)
    items += f"<li>and {more:,} more</li>" if more > 0 else ""
    evidence = f"<ul>{items}</ul>" if items else ""
    return (
        f"<tr><td>{escape(result.check.sentence)}</td><td>{escape(result.check.subject)}</td>"
        f'<td class="{seen.verdict.value}">{word}</td>'
        f"<td>{escape(seen.detail)}{evidence}</td></tr>"
    )
