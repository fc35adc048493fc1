"""The connection to a Dask cluster: whom it trusts, and when it is given up."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from distributed import Client, Security

from memnotify.errors import InfrastructureError
from memnotify.run.executors.protocol import Cluster, Tls

_CONNECT_S = 20.0


def security(tls: Tls) -> Security:
    """Return what Dask needs for TLS of both sides."""
    return Security(
        require_encryption=True,
        tls_ca_file=str(tls.ca),
        tls_client_cert=str(tls.cert),
        tls_client_key=str(tls.key),
    )


@asynccontextmanager
async def opened(cluster: Cluster) -> AsyncIterator[Client]:
    """Connect to a cluster. Raises InfrastructureError if the scheduler does not answer."""
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # users get our own lines
    try:
        client = await Client(
            cluster.address,
            security=None if cluster.tls is None else security(cluster.tls),
            asynchronous=True,
            set_as_default=False,
            timeout=_CONNECT_S,
        )
    except (OSError, ValueError, TypeError) as error:  # TimeoutError and errors of TLS are OSErrors
        text = " ".join(str(error).split()) or type(error).__name__
        raise InfrastructureError(
            "scheduler", f"cannot connect to the scheduler at {cluster.address}: {text}"
        ) from error
    try:
        yield client
    finally:
        with contextlib.suppress(Exception):
            await client.close(timeout=2)
