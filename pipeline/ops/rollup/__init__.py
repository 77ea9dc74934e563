"""Closed days become published figures."""
