"""Pictures of runs: Vega-Lite that vl-convert draws. docs/howto/plots.md shows each kind."""
