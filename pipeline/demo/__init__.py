"""Realistic traffic from a seed, for the demo, tests and benchmarks.

Nothing here describes a real person: addresses come from the two ranges reserved for benchmarks
and documentation, accounts and sessions from a random generator, user agents from a public list.
"""
