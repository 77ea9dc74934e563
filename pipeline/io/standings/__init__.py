"""The opt-out list as a file: its lines, its snapshot, and how a process follows both."""
