"""The listener that wakes the poller: who may, with what, for how long."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from reconciler import wakes
from reconciler.wakes import MAX_BODY_BYTES, MAX_CONNECTIONS, PATIENCE_SECONDS, WakeListener
from runtime.clock import SYSTEM_CLOCK, Clock
from runtime.errors import ConfigError
from runtime.service import ServiceGroup
from tests.support.clock import FakeClock, settle
from tests.support.probes import eventually, within

SECRET = "the-secret-of-these-tests"
FORMER = "the-secret-that-was-before"
TOKEN_KEY = b"k" * 32
TOKEN = "whsec_" + b64encode(TOKEN_KEY).decode()
BODY = b'{"ref":"refs/heads/main"}'


def signed(body: bytes = BODY, secret: str = SECRET) -> str:
    """The signature of a body in hexadecimal."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard(body: bytes = BODY, key: bytes = TOKEN_KEY) -> dict[str, str]:
    """The headers of Standard Webhooks."""
    digest = hmac.new(key, b"msg_1.1700000000." + body, hashlib.sha256).digest()
    signature = f"v1a,bm90IG91cnM= v1,{b64encode(digest).decode()}"
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": "1700000000",
        "webhook-signature": signature,
    }


def post(body: bytes = BODY, path: str = "/wake", method: str = "POST", **headers: str) -> bytes:
    """A request as it goes over the wire; a header's underscores stand for hyphens."""
    lines = [f"{method} {path} HTTP/1.1", "Host: here", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def _has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


class Bench:
    """A listener under test, and how often it woke somebody."""

    def __init__(
        self, clock: Clock, secrets: tuple[str, ...], address: str = "127.0.0.1:0"
    ) -> None:
        self.woken = 0
        self.changed = asyncio.Event()
        self.listener = WakeListener(address, secrets, self._wake, clock)
        self.url = ""

    def _wake(self) -> None:
        self.woken += 1
        self.changed.set()

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        host, _, port = self.url.removeprefix("http://").removesuffix(wakes.PATH).rpartition(":")
        return await asyncio.open_connection(host.strip("[]"), int(port))

    async def send(self, request: bytes) -> bytes:
        """The whole answer to a request."""
        reader, writer = await self.connect()
        writer.write(request)
        answer = await within(reader.read(), "an answer")
        writer.close()
        await writer.wait_closed()
        return answer

    async def status(self, request: bytes) -> int:
        """The status of the answer."""
        return int((await self.send(request)).split()[1])

    async def is_woken(self) -> None:
        """Wait for the next wake-up."""
        await within(self.changed.wait(), "a wake-up")
        self.changed.clear()


@asynccontextmanager
async def listening(
    *secrets: str, clock: Clock = SYSTEM_CLOCK, address: str = "127.0.0.1:0"
) -> AsyncIterator[Bench]:
    bench = Bench(clock, secrets or (SECRET,), address)
    bench.url = await bench.listener.begin()
    group = ServiceGroup([bench.listener])
    group.start()
    # Cancelled before its first turn a service could not end what `begin` has begun.
    await settle()
    try:
        yield bench
    finally:
        await group.stop()


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    """A listener that knows one secret."""
    async with listening() as bench:
        yield bench


@pytest.mark.parametrize(
    ("header", "form"),
    [
        ("X_Hub_Signature_256", "sha256={}"),
        ("X_Hub_Signature", "sha256={}"),
        ("X_Gitea_Signature", "{}"),
        ("X_Forgejo_Signature", "{}"),
        ("X_Ordinaut_Signature", "{}"),
        ("x_ordinaut_signature", "sha256={}"),
    ],
)
async def test_a_right_signature_of_every_forge_wakes(
    bench: Bench, header: str, form: str
) -> None:
    assert await bench.status(post(**{header: form.format(signed())})) == 202
    await bench.is_woken()
    assert bench.woken == 1


async def test_a_signing_token_of_gitlab_wakes() -> None:
    async with listening(TOKEN) as bench:
        assert await bench.status(post(**standard())) == 202
        await bench.is_woken()


@pytest.mark.parametrize(
    "headers",
    [
        standard(b"another body"),
        standard() | {"webhook-id": "msg_2"},
        standard() | {"webhook-timestamp": "1700000001"},
        standard(key=TOKEN.encode()),
        standard() | {"webhook-signature": standard()["webhook-signature"].partition("v1,")[2]},
        {name: value for name, value in standard().items() if name != "webhook-id"},
    ],
)
async def test_a_signing_token_signs_the_id_the_time_and_the_body(
    headers: dict[str, str],
) -> None:
    async with listening(TOKEN, SECRET) as bench:
        assert await bench.status(post(**headers)) == 403
        assert bench.woken == 0


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X_Hub_Signature_256": ""},
        {"X_Hub_Signature_256": "sha256="},
        {"X_Hub_Signature_256": "sha256=" + signed(b"another body")},
        {"X_Hub_Signature_256": "sha256=" + signed(secret="another secret altogether")},
        {"X_Hub_Signature_256": "sha256=" + signed()[:-1]},
        {"X_Hub_Signature_256": "sha1=" + signed()},
        {"X_Hub_Signature": "sha1=" + hmac.new(SECRET.encode(), BODY, "sha1").hexdigest()},
        {"X_Gitlab_Token": SECRET},
        {"Authorization": f"Bearer {SECRET}"},
        {"X_Signature": signed()},
        {"webhook_signature": f"v1,{signed()}"},
    ],
)
async def test_anything_else_is_refused_and_told_nothing(
    bench: Bench, headers: dict[str, str]
) -> None:
    answer = await bench.send(post(**headers))

    assert answer.startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert answer.endswith(b"\r\n\r\n")
    assert bench.woken == 0


