"""docs/kafka.md says what the code does: the token recipe, the metric, the files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pipeline.metrics import OPTOUT_AGE
from pipeline.privacy.identity.tokens import Domain, TokenKey

ROOT = Path(__file__).parents[4]
PAGE = (ROOT / "docs" / "kafka.md").read_text()


def recipe() -> Any:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    return names["optout_token"]


def test_the_recipe_is_at_most_ten_lines_and_gives_the_tokens_of_the_list() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(code.splitlines()) <= 10
    key = b"k" * 32
    accounts = ["acct_1", "é", "e\u0301", " A ", "x" * 256]
    ours = [token.hex() for token in TokenKey(key).tokens(Domain.OPTOUT, accounts)]
    assert [recipe()(key, account) for account in accounts] == ours
    assert f"`{ours[0]}`" in PAGE


def test_the_page_names_what_exists() -> None:
    assert OPTOUT_AGE.exported in PAGE
    for name in re.findall(r"deploy/[\w/.-]+", PAGE):
        assert (ROOT / name).exists(), name
