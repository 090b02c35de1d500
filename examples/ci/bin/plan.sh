#!/bin/sh
# Plans, and hands the plan on: a summary of the step, outputs for later steps, and plan.json and plan.md beside them.
# That there are changes is no failure; what `ordinaut plan` refuses is one, with the same exit code.
#
#   examples/ci/bin/plan.sh --base origin/main --fail-on retire,gain
#   examples/ci/bin/plan.sh --drift-only --fail-on drift
#
# PLAN_FOLDER: where the files go; here if left out.
# GITHUB_OUTPUT, GITHUB_STEP_SUMMARY: files that are added to, if there are any.
set -u

aside=$(dirname "$0")/aside.sh
folder=${PLAN_FOLDER:-.}
mkdir -p "$folder"
json=$folder/plan.json
markdown=$folder/plan.md
talk=$folder/plan.err
rm -f "$json" "$markdown"

code=0
# shellcheck disable=SC2016 # the inner shell's words
"$aside" sh -c 'talk=$1; shift; code=0; "$@" 2>"$talk" || code=$?; grep -v "^::" "$talk" >&2; exit "$code"' - "$talk" \
  ordinaut plan --detailed-exitcode --json-out "$json" --md-out "$markdown" "$@" || code=$?
# Annotations, if they were asked for: no other line has this beginning.
grep -E '^::(error|warning|notice) (file|title)=' "$talk"

if [ -n "${GITHUB_OUTPUT:-}" ]; then
  echo "exitcode=$code" >>"$GITHUB_OUTPUT"
  if [ -f "$json" ]; then
    python3 - "$json" "$markdown" >>"$GITHUB_OUTPUT" <<'OUTPUTS'
import json, sys
plan = json.load(open(sys.argv[1], encoding="utf-8"))
print(f"changes={len(plan['changes'])}")
print(f"impact={plan['summary']['impact']}")
print(f"digest=sha256:{plan['digest']}")
print(f"plan-json={sys.argv[1]}")
print(f"plan-md={sys.argv[2]}")
OUTPUTS
  fi
fi

if [ -n "${GITHUB_STEP_SUMMARY:-}" ]; then
  [ -f "$markdown" ] && cat "$markdown" >>"$GITHUB_STEP_SUMMARY"
  if [ "$code" -ne 0 ] && [ "$code" -ne 2 ]; then
    # Indented by four, text from specs is no Markdown. What begins with colons is for GitHub.
    { printf '\n### Ordinaut refuses\n\n' && grep -v '^::' "$talk" | head -n 1000 | sed 's/^/    /'; } >>"$GITHUB_STEP_SUMMARY"
  fi
fi

[ "$code" -eq 2 ] || exit "$code"
