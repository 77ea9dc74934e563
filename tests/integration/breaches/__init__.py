"""Breaches, one function each: what a defect, an attacker or a careless hand could leave behind."""
