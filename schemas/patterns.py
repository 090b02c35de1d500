"""The forms that texts in documents take: each as a regular expression, and in words."""

from __future__ import annotations

from typing import Final

_NAME = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"

NAME: Final = rf"^{_NAME}$"
QUALIFIED_NAME: Final = rf"^({_NAME}/)?{_NAME}$"
IDENTIFIER: Final = r"^[a-z_][a-z0-9_]{0,62}$"
TOOL: Final = rf"^({_NAME}/)?{_NAME}\.[A-Za-z0-9_][A-Za-z0-9_./-]*$"
TOPIC: Final = r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,199}$"
TOPIC_GLOB: Final = r"^[A-Za-z0-9*][A-Za-z0-9*._/-]{0,199}$"
SECRET_REFERENCE: Final = r"^\$\{secrets\.[a-z_][a-z0-9_]{0,62}\}$"  # noqa: S105 - no secret, but the form of a name
TOOL_GLOB: Final = r"^[A-Za-z0-9*?_./-]+$"
CURRENCY: Final = r"^[A-Z]{3}$"
LOCAL_CLOCK: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$"
HTTP_URL: Final = r"^https?://[^/\s]"
READY_URL: Final = r"^(https?|tcp)://[^/\s]"
HEADER: Final = r"^[A-Za-z0-9-]{1,128}$"
BRANCH: Final = r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$"
DURATION: Final = r"^([0-9]+(ms|s|m|h|d|w))+$"

WORDS: Final[dict[str, str]] = {
    NAME: "a name of lower-case letters, digits and inner hyphens, at most 63 characters",
    QUALIFIED_NAME: "a name, or `namespace/name`, of lower-case letters, digits and inner hyphens",
    IDENTIFIER: "a name of lower-case letters, digits and underscores that starts with no digit",
    TOOL: "the address of a tool: `server.tool`, or `namespace/server.tool`",
    TOPIC: "a topic of letters, digits, dots, hyphens, underscores and slashes",
    TOPIC_GLOB: "a topic of letters, digits, dots, hyphens, underscores and slashes, in which `*` stands for anything",
    SECRET_REFERENCE: "a secret of the Project, such as `${secrets.name}`",
    TOOL_GLOB: "the address of a tool, in which `*` and `?` stand for anything",
    CURRENCY: "a currency code such as EUR",
    LOCAL_CLOCK: "a time of day such as 08:30, up to 24:00",
    BRANCH: "the name of a branch",
    HEADER: "the name of an HTTP header: letters, digits and hyphens",
    HTTP_URL: "an address that starts with http:// or https://",
    READY_URL: "an address that starts with http://, https:// or tcp://",
}
"""What each form asks for."""
