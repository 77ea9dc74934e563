"""Settings: from text in flags, environment and one TOML file to frozen, checked values.

Precedence: flag, then environment (`TELEMETRY_SECTION_KEY`), then the settings file (`--config`,
else `telemetry.toml` in the working directory), then the default. Unknown names are refused with
a suggestion, the floors and ceilings of the privacy rules cannot be crossed, and secrets are
given by reference only. This room is the only reader of the environment.
"""

from pipeline.settings.sections import Settings
from pipeline.settings.source import SourceSettings
from pipeline.settings.values import Secret

__all__ = ["Secret", "Settings", "SourceSettings"]
