"""Whether commits are signed by keys that the operator trusts, as git itself verifies them.

Who is trusted is given on the command line and never by the repository that is judged. Programs, key files and the rest of
what git would look up in a configuration are named each time.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal

from reconciler.core.signed import gpg_fault, signature_of, ssh_fault
from reconciler.core.syncing import SHORT, Distrust
from reconciler.git import ask_git, ask_text, author_of, judge_by_git, unanswered
from reconciler.remote import Remote, folder_at
from runtime.config import base_environment
from runtime.errors import ConfigError
from schemas.source import SignatureFault

MOST_COMMITS: Final = 1000
"""How many new commits are verified in one look."""

_IMPORT_SECONDS: Final = 30
_MOST_KEY_BYTES: Final = 16_777_216
_NOBODY: Final = "/bin/false"
# git ends as for a bad signature where it could not start the program that verifies, or that one was killed.
_NOT_ASKED: Final = re.compile(
    rb"^(?:error|fatal): (?:cannot (?:run|fork|exec|create)|.* died of signal|.*: (?:No space left|Too many open files))",
    re.MULTILINE,
)
_BEGINNINGS: Final = {
    "ssh": "-----BEGIN SSH SIGNATURE-----",
    "gpg": "-----BEGIN PGP SIGNATURE-----",
}
_FAULTS: Final[dict[SignatureFault, str]] = {
    "unsigned": "is not signed with {kind}",
    "unknown_key": "is signed with a key that {keys} does not hold",
    "expired_key": "is signed with a key that {keys} does not allow at that time: it has expired, or is not yet valid",
    "revoked_key": "is signed with a key that was revoked",
    "bad_signature": "has a signature that does not fit it",
}


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose commits are applied.

    Attributes:
        kind: how they sign.
        keys: the allowed signers file of ssh-keygen; or a file, or a folder of files, with OpenPGP public keys.
    """

    kind: Literal["none", "ssh", "gpg"]
    keys: Path | None = None

    def fingerprint(self) -> str:
        """sha256 (hex) of the keys as they are now: when it changes, a commit may be judged otherwise.

        Raises:
            ConfigError: ORD306, they cannot be read.
        """
        return sha256(b"\0".join(_contents(self))).hexdigest()


NO_TRUST: Final = Trust("none")


def trust_from(
    kind: Literal["none", "ssh", "gpg"],
    allowed_signers: Path | None,
    keyring: Path | None,
    remote: Remote,
) -> Trust:
    """What the command line says, checked.

    Raises:
        ConfigError: ORD306, options do not go together, or the keys cannot be read or lie in the repository they judge.
    """
    given = {"ssh": allowed_signers, "gpg": keyring}
    keys = given.pop(kind, None)
    if any(given.values()) or (kind != "none" and keys is None):
        raise ConfigError(
            f"--verify {kind} and its keys do not go together",
            hint="--verify ssh needs --allowed-signers, --verify gpg needs --keyring, and each nothing else",
        )
    trust = Trust(kind, keys)
    if keys is not None:
        _require_outside(keys, remote)
        trust.fingerprint()
    return trust


def distrust_of(place: Path, head: str, floor: str | None, trust: Trust) -> Distrust | None:
    """Why a commit may not be applied; None if it may.

    Verified is each commit that `floor` does not have, so that nothing unsigned hides below a signed merge; before
    anything is in force, the head alone.

    Args:
        place: a folder of the repository.
        floor: the commit in force; None, or unknown to the repository, if there is none.

    Raises:
        ConfigError: the keys cannot be read.
        SourceUnavailable: git did not answer.
    """
    if trust.kind == "none":
        return None
    commits = _new_commits(place, head, floor)
    if len(commits) > MOST_COMMITS:
        return Distrust(
            "too_many",
            f"{head[:SHORT]} brings more than {MOST_COMMITS:,} commits at once: look at them yourself, then `ordinaut apply`",
        )
    with _prepared(trust) as (options, known):
        for commit in commits:
            fault = _fault(place, commit, trust, options, known)
            if fault is not None:
                words = _FAULTS[fault].format(kind=trust.kind, keys=trust.keys)
                who = author_of(place, commit)
                advice = "what was applied before stays in force. Sign it again, or take it out of the branch"
                return Distrust(fault, f"commit {commit[:SHORT]} by {who} {words}; {advice}")
    return None


def _new_commits(place: Path, head: str, floor: str | None) -> list[str]:
    """Oldest first, and at most one more than may be."""
    if floor is None or not _holds(place, floor):
        return [head]
    limit = f"--max-count={MOST_COMMITS + 1}"
    listed = ask_text(place, "rev-list", "--reverse", limit, head, "--not", floor)
    if listed is None:
        raise unanswered("rev-list")
    # What is in force is judged too: the keys may be others by now.
    return listed.split() or [head]


