"""The small lake of the commands' tests."""

from tests.unit.cli.commands.conftest import made, tiny

__all__ = ["made", "tiny"]
