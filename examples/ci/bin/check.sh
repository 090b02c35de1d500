#!/bin/sh
# Looks at the specs that are checked out: their one form, their sense, advice about them, and their tests. Needs no database, no
# network and no secret. Looks at everything before it ends, so that one push shows all of it.
#
#   examples/ci/bin/check.sh
#
# LINT_FAIL_ON: `error` (as if left out) or `warning`.
set -u

look() { # WHAT RUNS IT...: in words
  looked=0
  "$@" ordinaut fmt --check || looked=1
  # Specs with errors get no advice, and are not played.
  if "$@" ordinaut validate; then
    "$@" ordinaut lint --fail-on "${LINT_FAIL_ON:-error}" || looked=1
    "$@" ordinaut test || looked=1
  else
    looked=1
  fi
  return "$looked"
}

annotate() { # Beside the lines, where what specs say cannot leave its annotation. What else there is was said in words.
  ordinaut validate --format github && ordinaut lint --format github
} 2>/dev/null

code=0
look "$(dirname "$0")/aside.sh" || code=1
[ "${GITHUB_ACTIONS:-}" != true ] || annotate
[ "$code" -ne 0 ] || exit 0

if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  # GitHub shows ten annotations of a step. Indented by four, text from specs is no Markdown.
  {
    printf '### Ordinaut: these specs need work\n\n'
    look 2>&1 | head -n 1000 | sed 's/^/    /'
  } >>"$GITHUB_STEP_SUMMARY"
fi
exit 1
