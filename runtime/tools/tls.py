"""What a tool server's TLS options make of a connection: whose word is taken for who it is, and what we show it of ourselves.

Its certificate is always checked, and its name. Texts are PEM, or the path of a file that holds it; they are read whenever
a connection is opened, so that a renewed certificate is in force with the next one. Nothing of it is written to a disk.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from runtime.core.tls import Tls
from runtime.errors import ToolServerError

_PEM: Final = "-----BEGIN "
# What fits into a pipe at once, on every system; chains have a tenth of it.
_MOST_BYTES: Final = 16_384


def tls_context(tls: Tls, project: Path) -> ssl.SSLContext:
    """How connections to a server are encrypted.

    Args:
        tls: the options.
        project: the folder that relative paths start from.

    Raises:
        ToolServerError: ORD401, a text or file is not what it should be.
    """
    authorities = None if tls.ca is None else _pem("ca", tls.ca, project)
    try:
        context = ssl.create_default_context(cadata=authorities)
    except ssl.SSLError as error:
        raise _unusable("ca", error) from error
    if tls.certificate is not None:
        certificate = _pem("certificate", tls.certificate, project)
        key = certificate if tls.key is None else _pem("key", tls.key, project)
        _show(context, certificate, key)
    return context


def _show(context: ssl.SSLContext, certificate: str, key: str) -> None:
    with ExitStack() as stack:
        shown, signing = (stack.enter_context(_readable(text)) for text in (certificate, key))
        try:
            # Without the third, a locked key would be asked for at the terminal.
            context.load_cert_chain(shown, signing, password=lambda: "")
        except (
            OSError
        ) as error:  # of many a reason only the last system call's is told, which had none
            raise _unusable("certificate and tls.key", error) from error


@contextmanager
def _readable(text: str) -> Iterator[str]:
    """A path under which a text can be read once, which is all that OpenSSL does."""
    reading, writing = os.pipe()
    try:
        os.write(writing, text.encode())
        os.close(writing)
        yield f"/dev/fd/{reading}"
    finally:
        os.close(reading)


def _pem(name: str, text: str, project: Path) -> str:
    if _PEM not in text:
        path = project / text
        try:
            text = path.read_text(encoding="ascii")
        except (OSError, UnicodeDecodeError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no PEM"
            raise ToolServerError(
                f"the file {str(path)!r} of tls.{name} cannot be read: {reason}",
                hint="A text that is not PEM itself is a path, relative to the project folder.",
            ) from error
    if _PEM not in text or len(text) > _MOST_BYTES:
        raise ToolServerError(f"tls.{name} is no PEM, or more than {_MOST_BYTES:,} bytes of it")
    return text


def _unusable(name: str, error: OSError) -> ToolServerError:
    reason = f": {error.reason}" if isinstance(error, ssl.SSLError) and error.reason else ""
    return ToolServerError(
        f"tls.{name} cannot be used{reason}",
        hint="They are PEM; the key belongs to the certificate and is not encrypted.",
    )
