"""Watching what is served: judgement in `health`, input drift in `drift`, actions in `check`."""