async def test_a_body_that_differs_by_a_byte_is_refused(bench: Bench) -> None:
    request = post(X_Hub_Signature_256=f"sha256={signed()}")

    assert await bench.status(request.replace(b"main", b"mair")) == 403


async def test_two_secrets_are_good_while_they_are_exchanged() -> None:
    async with listening(SECRET, FORMER) as bench:
        for secret in (FORMER, SECRET):
            request = post(X_Hub_Signature_256=f"sha256={signed(secret=secret)}")
            assert await bench.status(request) == 202


async def test_a_body_in_chunks_is_signed_like_any_other(bench: Bench) -> None:
    head = f"POST /wake HTTP/1.1\r\nHost: here\r\nX-Gitea-Signature: {signed()}\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (BODY[:5], BODY[5:]))

    request = head.encode() + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"

    assert await bench.status(request) == 202


@pytest.mark.parametrize(
    ("request_line", "status"),
    [
        ({"path": "/"}, 404),
        ({"path": "/wake/"}, 404),
        ({"path": "/wake", "method": "GET"}, 405),
        ({"path": "/wake", "method": "HEAD"}, 405),
        ({"path": "/elsewhere", "method": "DELETE"}, 404),
        ({"path": "/wake?forge=github"}, 202),
    ],
)
async def test_there_is_one_path_and_one_method(
    bench: Bench, request_line: dict[str, str], status: int
) -> None:
    answer = await bench.send(post(**request_line, X_Gitea_Signature=signed()))

    assert int(answer.split()[1]) == status
    assert (b"Allow: POST" in answer) == (status == 405)


