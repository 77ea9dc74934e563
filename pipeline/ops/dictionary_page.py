"""The data dictionary as one HTML file: no scripts or requests, readable on paper and by ear."""

from __future__ import annotations

from html import escape

from pipeline.ops.dictionary import HEADINGS, ColumnEntry, Dictionary, TableEntry

_STYLE = """
:root { color-scheme: light dark; --ground: #fff; --line: #d9d9d2; --ink: #1c2126; --soft: #545d66;
  --link: #0a5cad; }
@media (prefers-color-scheme: dark) { :root { --ground: #101316; --line: #333b43; --ink: #e8ebee;
  --soft: #a3adb7; --link: #7cb8f5; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1300px; padding: 0 24px 48px; background: var(--ground);
  color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
h1 { font-size: 26px; margin: 32px 0 4px; } h2 { font-size: 19px; margin: 36px 0 4px; }
h3 { font-size: 15px; margin: 20px 0 4px; }
a { color: var(--link); }
nav ul { columns: 3 180px; padding-left: 18px; } nav a { display: inline-block; padding: 2px 0; }
.wide { overflow-x: auto; margin-top: 8px; }
table { border-collapse: collapse; font-size: 14px; min-width: 100%; }
caption { text-align: left; color: var(--soft); padding-bottom: 6px; }
th, td { text-align: left; vertical-align: top; padding: 5px 14px 5px 0;
  border-top: 1px solid var(--line); }
thead th { color: var(--soft); border-top: 0; }
tbody th { font-weight: 600; } code { font-size: 13px; }
p.list code { margin-right: 10px; display: inline-block; }
footer { color: var(--soft); font-size: 13px; margin-top: 40px; }
"""


def as_page(told: Dictionary, version: str) -> str:
    """Return it as one HTML document that needs nothing else; `version` is the program's."""
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    links = [(table.name, table.title) for table in told.tables] + [("lists", "Closed lists")]
    contents = "\n".join(f'<li><a href="#{name}">{escape(title)}</a></li>' for name, title in links)
    lists = "\n".join(_list(name, values) for name, values in told.lists)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>Data dictionary</title>
<style>{_STYLE}</style>
</head>
<body>
<header>
<h1>Data dictionary</h1>
<p>Each table of the lake, its columns in stored order. Null is <em>not reported</em>.</p>
</header>
<nav aria-label="Contents">
<ul>
{contents}
</ul>
</nav>
<main>
{"".join(map(_section, told.tables))}
<section aria-labelledby="lists">
<h2 id="lists">Closed lists</h2>
{lists}
</section>
</main>
<footer>
<p>Made by <code>telemetry schema dictionary</code> {escape(version)} of the schemas in force.</p>
</footer>
</body>
</html>
"""


def _section(table: TableEntry) -> str:
    heads = "".join(f'<th scope="col">{heading}</th>' for heading in HEADINGS)
    rows = "\n".join(map(_row, table.entries))
    return f"""<section aria-labelledby="{table.name}">
<h2 id="{table.name}">{escape(table.title)}</h2>
<div class="wide" tabindex="0" role="group" aria-label="Columns of {escape(table.name)}"><table>
<caption>{escape(table.comment)}</caption>
<thead><tr>{heads}</tr></thead>
<tbody>
{rows}
</tbody>
</table></div>
</section>
"""


def _row(entry: ColumnEntry) -> str:
    values = escape(entry.values) or "-"
    if entry.is_list:
        values = f'<a href="#list-{values}">{values}</a>'
    cells = [escape(entry.type), entry.null, escape(entry.unit), values]
    cells += [f"<code>{escape(text)}</code>" for text in (entry.source, entry.treatment)]
    cells += [entry.since, escape(entry.meaning)]
    name = f'<th scope="row"><code>{escape(entry.name)}</code></th>'
    return f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"


def _list(name: str, values: tuple[str, ...]) -> str:
    words = " ".join(f"<code>{escape(value)}</code>" for value in values)
    return f'<h3 id="list-{name}">{name}</h3>\n<p class="list">{words}</p>'
