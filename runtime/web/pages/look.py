"""Templates and static files: pages as HTML, and nothing in them that runs but one small script of ours."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from runtime.web.pages import drawing, words

if TYPE_CHECKING:
    from runtime.web.pages.viewer import Viewer

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
"""What a page may load and do: what we serve, and nothing that stands in the page itself."""

_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_A_YEAR: Final = "public, max-age=31536000, immutable"
_STATIC: Final = files("runtime.web.pages") / "static"


@cache
def environment() -> Environment:
    """The templates; made once, since making it takes longer than a page."""
    made = Environment(
        loader=PackageLoader("runtime.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    for spoken in (words.state, words.when, words.ago, words.moment, words.clock, words.span, words.short, words.head, words.plain, words.legible, words.prose, words.pretty, words.many, words.task_path):  # fmt: skip
        made.filters[spoken.__name__] = spoken
    made.globals |= {
        "static": static_path,
        "glyph": words.glyph,
        "took": words.took,
        "many": words.many,
        "strip": drawing.strip,
        "strip_words": drawing.strip_words,
    }
    return made


def page(viewer: Viewer, template: str, *, code: int = 200, **facts: Any) -> HTMLResponse:
    """A page, as this viewer sees it."""
    text = environment().get_template(template).render(viewer=viewer, **facts)
    # Without our own origin as the referrer, browsers would not name the origin of what our forms send.
    headers = {"content-security-policy": POLICY, "referrer-policy": "same-origin"}
    return HTMLResponse(text, code, headers)


@cache
def _static(name: str) -> tuple[bytes, str] | None:
    """A static file and its digest; None if there is none of this name."""
    found = {each.name: each for each in _STATIC.iterdir()}.get(name)
    if found is None:
        return None
    content = found.read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


def static_path(name: str) -> str:
    """Where a static file is served: under its digest, so that browsers may keep it for ever."""
    found = _static(name)
    return f"/static/{found[1] if found else 'none'}/{name}"


def static_answer(name: str) -> Response | None:
    """A static file as an answer; None if there is none."""
    if name.startswith("_") or (found := _static(name)) is None:
        return None
    kind = _TYPES.get(name[name.rfind(".") :], "application/octet-stream")
    return Response(found[0], media_type=kind, headers={"cache-control": _FOR_A_YEAR})
