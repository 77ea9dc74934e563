"""What every command shares: output, options, errors, logs."""
