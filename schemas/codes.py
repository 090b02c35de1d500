"""Every error and diagnostic code, with its meaning: the one place a code is allocated.

Ranges: 0xx reading files and the shape of documents · 1xx remarks about expressions · 2xx plan and apply · 3xx store, events and
configuration · 4xx tools · 5xx expressions and runs · 6xx schedules · 8xx lint · 9xx fields whose engine is not there yet.
A code, once released, never changes its meaning.
"""

from __future__ import annotations

from typing import Final

CODES: Final[dict[str, str]] = {
    # 0xx: files and documents
    "ORD001": "The file could not be read.",
    "ORD002": "The file is not valid YAML.",
    "ORD003": "A mapping holds the same key twice.",
    "ORD004": "The document is not a mapping, or its apiVersion or kind is missing or unknown.",
    "ORD005": "Unknown field.",
    "ORD006": "A required field is missing.",
    "ORD007": "The value has the wrong type or form.",
    "ORD008": "Two documents have the same kind, namespace and name.",
    "ORD009": "A reference names something that does not exist.",
    "ORD010": "The input is too large, too deep, or leaves the specs folder.",
    "ORD011": "YAML anchors, aliases, tags or merge keys are not part of the spec language.",
    "ORD012": "A variable is not defined.",
    "ORD013": "A pipeline's steps contradict each other.",
    "ORD014": "Parameters do not fit the pipeline's JSON Schema, or the schema itself is not valid.",
    "ORD015": "The file could not be formatted.",
    "ORD016": "An overlay sets what it may not, or what another one sets too.",
    # 1xx: remarks about expressions
    "ORD101": "An expression reads the result of a step that may have none.",
    # 2xx: plan and apply
    "ORD201": "The specs hold errors, so nothing was planned.",
    "ORD202": "The database changed since the plan was made.",
    "ORD203": "A guard refused the change.",
    "ORD204": "Another project owns this name.",
    "ORD205": "Another apply holds the lock.",
    "ORD206": "Two documents claim the same former name.",
    "ORD207": "The plan file is not one, or was altered.",
    "ORD208": "Somebody changed outside git what the plan changes too.",
    "ORD209": "A revision is of another project or environment than is meant.",
    "ORD210": "A hold keeps what was rolled back from being applied again.",
    "ORD211": "A new document looks like one that would be retired.",
    "ORD212": "There is nothing to take over.",
    "ORD213": "What is in force cannot be written as specs.",
    "ORD214": "A freeze window is open.",
    "ORD215": "A policy refused the change.",
    "ORD216": "A policy could not be evaluated, so it refused the change.",
    "ORD217": "The change lets somebody do what they could not do before.",
    "ORD218": "A document was renamed by hand, and another row has its name.",
    # 3xx: store, events, configuration
    "ORD301": "The database cannot be reached.",
    "ORD302": "The database refused the credentials.",
    "ORD303": "The database schema is older or newer than this program.",
    "ORD304": "A migration file differs from the one that was applied.",
    "ORD305": "Redis cannot be reached.",
    "ORD306": "A setting is missing or has a wrong value.",
    "ORD307": "An embedded server could not be started.",
    "ORD308": "Another Ordinaut process uses this state directory.",
    "ORD309": "The lease was lost: another runtime holds this run now.",
    "ORD310": "Nothing with this name or id was found.",
    "ORD311": "The run cannot be started: another run of its task is active, or no runtime is there to run it.",
    "ORD312": "There is nothing to backfill, or too much at once.",
    "ORD313": "The git repository cannot be read.",
    # 4xx: tools
    "ORD401": "The tool server could not be started or reached.",
    "ORD402": "The tool server has no tool of this name.",
    "ORD403": "The arguments do not fit the tool's schema.",
    "ORD404": "The tool reported an error.",
    "ORD405": "The tool did not answer in time.",
    "ORD406": "The connection was lost after the call was sent: its outcome is unknown.",
    "ORD407": "The tool's answer breaks its own contract.",
    "ORD408": "The server rejected the call.",
    "ORD409": "The agent's scopes do not allow this tool.",
    "ORD410": "A secret is not defined or cannot be read.",
    "ORD411": "The tool asked for input that nobody is there to give.",
    "ORD412": "The tool's answer is not what the step expects.",
    # 5xx: expressions and runs
    "ORD501": "The expression cannot be parsed.",
    "ORD502": "The expression names something that is not there.",
    "ORD503": "The expression could not be evaluated.",
    "ORD504": "The run exceeded its timeout.",
    "ORD505": "A step failed and its retries are used up.",
    "ORD506": "The value is too large to be kept.",
    "ORD507": "The run was begun again and again, and each time its runtime was lost.",
    "ORD508": "The value holds a character that PostgreSQL cannot keep.",
    # 6xx: schedules
    "ORD601": "The schedule expression cannot be parsed.",
    "ORD602": "RFC 5545 or cron forbids this combination.",
    "ORD603": "Engines read this rule differently; write the explicit form.",
    "ORD604": "The time zone is not known.",
    "ORD605": "The schedule never fires.",
    "ORD606": "The rule is too costly to expand.",
    "ORD607": "The calendars, the schedule and `on_excluded` do not go together.",
    "ORD608": "The .ics file cannot be used.",
    # 8xx: lint
    "ORD801": "A schedule's time does not exist, or happens twice, when the clocks change.",
    "ORD802": "Many runs begin in the same minute.",
    "ORD803": "A schedule has ended.",
    "ORD804": "A run may last longer than the time to the next one.",
    "ORD805": "Nobody answers for a task.",
    "ORD806": "No document names this one.",
    "ORD807": "A value looks like a secret.",
    "ORD808": "A time zone names no place.",
    "ORD809": "Months that lack a day are left out.",
    "ORD810": "More runs or calls are due than an agent is allowed.",
    "ORD811": "A destructive tool is called and nobody is asked.",
    "ORD812": "A former name has been kept for long.",
    "ORD813": "Nothing takes a variable, a secret or a default.",
    "ORD814": "A comment that ignores a rule lacks its code or its reason.",
    "ORD815": "A comment ignores what is not there.",
    # 9xx: not supported yet
    "ORD900": "This field is understood and checked, but its engine does not exist yet.",
}