@pytest.mark.parametrize(
    ("noise", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a hello of TLS\r\n\r\n", 400),
        (b"POST /wake HTTP/1.1\r\n\r\n", 400),
        (b"POST /wake HTTP/1.1\r\nHost: here\r\nX: " + b"x" * 20_000, 431),
        (b"POST /wake HTTP/1.1\r\nHost: here\r\nContent-Length: many\r\n\r\n", 400),
    ],
)
async def test_what_is_no_request_is_refused(bench: Bench, noise: bytes, status: int) -> None:
    reader, writer = await bench.connect()
    writer.write(noise)
    writer.write_eof()

    assert int((await within(reader.read(), "an answer")).split()[1]) == status
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_is_announced_too_large_is_not_read(bench: Bench) -> None:
    reader, writer = await bench.connect()
    head = post(X_Gitea_Signature=signed()).partition(b"\r\n\r\n")[0]
    size = b"Content-Length: %d" % (MAX_BODY_BYTES + 1)
    writer.write(head.replace(b"Content-Length: %d" % len(BODY), size) + b"\r\n\r\n")

    assert (await within(reader.readline(), "an answer")).split()[1] == b"413"
    writer.close()
    await writer.wait_closed()


async def test_a_body_without_a_signature_is_not_read(bench: Bench) -> None:
    reader, writer = await bench.connect()
    writer.write(post().removesuffix(BODY))

    assert (await within(reader.readline(), "an answer")).split()[1] == b"403"
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_grows_too_large_is_refused_while_it_is_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wakes, "MAX_BODY_BYTES", 1000)
    reader, writer = await bench.connect()
    head = post(X_Gitea_Signature=signed()).partition(b"Content-Length")[0]
    writer.write(head + b"X-Gitea-Signature: 0\r\nTransfer-Encoding: chunked\r\n\r\n")
    writer.write(b"400\r\n" + b"x" * 1024)  # no end of the chunk, and no end of the body

    assert (await within(reader.readline(), "an answer")).split()[1] == b"413"
    writer.close()
    await writer.wait_closed()


async def test_an_early_answer_reaches_whoever_goes_on_sending(bench: Bench) -> None:
    assert await bench.status(post(b"x" * 4 * 1024 * 1024, path="/elsewhere")) == 404


async def test_whoever_waits_to_be_asked_for_the_body_is_asked(bench: Bench) -> None:
    reader, writer = await bench.connect()
    head, _, body = post(X_Gitea_Signature=signed(), Expect="100-continue").partition(b"\r\n\r\n")
    writer.write(head + b"\r\n\r\n")

    assert (await within(reader.readuntil(b"\r\n\r\n"), "a request")).split()[1] == b"100"
    writer.write(body)
    assert (await within(reader.read(), "an answer")).split()[1] == b"202"
    writer.close()
    await writer.wait_closed()


@pytest.mark.parametrize(
    "part",
    [b"", b"POST /wa", post(X_Gitea_Signature=signed())[:-1]],
    ids=["nothing", "a part of the head", "all but a byte"],
)
async def test_whoever_is_slow_is_told_so_and_left(part: bytes, clock: FakeClock) -> None:
    async with listening(clock=clock) as bench:
        reader, writer = await bench.connect()
        writer.write(part)
        await eventually(lambda: clock.sleepers == 1, "a connection with a deadline")

        await clock.advance(PATIENCE_SECONDS)

        answer = await within(reader.read(), "an end")
        assert answer.startswith(b"HTTP/1.1 408 ")
        writer.close()
        await writer.wait_closed()


async def test_whoever_does_not_stop_after_an_answer_is_left(clock: FakeClock) -> None:
    async with listening(clock=clock) as bench:
        reader, writer = await bench.connect()
        writer.write(post(path="/elsewhere")[:-1])
        assert (await within(reader.read(), "an answer")).split()[1] == b"404"

        await clock.advance(PATIENCE_SECONDS)

        await eventually(lambda: clock.sleepers == 0, "an end of the connection")
        writer.close()
        await writer.wait_closed()


async def test_connections_are_bounded(bench: Bench) -> None:
    opened = [await bench.connect() for _ in range(MAX_CONNECTIONS)]
    try:
        reader, writer = await bench.connect()
        opened.append((reader, writer))
        assert (await within(reader.read(), "an answer")).split()[1] == b"503"
    finally:
        for _, writer in opened:
            writer.close()
            await writer.wait_closed()

    async def is_free() -> bool:
        return await bench.status(post(X_Gitea_Signature=signed())) == 202

    await eventually(is_free, "room for a connection")


