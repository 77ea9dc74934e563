"""Small requests over HTTP to services that the settings name."""
