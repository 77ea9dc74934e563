"""Rollups to pages."""
