"""`telemetry explain`: the documentation of an error's code, from the installed package."""

from __future__ import annotations

from collections.abc import Mapping

import click

from pipeline.cli.frame.nearest import did_you_mean
from pipeline.cli.frame.options import Invocation, reporting
from pipeline.errors import UsageError


@click.command()
@click.argument("code", required=False, metavar="[CODE]")
@reporting
def command(call: Invocation, code: str | None) -> None:
    """Explain the CODE of an error: what it means and what to do; without CODE, list all.

    \b
        telemetry explain opt-out-stale
    """
    pages = error_pages()
    if code is None:
        call.out.result(
            {"codes": list(pages)},
            lambda: call.out.table(
                ["code", "in short"],
                [[name, _first_sentence(text)] for name, text in pages.items()],
            ),
        )
        return
    name = code.lower().removeprefix("error[").rstrip("]:")
    if name not in pages:
        near = did_you_mean(name, pages)
        raise UsageError(
            "there is no error of this code",
            where="telemetry explain",
            remedy=f"{near} telemetry explain lists all codes".strip(),
        )
    call.out.result(
        {"code": name, "text": pages[name]}, lambda: call.out.line(f"{name}\n\n{pages[name]}")
    )


def error_pages() -> Mapping[str, str]:
    """Return the section of every error code, in the order of the page on troubleshooting."""
    from pipeline.io.package_data import documentation

    _, _, errors = documentation("troubleshooting.md").partition("\n## Errors\n")
    sections = errors.partition("\n## ")[0].split("\n### ")[1:]
    return {
        name.strip(): text.strip() for name, _, text in (one.partition("\n") for one in sections)
    }


def _first_sentence(text: str) -> str:
    return " ".join(text.partition("\n\n")[0].split()).partition(". ")[0].rstrip(".")