def _holds(place: Path, commit: str) -> bool:
    """Whether a repository has a commit, where git says so or denies it."""
    answer = judge_by_git(place, "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    if answer is None or answer.returncode > 1:
        raise unanswered("rev-parse")
    return answer.returncode == 0


def _fault(
    place: Path, commit: str, trust: Trust, options: Sequence[str], known: dict[str, str]
) -> SignatureFault | None:
    content = ask_git(place, "cat-file", "commit", commit)
    if content is None:
        raise unanswered("cat-file")
    if not signature_of(content.decode(errors="replace")).startswith(_BEGINNINGS[trust.kind]):
        return "unsigned"
    answer = judge_by_git(place, *options, "verify-commit", "--raw", commit, known=known)
    if answer is None or _NOT_ASKED.search(answer.stderr):
        raise unanswered("verify-commit")
    talk = answer.stderr.decode(errors="replace")
    read = ssh_fault if trust.kind == "ssh" else gpg_fault
    return read(talk, is_good=answer.returncode == 0)


@contextmanager
def _prepared(trust: Trust) -> Iterator[tuple[tuple[str, ...], dict[str, str]]]:
    """git's options and variables to verify with the keys as they are now, and with nothing else."""
    with TemporaryDirectory(prefix="ordinaut-") as folder:
        contents = _contents(trust)
        if trust.kind == "ssh":
            signers = Path(folder, "allowed_signers")
            signers.write_bytes(contents[0])
            programs = {"gpg.program": _NOBODY, "gpg.ssh.program": "ssh-keygen", "gpg.ssh.allowedSignersFile": str(signers)}  # fmt: skip
            known = {}
        else:
            _import_keys(Path(folder), contents)
            programs = {"gpg.program": "gpg", "gpg.ssh.program": _NOBODY}
            known = {"GNUPGHOME": folder}
        programs |= {
            "gpg.openpgp.program": programs["gpg.program"],
            "gpg.x509.program": _NOBODY,
            "gpg.ssh.revocationFile": "",
            "gpg.minTrustLevel": "undefined",
        }
        options = [word for name, value in programs.items() for word in ("-c", f"{name}={value}")]
        yield tuple(options), known


def _import_keys(home: Path, contents: Sequence[bytes]) -> None:
    """Make a keyring of GnuPG of these keys alone; its own configuration would be read from where it lies."""
    home.chmod(0o700)
    for content in contents:
        try:
            subprocess.run(  # noqa: S603 - the command is ours, and its input is what the operator trusts
                ["gpg", "--no-options", "--homedir", str(home), "--batch", "--quiet", "--import"],  # noqa: S607 - found as git finds it
                input=content,
                env=base_environment(),
                capture_output=True,
                timeout=_IMPORT_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise ConfigError(
                "the keys of --keyring could not be imported",
                hint="it holds what `gpg --export` writes, and gpg is installed",
            ) from error


def _contents(trust: Trust) -> list[bytes]:
    """Every file of keys."""
    keys = trust.keys
    if keys is None:
        return []
    try:
        paths = [keys]
        if trust.kind == "gpg" and keys.is_dir():
            paths = sorted(p for p in keys.iterdir() if p.is_file() and p.name[0] != ".")
        contents = [path.read_bytes() for path in paths if _is_small(path)]
    except OSError as error:
        raise ConfigError(f"{keys} could not be read: {error.strerror}") from error
    if not any(contents):
        raise ConfigError(f"{keys} holds no keys", hint="nothing could be trusted")
    return contents


def _is_small(path: Path) -> bool:
    if path.stat().st_size > _MOST_KEY_BYTES:
        raise ConfigError(f"{path} is too large to be a file of keys")
    return True


def _require_outside(keys: Path, remote: Remote) -> None:
    """Refuse keys that the repository could bring along, or that lie in a clone of it."""
    file = keys.resolve()
    place = file if file.is_dir() else file.parent
    if _is_of(place, file, remote):
        raise ConfigError(
            f"{keys} lies in the repository that it judges, which could let anybody in",
            hint="keep the keys where a push cannot change them, such as /etc/ordinaut",
        )


def _is_of(place: Path, file: Path, remote: Remote) -> bool:
    """Whether a file of this folder belongs to a repository, to another working folder of it, or to a clone."""
    local = remote.local.resolve() if remote.local else None
    if local is not None and file.is_relative_to(local):
        return True
    known = ask_text(place, "config", "--local", "--get-regexp", r"^remote\..*\.url$") or ""
    addresses = [line.partition(" ")[2] for line in known.splitlines()]
    if _plain(remote.address) in map(_plain, addresses):
        return True
    folders = (place, *filter(None, map(folder_at, addresses)))
    return local is not None and _shared_by(local) in map(_shared_by, folders)


def _shared_by(folder: Path) -> Path:
    """Where git keeps what all working folders of a repository share."""
    found = ask_text(folder, "rev-parse", "--git-common-dir") if folder.is_dir() else None
    # What holds no files of its own is that place itself.
    return folder if found is None else (folder / found).resolve()


def _plain(address: str) -> str:
    return address.rstrip("/").removesuffix(".git")
