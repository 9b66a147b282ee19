"""The author's side of shipped data: scripts that make each file from its source."""
