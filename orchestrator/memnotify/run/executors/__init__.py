"""What runs the cells of a campaign: this process, or the workers of a Dask cluster."""
