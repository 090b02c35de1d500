"""Which occurrences calendars let run, and what becomes of the others: pure, bounded, and never expanded from "now".

    regions      parts of time: local days, hours of the day, spans; each knows what it covers and for how long
    compilation  a calendar's content, as a task's body carries it, to regions
    admission    the calendars of one schedule together: is an instant excluded, and when is the next that is not
    moving       a schedule's occurrences, marked: those that run, those that are excluded, and where they move

Readings:

- Days and hours are those that a clock on the wall in the calendar's own zone shows. A window over an hour that occurs
  twice covers it twice, and one over an hour that is left out covers nothing of it.
- An instant is excluded if any `exclude` calendar covers it, or if there are `include` calendars and none covers it.
- What is excluded by a day moves to the same wall time, in the schedule's zone, of the next or previous day that is not,
  and, if that hour is excluded, on to the next moment that is not. What is excluded by hours moves to the next moment that is not.
- Several occurrences that move to one instant, or to one that occurs anyway, are one.
- Nothing moves further than 366 days.
"""

from __future__ import annotations
