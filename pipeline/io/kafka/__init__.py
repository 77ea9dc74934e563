"""Sources that are topics, and what else is said to a broker."""
