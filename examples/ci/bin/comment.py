#!/usr/bin/env python3
"""Keeps one comment with the plan on a pull request of GitHub or a merge request of GitLab.

    comment.py find                  the number, commit and base of the pull request that GitHub's event is about
    comment.py post FOLDER [NUMBER]  say what FOLDER/plan.json and FOLDER/plan.md say
    comment.py outdate BASE          mark what was said of those that go into BASE

The first line of a plan's Markdown is a mark that names the environment. A comment that begins with it, and that we
wrote, is edited in place: anybody may write such a line, and could go on to edit what we then wrote into their comment.
Where there are no changes, nothing is said unless something was. Where there is no plan, what was said is outdated.

Which service, which repository and where its API is come from the variables that GitHub Actions and GitLab CI set.
COMMENT_TOKEN may read and write comments; COMMENT_AUTHOR is who writes with it at GitHub, `github-actions[bot]` if left
out. A token that may not write is no failure: what was planned stands in the summary.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

OUTDATED = "> **Outdated:** "
PAGE = 100
MOST_PAGES = 50
SECONDS = 30
MAY_NOT = {401, 403, 404}


@dataclass(frozen=True)
class Comment:
    """What was said: where it can be changed, and its text."""

    place: str
    text: str


class Service:
    """What GitHub and GitLab have in common: JSON, tokens in a header, pages of a hundred."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._url = url
        self._headers = {"Content-Type": "application/json", **headers}

    def ask(self, method: str, path: str, sent: Any = None) -> Any:
        """One request."""
        request = Request(  # noqa: S310 - the address comes from the CI system
            self._url + path,
            method=method,
            headers=self._headers,
            data=None if sent is None else json.dumps(sent).encode(),
        )
        with urlopen(request, timeout=SECONDS) as answer:  # noqa: S310 - as above
            return json.load(answer)

    def all(self, path: str, **query: str) -> Iterator[Any]:
        """Everything in a list, page by page."""
        for page in range(1, MOST_PAGES + 1):
            words = urlencode({**query, "per_page": PAGE, "page": page})
            entries = self.ask("GET", f"{path}?{words}")
            yield from entries
            if len(entries) < PAGE:
                return


class GitHub(Service):
    """Comments on pull requests."""

    change = "PATCH"

    def __init__(self) -> None:
        token = os.environ["COMMENT_TOKEN"]
        headers = {"Authorization": f"Bearer {token}", "X-GitHub-Api-Version": "2022-11-28"}
        super().__init__(os.environ["GITHUB_API_URL"], headers)
        self._repository = f"/repos/{os.environ['GITHUB_REPOSITORY']}"
        self._author = os.environ.get("COMMENT_AUTHOR") or "github-actions[bot]"

    def find(self) -> str:
        """The open pull request whose newest commit the event is about; what a stranger wrote has no say in it."""
        run = json.loads(Path(os.environ["GITHUB_EVENT_PATH"]).read_bytes())["workflow_run"]
        head = f"{run['head_repository']['owner']['login']}:{run['head_branch']}"
        for pull in self.all(f"{self._repository}/pulls", state="open", head=head):
            if pull["head"]["sha"] == run["head_sha"]:
                return f"{pull['number']} {run['head_sha']} {pull['base']['ref']}"
        return ""

    def number(self) -> str:
        """The pull request that the job is about."""
        pull = re.match(r"refs/pull/(\d+)/", os.environ.get("GITHUB_REF", ""))
        return pull[1] if pull else ""

    def numbers(self, base: str) -> Iterator[str]:
        """The open ones into a branch."""
        for pull in self.all(f"{self._repository}/pulls", state="open", base=base):
            yield str(pull["number"])

    def place(self, number: str) -> str:
        """Where its comments are."""
        return f"{self._repository}/issues/{number}/comments"

    def ours(self, number: str) -> Iterator[Comment]:
        """What we said."""
        for comment in self.all(self.place(number)):
            if (comment["user"] or {}).get("login") == self._author:
                place = f"{self._repository}/issues/comments/{comment['id']}"
                yield Comment(place, comment["body"])


