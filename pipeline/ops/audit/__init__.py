"""Every promise with the check that proves it."""
