"""Where a branch stands, for every combination of what a look can find."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_args

import pytest

from reconciler.core.guards import Allowed
from reconciler.core.signed import gpg_fault, signature_of, ssh_fault
from reconciler.core.syncing import SETTLED, Distrust, Facts, Floor, floor_of, judge
from schemas.approval import Approval
from schemas.freeze import PlanFreeze
from schemas.hold import PlanHold
from schemas.plan import Guard, Plan, PlanEnvironment, PlannedChange, PlanSource, PlanSummary
from schemas.policy import PlanPolicy
from schemas.problem import Problem
from schemas.source import SignatureFault

NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)
HEAD, BEFORE = "a" * 40, "b" * 40
DIGEST = "d" * 64


def guard(name: str) -> Guard:
    return Guard(name=name, ok=False, message=f"meets {name}", hint=f"mind {name}")


def change(action: Any = "update") -> PlannedChange:
    return PlannedChange(
        kind="Task",
        namespace="default",
        name="one",
        key="one",
        action=action,
        reason="git",
        impact="low",
    )


def plan(*guards: str, changes: tuple[Any, ...] = ("update",)) -> Plan:
    return Plan(
        tool="1",
        normaliser_version=1,
        digest=DIGEST,
        environment=PlanEnvironment(name="prod"),
        source=PlanSource(project="home"),
        as_of=NOW,
        tzdata="2026a",
        applyable=not guards,
        summary=PlanSummary(),
        changes=tuple(map(change, changes)),
        guards=tuple(map(guard, guards)),
        hold=PlanHold(
            project="home",
            environment="prod",
            commit=BEFORE,
            digest="x",
            revision=3,
            actor="ada",
            since=NOW,
            ends=False,
        ),
        freeze=PlanFreeze(window="every day", timezone="UTC", since=NOW, opens_at=NOW),
    )


def broken(*policies: str) -> Plan:
    judged = tuple(
        PlanPolicy(name=name, standing="kept", severity="error", ok=False, message="no")
        for name in policies
    )
    return plan("policy").model_copy(update={"policies": judged})


FLOOR = Floor(BEFORE, 2)
# Of all that these tests let refuse a plan; EARLY was given when nothing did yet.
PASSES = ("conflict", "renamed", "retire", "rewritten", "policy calm")
APPROVED = Approval(digest=DIGEST, actor="bob", reason="", approved_at=NOW, refusals=PASSES)
EARLY = APPROVED.model_copy(update={"refusals": ("empty",)})
OTHERS = APPROVED.model_copy(update={"digest": "e" * 64})
ERROR = Problem(code="ORD005", message="unknown field", file="specs/a.yaml", line=3, column=1)
BAD = Distrust("unsigned", "nobody signed it")
SOUND = Facts(head=HEAD, folder="specs", floor=FLOOR, plan=plan())


@pytest.mark.parametrize(
    ("facts", "condition", "reason"),
    [
        (SOUND, "Synced", "applied"),
        (replace(SOUND, plan=plan(changes=())), "Synced", "current"),
        (replace(SOUND, floor=None), "Synced", "applied"),
        # What is checked first weighs most.
        (replace(SOUND, distrust=BAD, has_folder=False, errors=(ERROR,)), "InvalidSource", "unsigned"),
        (replace(SOUND, has_folder=False, errors=(ERROR,)), "InvalidSource", "missing"),
        (replace(SOUND, errors=(ERROR,), descends=False), "InvalidSource", "broken"),
        (replace(SOUND, plan=None, foreign="it is theirs"), "InvalidSource", "foreign"),
        # History.
        (replace(SOUND, descends=False), "NeedsApproval", "rewritten"),
        (replace(SOUND, descends=False, plan=plan("hold", "freeze")), "NeedsApproval", "rewritten"),
        (replace(SOUND, descends=False, plan=plan(changes=())), "NeedsApproval", "rewritten"),
        (replace(SOUND, descends=False, approval=OTHERS), "NeedsApproval", "rewritten"),
        (replace(SOUND, descends=False, approval=APPROVED), "Synced", "applied"),
        (replace(SOUND, former="shop"), "NeedsApproval", "renamed"),
        (replace(SOUND, former="shop", plan=plan("policy")), "NeedsApproval", "renamed"),
        (replace(SOUND, former="shop", approval=OTHERS), "NeedsApproval", "renamed"),
        (replace(SOUND, former="shop", approval=APPROVED), "Synced", "applied"),
        (replace(SOUND, descends=False, approval=APPROVED, plan=plan(changes=())), "Synced", "current"),
        (replace(SOUND, descends=False, approval=APPROVED, plan=plan("hold")), "Held", "rolled_back"),
        # Guards.
        (replace(SOUND, plan=plan("hold", "protect", "retire", "freeze")), "Held", "rolled_back"),
        (replace(SOUND, plan=plan("hold"), approval=APPROVED), "Held", "rolled_back"),
        (replace(SOUND, plan=plan("protect", "retire", "freeze")), "OutOfSync", "protected"),
        (replace(SOUND, plan=plan("protect"), approval=APPROVED), "OutOfSync", "protected"),
        (replace(SOUND, plan=plan("retire")), "NeedsApproval", "guard"),
        (replace(SOUND, plan=broken("calm")), "NeedsApproval", "guard"),
        (replace(SOUND, plan=broken("calm"), approval=APPROVED), "Synced", "applied"),
        (replace(SOUND, plan=broken("calm", "wild"), approval=APPROVED), "NeedsApproval", "guard"),
        (replace(SOUND, plan=plan("retire", "freeze")), "NeedsApproval", "guard"),
        (replace(SOUND, plan=plan("retire", "conflict")), "NeedsApproval", "conflict"),
        (replace(SOUND, plan=plan("retire"), approval=OTHERS), "NeedsApproval", "guard"),
        (replace(SOUND, plan=plan("retire", "conflict"), approval=APPROVED), "Synced", "applied"),
        # An approval of what was refused for less.
        (replace(SOUND, plan=plan("retire"), approval=EARLY), "NeedsApproval", "guard"),
        (replace(SOUND, plan=plan("empty"), approval=EARLY), "Synced", "applied"),
        (replace(SOUND, plan=plan("empty", "conflict"), approval=EARLY), "NeedsApproval", "conflict"),
        (replace(SOUND, descends=False, plan=plan("empty"), approval=EARLY), "NeedsApproval", "rewritten"),
        (replace(SOUND, former="shop", plan=plan("empty"), approval=EARLY), "NeedsApproval", "renamed"),
        # A freeze that is open.
        (replace(SOUND, plan=plan("freeze")), "OutOfSync", "frozen"),
        (replace(SOUND, plan=plan("retire", "freeze"), approval=APPROVED), "OutOfSync", "frozen"),
        (replace(SOUND, plan=plan("freeze"), approval=APPROVED), "OutOfSync", "frozen"),
    ],
)  # fmt: skip
def test_every_state_of_a_branch_has_one_condition(
    facts: Facts, condition: str, reason: str
) -> None:
    verdict = judge(facts)

    assert (verdict.condition, verdict.reason) == (condition, reason)
    assert (verdict.waits_for == DIGEST) is (condition == "NeedsApproval")
    assert (verdict.allowed is not None) is (reason == "applied")
    assert bool(verdict.refusals) is (condition == "NeedsApproval")
    assert facts.head[:12] in verdict.message or verdict.reason == "unsigned"


def test_an_approval_allows_exactly_what_the_plan_does() -> None:
    broken = PlanPolicy(name="calm", standing="kept", severity="error", ok=False, message="no")
    told = PlanPolicy(name="told", standing="kept", severity="warning", ok=False, message="no")
    refused = plan("retire", "policy", changes=("retire", "adopt", "retire", "create"))
    refused = refused.model_copy(update={"policies": (broken, told)})

    unasked = judge(SOUND).allowed
    asked = judge(replace(SOUND, plan=refused, approval=APPROVED)).allowed

    assert unasked == Allowed()
    assert asked == Allowed(retire=2, adopt=1, conflicts=0, policies={"calm": "approved by bob"})


def test_what_refuses_a_plan_is_named_for_whoever_approves_it() -> None:
    found = replace(SOUND, descends=False, former="shop", plan=plan("retire", "freeze", "protect"))
    early = judge(replace(SOUND, plan=broken("calm", "wild"), approval=APPROVED))

    assert judge(found).refusals == ("renamed", "retire", "rewritten")
    assert early.refusals == ("policy calm", "policy wild")
    assert "; bob approved it before it was refused so (policy wild)." in early.message


def test_a_message_says_what_to_do() -> None:
    def told(facts: Facts) -> str:
        return judge(facts).message

    approve = f"If that is meant: `ordinaut approve {DIGEST[:12]}`"
    assert approve in told(replace(SOUND, plan=plan("retire")))
    rewritten = told(replace(SOUND, descends=False, plan=plan("retire", "freeze")))
    assert approve in rewritten
    assert "Its plan meets retire." in rewritten
    assert "freeze" not in rewritten
    assert "specs/a.yaml:3:1 ORD005 unknown field, and 1 more" in told(
        replace(SOUND, errors=(ERROR, ERROR))
    )
    assert "mind protect" in told(replace(SOUND, plan=plan("protect")))
    assert "`ordinaut hold clear`" in told(replace(SOUND, plan=plan("hold")))
    assert "waits for the end of the freeze of Mon 5 Jan 08:00 UTC" in told(
        replace(SOUND, plan=plan("freeze"))
    )


@pytest.mark.parametrize(
    ("applied", "revision", "floor"),
    [
        ((None, None), None, None),
        (("a", 3), None, None),
        ((None, None), Floor("b", 2), Floor("b", 2)),
        # A look found a commit in force that needed no revision.
        (("a", 2), Floor("b", 2), Floor("a", 2)),
        # Only heals came since.
        (("a", 5), Floor("b", 2), Floor("a", 2)),
        # Somebody applied, or rolled back, after the look.
        (("a", 2), Floor("b", 3), Floor("b", 3)),
        (("a", 2), Floor(None, 3), Floor(None, 3)),
    ],
)
def test_the_newest_word_about_what_is_in_force_counts(
    applied: tuple[str | None, int | None], revision: Floor | None, floor: Floor | None
) -> None:
    assert floor_of(*applied, revision) == floor


GOOD = 'Good "git" signature for ada@example.com with ED25519 key SHA256:abc'


@pytest.mark.parametrize(
    ("talk", "is_good", "fault"),
    [
        (GOOD, True, None),
        (GOOD, False, "unknown_key"),
        (f"{GOOD}\n{GOOD}", True, "unknown_key"),
        ('Good "git" signature with ED25519 key SHA256:abc\nNo principal matched.', False, "unknown_key"),
        ('Good "file" signature for ada with ED25519 key SHA256:abc', True, "unknown_key"),
        (f"{GOOD} and more", True, "unknown_key"),
        ("signers:1: key has expired: x", False, "expired_key"),
        ("signers:1: key is not yet valid: x", False, "expired_key"),
        ("Could not verify signature.", False, "bad_signature"),
        ("", True, "bad_signature"),
    ],
)  # fmt: skip
def test_what_ssh_keygen_says_is_read_strictly(
    talk: str, is_good: bool, fault: SignatureFault | None
) -> None:
    assert ssh_fault(talk, is_good=is_good) == fault


def gpg(*words: str) -> str:
    return "".join(f"[GNUPG:] {word} X Y\n" for word in words)


@pytest.mark.parametrize(
    ("talk", "is_good", "fault"),
    [
        (gpg("NEWSIG", "GOODSIG", "VALIDSIG"), True, None),
        (gpg("NEWSIG", "GOODSIG", "VALIDSIG"), False, "bad_signature"),
        (gpg("NEWSIG", "GOODSIG"), True, "bad_signature"),
        (gpg("NEWSIG", "GOODSIG", "VALIDSIG", "NEWSIG", "GOODSIG", "VALIDSIG"), True, "bad_signature"),
        (gpg("NEWSIG", "GOODSIG", "VALIDSIG", "NEWSIG", "BADSIG"), True, "bad_signature"),
        (gpg("NEWSIG", "REVKEYSIG", "VALIDSIG"), False, "revoked_key"),
        (gpg("NEWSIG", "EXPKEYSIG", "VALIDSIG"), False, "expired_key"),
        (gpg("NEWSIG", "EXPSIG", "VALIDSIG"), False, "expired_key"),
        (gpg("NEWSIG", "ERRSIG", "NO_PUBKEY"), False, "unknown_key"),
        ("gpg: Good signature\n", True, "bad_signature"),
        ("", True, "bad_signature"),
    ],
)  # fmt: skip
def test_what_gnupg_says_is_read_strictly(
    talk: str, is_good: bool, fault: SignatureFault | None
) -> None:
    assert gpg_fault(talk, is_good=is_good) == fault


def test_a_signature_is_one_of_the_head_of_a_commit_and_not_of_its_message() -> None:
    signed = "tree x\ngpgsig -----BEGIN\n more\n -----END\ncommitter y\n\nmessage\n"
    forged = "tree x\ncommitter y\n\ngpgsig -----BEGIN\n more\n"

    assert signature_of(signed) == "-----BEGIN\n more\n -----END"
    assert signature_of(signed.replace("gpgsig ", "gpgsig-sha256 ")).startswith("-----BEGIN")
    assert signature_of(forged) == ""


def test_every_fault_is_a_reason() -> None:
    assert set(get_args(SignatureFault)) == {
        judge(replace(SOUND, distrust=Distrust(fault, ""))).reason
        for fault in get_args(SignatureFault)
    }


def test_what_others_or_a_passing_fault_may_change_is_looked_at_again() -> None:
    assert SETTLED.isdisjoint(
        {"foreign", "missing", "bad_signature", "moving", "frozen", "protected", "guard"}
    )
    assert set(get_args(SignatureFault)) - SETTLED == {"bad_signature"}


def test_no_message_holds_what_a_terminal_would_obey() -> None:
    evil = "no\x1b[2J\rSynced\u202e"
    wrong = ERROR.model_copy(update={"message": evil})
    found = [
        replace(SOUND, distrust=Distrust("unsigned", evil)),
        replace(SOUND, errors=(wrong,)),
        replace(SOUND, plan=None, foreign=evil),
    ]

    for facts in found:
        message = judge(facts).message
        assert message.isprintable()
        assert "no\\u001b[2J Synced\\u202e" in message