class GitLab(Service):
    """Notes on merge requests."""

    change = "PUT"

    def __init__(self) -> None:
        super().__init__(
            os.environ["CI_API_V4_URL"], {"PRIVATE-TOKEN": os.environ["COMMENT_TOKEN"]}
        )
        project = quote(os.environ["CI_PROJECT_ID"], safe="")
        self._requests = f"/projects/{project}/merge_requests"

    def number(self) -> str:
        """The merge request that the job is about."""
        return os.environ.get("CI_MERGE_REQUEST_IID", "")

    def numbers(self, base: str) -> Iterator[str]:
        """The open ones into a branch."""
        for request in self.all(self._requests, state="opened", target_branch=base):
            yield str(request["iid"])

    def place(self, number: str) -> str:
        """Where its notes are."""
        return f"{self._requests}/{number}/notes"

    def ours(self, number: str) -> Iterator[Comment]:
        """What we said."""
        us = self.ask("GET", "/user")["id"]
        for note in self.all(self.place(number)):
            if note["author"]["id"] == us:
                yield Comment(f"{self.place(number)}/{note['id']}", note["body"])


def mark_of(text: str) -> str:
    """The first line."""
    return text.partition("\n")[0].rstrip("\r")


def post(service: GitHub | GitLab, folder: Path, number: str) -> str:
    """Say what was planned, in the comment that there is or a new one; returns what was done."""
    file = folder / "plan.md"
    if not file.exists():
        environment = os.environ.get("ORDINAUT_ENVIRONMENT") or "default"
        why = "the newest commit cannot be planned; its checks say why."
        mark = f"<!-- ordinaut:plan:{environment} -->"
        return "; ".join(outdated(service, number, mark, why)) or "there is no plan to tell"
    text = file.read_text(encoding="utf-8")
    plan = json.loads((folder / "plan.json").read_bytes())
    commit = plan["source"]["commit"]
    if commit:
        text = f"{text.rstrip()}\n\nPlanned for {commit[:12]}.\n"
    for said in service.ours(number):
        if mark_of(said.text) == mark_of(text):
            service.ask(service.change, said.place, {"body": text})
            return f"edited the comment on {number}"
    if not plan["changes"]:
        return "no changes, so there is nothing to say"
    service.ask("POST", service.place(number), {"body": text})
    return f"commented on {number}"


def outdated(service: GitHub | GitLab, number: str, mark: str, why: str) -> Iterator[str]:
    """Mark what we said, once; `mark` is how it begins."""
    for said in service.ours(number):
        first, _, rest = said.text.partition("\n")
        if first.startswith(mark) and not rest.lstrip().startswith(OUTDATED):
            service.ask(
                service.change, said.place, {"body": f"{first}\n\n{OUTDATED}{why}\n{rest}"}
            )
            yield f"marked the comment on {number} as outdated"


def carry_out(service: GitHub | GitLab, words: list[str]) -> str:
    """Do what is asked for; returns what was done or found."""
    match words:
        case ["find"] if isinstance(service, GitHub):
            return service.find()
        case ["post", folder, *given]:
            number = "".join(given) or service.number()
            return post(service, Path(folder), number) if number else "this is no pull request"
        case ["outdate", base]:
            why = f"`{base}` has gone on since; push, or run the checks again."
            done = [
                told
                for number in service.numbers(base)
                for told in outdated(service, number, "<!-- ordinaut:plan:", why)
            ]
            return "\n".join(done) or "no comments to mark"
        case _:
            sys.exit(__doc__)


def main() -> None:
    """Carry out what the command line says."""
    if not os.environ.get("COMMENT_TOKEN"):
        print("There is no COMMENT_TOKEN to comment with.", file=sys.stderr)
        return
    service = GitLab() if os.environ.get("GITLAB_CI") else GitHub()
    try:
        print(carry_out(service, sys.argv[1:]))
    except HTTPError as error:
        if error.code not in MAY_NOT:
            raise
        print(f"The token may not comment here ({error.code}).", file=sys.stderr)


if __name__ == "__main__":
    main()
