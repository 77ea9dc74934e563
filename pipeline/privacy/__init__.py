"""What may be kept: one module per treatment, and `anonymize`, the only raw-to-clean door. Pure."""
