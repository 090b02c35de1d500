"""When schedules fire: RFC 5545 rules, cron, elapsed spans and named instants, right across DST, at bounded cost.

    triggers      what an author writes, and the occurrence it gives
    rule, cron    text to checked rules; every prohibition and every contested reading is refused here
    values        the values of a rule's parts
    compilation   trigger to compiled trigger
    compiled      questions to it: what comes next, what lies between
    sources       wall times and real time to occurrences, with UNTIL and COUNT
    period        wall times of rules of a day and longer          elapsed   instants of shorter rules, by real time
    expansion     a rule's days and times of day                   days      days of a year as bits
    zone          wall time to instants and back                   effort    the bound of a search
    words         a schedule in plain words

Readings chosen where engines differ (each module says more):

- A rule of a day or longer names wall times. One that does not exist is shifted by the offset before the gap (RFC 5545
  section 3.3.5, also for computed instances); one that occurs twice is the first. `dst_gap` and `dst_fold` overrule it.
- HOURLY, MINUTELY and SECONDLY repeat by elapsed time; they have no gaps and no repeats, so `dst_*` does not touch them.
- DTSTART is an occurrence only if the rule gives it. UNTIL is inclusive, as a date with the whole local day.
- BYSETPOS chooses from the whole period, also where DTSTART cuts it.
- COUNT counts before EXDATE takes away and does not count RDATE.
- BYSECOND=60 is read as 59 (RFC 5545 section 3.3.12).
"""

from __future__ import annotations

from runtime.core.recurrence.compilation import compile_trigger
from runtime.core.recurrence.compiled import Compiled, never_fires, occurrences
from runtime.core.recurrence.triggers import (
    AtTrigger,
    CronTrigger,
    DstFold,
    DstGap,
    EveryTrigger,
    Occurrence,
    RRuleTrigger,
    Trigger,
    Until,
)
from runtime.core.recurrence.words import describe

__all__ = [
    "AtTrigger",
    "Compiled",
    "CronTrigger",
    "DstFold",
    "DstGap",
    "EveryTrigger",
    "Occurrence",
    "RRuleTrigger",
    "Trigger",
    "Until",
    "compile_trigger",
    "describe",
    "never_fires",
    "occurrences",
]
