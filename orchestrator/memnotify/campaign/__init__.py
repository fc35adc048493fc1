"""Defining a run: schema, loading, scenarios, seeds, the plan of cells."""
