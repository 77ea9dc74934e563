"""One scan of everything that is stored: what no rule names is a finding."""
