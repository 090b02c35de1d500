"""Only commits that somebody trusted has signed come into force; keys are real, and git verifies."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from reconciler.remote import find_remote
from reconciler.signatures import Trust, distrust_of, trust_from
from runtime.errors import ConfigError
from tests.support.git import Clone, new_repository
from tests.support.syncing import Origin, origin, stands

__all__ = ["origin"]

needs_gpg = pytest.mark.skipif(shutil.which("gpg") is None, reason="gpg is not installed")


@dataclass(frozen=True)
class SshKey:
    """A key pair."""

    path: Path

    @property
    def public(self) -> str:
        return " ".join(self.path.with_suffix(".pub").read_text().split()[:2])

    def commit(self, clone: Clone, message: str = "Signed") -> str:
        """Commit everything, signed."""
        clone.git("add", "--all", ".")
        signing = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={self.path}")
        clone.git(*signing, "commit", "--quiet", "--allow-empty", "-S", "-m", message)
        return clone.git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def ada(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("ada"))


@pytest.fixture(scope="module")
def eve(tmp_path_factory: pytest.TempPathFactory) -> SshKey:
    return ssh_key(tmp_path_factory.mktemp("eve"))


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return new_repository(tmp_path / "clone")


@pytest.fixture
def signers(tmp_path: Path, ada: SshKey) -> Path:
    """An allowed signers file that names Ada."""
    return allow(tmp_path, f"ada@example.com {ada.public}\n")


def ssh_key(folder: Path) -> SshKey:
    command = [
        "ssh-keygen",
        "-q",
        "-t",
        "ed25519",
        "-N",
        "",
        "-C",
        "key",
        "-f",
        str(folder / "key"),
    ]
    subprocess.run(command, check=True)
    return SshKey(folder / "key")


def allow(folder: Path, text: str) -> Path:
    path = folder / "allowed_signers"
    path.write_text(text)
    return path


def fault(clone: Clone, trust: Trust, floor: str | None = None) -> str | None:
    """Why the head is not trusted."""
    found = distrust_of(clone.folder, clone.git("rev-parse", "HEAD"), floor, trust)
    return found and found.reason


def tampered(clone: Clone) -> str:
    """The head with another message under the same signature, as the new head."""
    text = clone.git("cat-file", "commit", "HEAD").replace("Signed", "Forged")
    answer = subprocess.run(
        ["git", "hash-object", "-t", "commit", "-w", "--stdin"],
        cwd=clone.folder,
        input=text + "\n",
        capture_output=True,
        text=True,
        check=True,
    )
    clone.git("reset", "--quiet", "--hard", answer.stdout.strip())
    return answer.stdout.strip()


def test_a_commit_of_an_allowed_signer_is_trusted(
    clone: Clone, ada: SshKey, signers: Path
) -> None:
    ada.commit(clone)

    assert fault(clone, Trust("ssh", signers)) is None


def test_whoever_is_not_allowed_is_told_from_whoever_did_not_sign(
    clone: Clone, ada: SshKey, eve: SshKey, signers: Path
) -> None:
    trust = Trust("ssh", signers)
    clone.commit()
    assert fault(clone, trust) == "unsigned"
    eve.commit(clone)
    assert fault(clone, trust) == "unknown_key"
    ada.commit(clone)
    tampered(clone)
    assert fault(clone, trust) == "bad_signature"


def test_a_refusal_names_the_commit_its_author_and_the_keys(
    clone: Clone, eve: SshKey, signers: Path
) -> None:
    head = eve.commit(clone)

    found = distrust_of(clone.folder, head, None, Trust("ssh", signers))

    assert found is not None
    assert found.message.startswith(
        f"commit {head[:12]} by Ada <ada@example.com> is signed with a key that {signers} does not hold; "
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ('valid-before="20200101"', "expired_key"),
        ('valid-after="20990101"', "expired_key"),
        ('valid-after="20200101",valid-before="20990101"', None),
        ('namespaces="file"', "unknown_key"),
        ('namespaces="file,git"', None),
    ],
)
def test_an_allowed_signer_is_one_for_git_and_for_a_time(
    clone: Clone, ada: SshKey, tmp_path: Path, options: str, expected: str | None
) -> None:
    signers = allow(tmp_path, f"ada@example.com {options} {ada.public}\n")
    ada.commit(clone)

    assert fault(clone, Trust("ssh", signers)) == expected


def test_nothing_unsigned_hides_below_a_signed_commit(
    clone: Clone, ada: SshKey, signers: Path
) -> None:
    trust = Trust("ssh", signers)
    floor = ada.commit(clone)
    hidden = clone.commit("Unsigned")
    ada.commit(clone)

    found = distrust_of(clone.folder, clone.git("rev-parse", "HEAD"), floor, trust)

    assert found is not None
    assert (found.reason, hidden[:12] in found.message) == ("unsigned", True)
    assert fault(clone, trust, floor=hidden) is None
    # Nothing is in force yet: whoever signs the head answers for what it says.
    assert fault(clone, trust) is None


def test_nothing_unsigned_comes_in_by_a_merge(clone: Clone, ada: SshKey, signers: Path) -> None:
    floor = ada.commit(clone)
    clone.git("checkout", "--quiet", "-b", "side")
    clone.commit("Unsigned")
    clone.git("checkout", "--quiet", "main")
    ada.commit(clone)
    signing = ("-c", "gpg.format=ssh", "-c", f"user.signingkey={ada.path}")
    clone.git(*signing, "merge", "--quiet", "--no-ff", "-S", "--no-edit", "side")

    assert fault(clone, Trust("ssh", signers), floor) == "unsigned"


def test_more_commits_than_can_be_verified_are_refused(
    clone: Clone, ada: SshKey, signers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor = ada.commit(clone)
    monkeypatch.setattr("reconciler.signatures.MOST_COMMITS", 2)
    for _ in range(2):
        ada.commit(clone)
    assert fault(clone, Trust("ssh", signers), floor) is None
    ada.commit(clone)

    assert fault(clone, Trust("ssh", signers), floor) == "too_many"


def test_the_repository_cannot_say_what_verifies_it(
    clone: Clone, eve: SshKey, tmp_path: Path, signers: Path
) -> None:
    """What its configuration names is neither run nor believed."""
    ran = tmp_path / "ran"
    program = tmp_path / "program"
    program.write_text(
        f"#!/bin/sh\ntouch {ran}\necho 'Good \"git\" signature for ada with ED25519 key SHA256:x'\n"
    )
    program.chmod(0o755)
    eve.commit(clone)
    for name in ("gpg.program", "gpg.ssh.program", "gpg.openpgp.program", "core.fsmonitor"):
        clone.git("config", name, str(program))
    clone.git(
        "config", "gpg.ssh.allowedSignersFile", str(allow(clone.folder, f"eve {eve.public}"))
    )
    clone.git("config", "alias.verify-commit", f"!{program}")

    assert fault(clone, Trust("ssh", signers)) == "unknown_key"
    assert not ran.exists()


async def test_a_refused_head_leaves_what_is_good_until_its_key_is_allowed(
    origin: Origin, ada: SshKey, eve: SshKey, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.mkdir()
    signers = allow(keys, f"ada@example.com {ada.public}\n")
    ada.commit(origin.clone)
    sync = origin.sync(Trust("ssh", signers))
    assert stands(await sync.look()) == ("Synced", "applied")
    origin.write(three="")
    eve.commit(origin.clone)

    refused = [await sync.look() for _ in range(2)]

    assert [stands(look) for look in refused] == [("InvalidSource", "unknown_key")] * 2
    assert origin.names == ["one", "two"]
    allow(keys, f"* {eve.public}\n* {ada.public}\n")
    assert stands(await sync.look()) == ("Synced", "applied")
    assert origin.names == ["one", "three", "two"]


async def test_an_unsigned_branch_is_compiled_by_nobody(origin: Origin, signers: Path) -> None:
    origin.clone.write({"specs/one.yaml": "["})
    origin.clone.commit()

    look = await origin.look(Trust("ssh", signers))

    assert stands(look) == ("InvalidSource", "unsigned")
    assert look.report.problems == ()


@dataclass(frozen=True)
class Gpg:
    """A GnuPG home with a key."""

    home: Path
    key: str

    def run(self, *words: str, text: str = "") -> bytes:
        command = ["gpg", "--homedir", str(self.home), "--batch", "--quiet", *words]
        return subprocess.run(command, input=text.encode(), check=True, capture_output=True).stdout

    def export(self, path: Path) -> Path:
        path.write_bytes(self.run("--armor", "--export", self.key))
        return path

    def commit(self, clone: Clone) -> str:
        program = self.home / "gpg"
        program.write_text(f'#!/bin/sh\nexec gpg --homedir {self.home} --batch "$@"\n')
        program.chmod(0o755)
        clone.git("add", "--all", ".")
        signing = ("-c", f"gpg.program={program}", "-c", f"user.signingkey={self.key}")
        clone.git(*signing, "commit", "--quiet", "--allow-empty", "-S", "-m", "Signed")
        return clone.git("rev-parse", "HEAD")


@pytest.fixture(scope="module")
def gpg(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gpg]:
    home = tmp_path_factory.mktemp("gpg")
    home.chmod(0o700)
    gpg = Gpg(home, "ada@example.com")
    try:
        gpg.run("--passphrase", "", "--quick-generate-key", gpg.key, "ed25519", "sign", "1y")
        yield gpg
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)


@needs_gpg
def test_a_commit_is_trusted_by_keys_in_a_file_or_a_folder(
    clone: Clone, gpg: Gpg, tmp_path: Path
) -> None:
    gpg.commit(clone)
    folder = tmp_path / "keys"
    folder.mkdir()
    file = gpg.export(folder / "ada.asc")
    (folder / ".notes").write_text("no key")

    assert fault(clone, Trust("gpg", file)) is None
    assert fault(clone, Trust("gpg", folder)) is None
    tampered(clone)
    assert fault(clone, Trust("gpg", file)) == "bad_signature"


@needs_gpg
def test_keys_that_are_others_revoked_or_expired_are_told_apart(
    clone: Clone, gpg: Gpg, tmp_path: Path
) -> None:
    gpg.commit(clone)
    good = gpg.export(tmp_path / "good.asc")
    revoking = (
        next((gpg.home / "openpgp-revocs.d").glob("*.rev")).read_text().replace(":---", "---")
    )
    (tmp_path / "revoked.asc").write_bytes(good.read_bytes() + revoking.encode())
    gpg.run("--passphrase", "", "--quick-generate-key", "bob@example.com", "ed25519", "sign", "1y")
    (tmp_path / "bob.asc").write_bytes(gpg.run("--armor", "--export", "bob@example.com"))

    assert fault(clone, Trust("gpg", tmp_path / "bob.asc")) == "unknown_key"
    assert fault(clone, Trust("gpg", tmp_path / "revoked.asc")) == "revoked_key"


@needs_gpg
def test_a_key_that_has_expired_is_told(
    clone: Clone, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("old")
    home.chmod(0o700)
    gpg = Gpg(home, "old@example.com")
    then = f"{datetime(2020, 1, 1, tzinfo=UTC):%Y%m%dT%H%M%S}"
    try:
        gpg.run("--faked-system-time", f"{then}!", "--passphrase", "", "--quick-generate-key", gpg.key, "ed25519", "sign", "1d")  # fmt: skip
        (home / "gpg.conf").write_text(f"faked-system-time {then}!\n")
        gpg.commit(clone)
        keys = gpg.export(home / "old.asc")
    finally:
        subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=True)

    assert fault(clone, Trust("gpg", keys)) == "expired_key"


@needs_gpg
def test_one_kind_of_signature_does_not_count_for_the_other(
    clone: Clone, gpg: Gpg, ada: SshKey, signers: Path, tmp_path: Path
) -> None:
    gpg.commit(clone)
    assert fault(clone, Trust("ssh", signers)) == "unsigned"
    ada.commit(clone)
    assert fault(clone, Trust("gpg", gpg.export(tmp_path / "ada.asc"))) == "unsigned"


@needs_gpg
def test_a_file_without_keys_is_refused(clone: Clone, tmp_path: Path) -> None:
    keys = tmp_path / "keys.asc"
    keys.write_text("none")
    clone.commit()

    with pytest.raises(ConfigError, match="could not be imported"):
        distrust_of(clone.folder, clone.git("rev-parse", "HEAD"), None, Trust("gpg", keys))


def test_keys_and_their_kind_go_together(tmp_path: Path, signers: Path) -> None:
    remote = find_remote("https://git.example/agents.git", is_verified=True)

    for kind, allowed, keyring in (
        ("ssh", None, None),
        ("ssh", None, signers),
        ("gpg", signers, None),
        ("none", signers, None),
        ("ssh", signers, signers),
    ):
        with pytest.raises(ConfigError, match="do not go together"):
            trust_from(kind, allowed, keyring, remote)  # type: ignore[arg-type]  # a table of words
    assert trust_from("ssh", signers, None, remote) == Trust("ssh", signers)


def test_keys_are_never_read_from_the_repository_that_they_judge(
    clone: Clone, ada: SshKey, tmp_path: Path
) -> None:
    within = allow(clone.folder, f"ada {ada.public}")
    (tmp_path / "link").symlink_to(within)
    local = find_remote(str(clone.folder), is_verified=True)
    address = "https://git.example/agents.git"
    clone.git("remote", "add", "origin", address)
    remote = find_remote(address, is_verified=True)

    for keys, judged in ((within, local), (tmp_path / "link", local), (within, remote)):
        with pytest.raises(ConfigError, match="lies in the repository that it judges"):
            trust_from("ssh", keys, None, judged)


@pytest.mark.parametrize(
    "address",
    [
        "file://{folder}",
        "file://localhost{folder}/",
        "file://{folder}/.git",
        "{folder}/.git",
        "{folder}",
        "{folder}/../our%20agents/",
    ],
)
def test_no_spelling_of_an_address_hides_that_keys_lie_in_the_repository(
    tmp_path: Path, ada: SshKey, address: str
) -> None:
    clone = new_repository(tmp_path / "our%20agents")
    clone.write({"README": "ours"})
    clone.commit()
    clone.git("worktree", "add", "--quiet", str(tmp_path / "beside"))
    other = new_repository(tmp_path / "clone of it")
    other.git("remote", "add", "origin", f"file://{tmp_path}/our%2520%61gents")
    folder = str(clone.folder)
    encoded = folder.replace("%", "%25") if address.startswith("file:") else folder
    remote = find_remote(address.format(folder=encoded), is_verified=True)

    for place in (clone.folder, tmp_path / "beside", other.folder):
        within = allow(place, f"ada {ada.public}")
        (tmp_path / "link").unlink(missing_ok=True)
        (tmp_path / "link").symlink_to(within)
        for keys in (within, tmp_path / "link"):
            with pytest.raises(ConfigError, match="lies in the repository that it judges"):
                trust_from("ssh", keys, None, remote)
    allowed = allow(tmp_path, f"ada {ada.public}")
    assert trust_from("ssh", allowed, None, remote) == Trust("ssh", allowed)


def test_an_address_without_its_ending_is_the_same_repository(clone: Clone, ada: SshKey) -> None:
    within = allow(clone.folder, f"ada {ada.public}")
    clone.git("remote", "add", "origin", "https://git.example/agents.git")

    with pytest.raises(ConfigError, match="lies in the repository that it judges"):
        trust_from(
            "ssh", within, None, find_remote("https://git.example/agents/", is_verified=True)
        )


@pytest.mark.parametrize(
    ("name", "text", "why"), [("gone", None, "No such file"), ("empty", "", "holds no keys")]
)
def test_keys_that_cannot_be_read_trust_nobody(
    tmp_path: Path, name: str, text: str | None, why: str
) -> None:
    path = tmp_path / name
    if text is not None:
        path.write_text(text)
    remote = find_remote("https://git.example/agents.git", is_verified=True)

    with pytest.raises(ConfigError, match=why):
        trust_from("ssh", path, None, remote)


def test_a_file_of_keys_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    with path.open("wb") as file:
        os.truncate(file.fileno(), 2**25)

    with pytest.raises(ConfigError, match="too large"):
        Trust("ssh", path).fingerprint()