async def test_many_requests_and_a_repeated_one_wake_once_a_second(clock: FakeClock) -> None:
    request = post(X_Gitea_Signature=signed())
    async with listening(clock=clock) as bench:
        await bench.status(request)
        await bench.is_woken()

        assert {await bench.status(request) for _ in range(5)} == {202}
        await settle()
        assert bench.woken == 1

        await clock.advance(wakes.PAUSE_SECONDS)
        await settle()
        assert bench.woken == 2

        await clock.advance(10 * wakes.PAUSE_SECONDS)
        await settle()
        assert bench.woken == 2


async def test_strangers_are_counted_and_told_of_once_a_minute(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with listening(clock=clock) as bench:
        for _ in range(5):
            assert await bench.status(post()) == 403
        await clock.advance(wakes.TOLD_EVERY_SECONDS)
        assert await bench.status(post()) == 403

    told = [record for record in caplog.records if "signature" in record.message]
    assert [record.__dict__["count"] for record in told] == [1, 5]


async def test_it_stops_while_somebody_is_still_sending() -> None:
    async with listening() as bench:
        reader, writer = await bench.connect()
        writer.write(b"POST /wake HTTP/1.1\r\n")
        await eventually(lambda: len(bench.listener._talks) == 1, "a connection")

    assert await within(reader.read(), "an end") == b""
    writer.close()
    await writer.wait_closed()
    with pytest.raises(ConnectionRefusedError):
        await bench.connect()


async def test_it_begins_by_itself_when_it_is_run() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        listener = WakeListener(f"127.0.0.1:{port}", [SECRET], lambda: None)
        with pytest.raises(ConfigError, match=rf"cannot listen on 127\.0\.0\.1:{port}: "):
            await within(listener.run(), "a refusal")


async def test_it_runs_without_having_been_begun() -> None:
    listener = WakeListener("0", [SECRET], lambda: None)
    group = ServiceGroup([listener])
    group.start()

    await eventually(lambda: listener._server is not None, "a listener")

    await group.stop()


@pytest.mark.parametrize(
    ("address", "url"),
    [
        ("0", "http://127.0.0.1:"),
        ("127.0.0.1:0", "http://127.0.0.1:"),
        ("localhost:0", "http://localhost:"),
        ("0.0.0.0:0", "http://0.0.0.0:"),
        pytest.param(
            "[::1]:0",
            "http://[::1]:",
            marks=pytest.mark.skipif(not _has_ipv6(), reason="needs IPv6"),
        ),
    ],
)
async def test_an_address_is_loopback_unless_it_says_otherwise(address: str, url: str) -> None:
    async with listening(address=address) as bench:
        assert bench.url.startswith(url)
        assert bench.url.endswith("/wake")
        assert await bench.status(post()) == 403


@pytest.mark.parametrize(
    "address",
    ["", "here", ":8090", "[]:8090", "host:", "host:66000", "host:-1", "host:٣", "8090/"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(ConfigError, match="is no address to listen on"):
        WakeListener(address, [SECRET], lambda: None)


@pytest.mark.parametrize(
    ("secrets", "message"),
    [
        ([], "from nobody without a secret"),
        ([""], "at least 16 letters"),
        (["short"], "at least 16 letters"),
        ([SECRET, "short"], "at least 16 letters"),
        (["whsec_not base64 at all"], "goes on in base64"),
    ],
)
def test_there_is_no_listener_without_a_secret_that_nobody_guesses(
    secrets: list[str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message) as refusal:
        WakeListener("8090", secrets, lambda: None)

    assert refusal.value.code == "ORD306"
    assert "short" not in str(refusal.value)
