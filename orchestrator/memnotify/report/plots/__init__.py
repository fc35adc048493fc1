"""Pictures of runs: described in Vega-Lite, drawn by vl-convert. docs/plots.md shows each kind."""
