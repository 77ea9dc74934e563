"""From settings to open objects."""
