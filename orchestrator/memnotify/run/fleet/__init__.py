"""Hosts that run cells together: a Dask cluster, made over ssh, that leaves nothing behind."""
