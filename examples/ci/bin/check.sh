#!/bin/sh
# Looks at the specs that are checked out: their one form, their sense, and advice about them. Needs no database, no
# network and no secret. Looks at everything before it ends, so that one push shows all of it.
#
#   examples/ci/bin/check.sh
#
# LINT_FAIL_ON: `error` (as if left out) or `warning`.
set -u

look() { # FORM
  looked=0
  ordinaut fmt --check || looked=1
  # Specs with errors get no advice.
  if ordinaut validate --format "$1"; then
    ordinaut lint --format "$1" --fail-on "${LINT_FAIL_ON:-error}" || looked=1
  else
    looked=1
  fi
  return "$looked"
}

form=text
[ "${GITHUB_ACTIONS:-}" = true ] && form=github
look "$form" && exit 0

if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  # GitHub shows ten annotations of a step. Indented by four, text from specs is no Markdown.
  {
    printf '### Ordinaut: these specs need work\n\n'
    look text 2>&1 | head -n 1000 | sed 's/^/    /'
  } >>"$GITHUB_STEP_SUMMARY"
fi
exit 1
