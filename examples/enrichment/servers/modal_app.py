"""The titles worker on Modal, which scales it from nothing to twenty containers and back.

    modal deploy servers/modal_app.py

prints its address. Put that, with `/mcp` behind it, into the ToolServer `titles` of `specs/servers.yaml`, with the headers
`Modal-Key` and `Modal-Secret` of a proxy token, and take the process `titles` out of `specs/ordinaut.yaml`: nothing else changes,
since the worker keeps no state. Here nothing contacts Modal: the same application is served on this machine.
"""

from __future__ import annotations

import modal
from starlette.applications import Starlette

image = (
    modal.Image.debian_slim(python_version="3.12")
    .pip_install("mcp>=2.3,<3", "uvicorn")
    .add_local_python_source("worker", "titles_worker")
)
app = modal.App("enrichment-titles", image=image)


@app.function(min_containers=0, max_containers=20, timeout=60)
@modal.concurrent(max_inputs=50)
@modal.asgi_app(requires_proxy_auth=True)
def titles() -> Starlette:
    """The worker, as Modal serves it."""
    from titles_worker import server  # noqa: PLC0415 - it is there in the container
    from worker import application  # noqa: PLC0415 - as above

    return application(server, is_public=True)
