#!/bin/sh
# Applies what was reviewed, and nothing else. What was reviewed is what git has gained since the commit that was applied
# last, however many merges that are. If the database has gone another way, by drift or by a rollback, its plan has another
# digest: nothing is applied, and somebody looks.
#
#   ORDINAUT_DATABASE_URL=postgresql://… examples/ci/bin/apply.sh
#
# EXPECT_DIGEST: what somebody reviewed by hand, instead.
# PLAN_FOLDER, GITHUB_STEP_SUMMARY: as plan.sh has them.
set -u

bin=$(dirname "$0")
folder=${PLAN_FOLDER:-.}

field() { # FIELD...: a field of the plan that was made last; empty if it has none
  python3 -c '
import functools, json, sys
plan = json.load(open(sys.argv[1], encoding="utf-8"))
print(functools.reduce(lambda part, name: (part or {}).get(name), sys.argv[2:], plan) or "")
' "$folder/plan.json" "$@"
}

# Over the database: what would be done, for the summary, and what was applied last.
"$bin/plan.sh" || exit
digest=${EXPECT_DIGEST:-}
if [ -z "$digest" ]; then
  digest=$(field digest)
  if [ -n "$(field base revision)" ]; then
    commit=$(field base commit)
    if [ -z "$commit" ]; then
      echo "What was applied last came from no commit: review \`ordinaut plan\`, and give its digest." >&2
      exit 4
    fi
    GITHUB_OUTPUT='' GITHUB_STEP_SUMMARY='' PLAN_FOLDER=$folder/reviewed "$bin/plan.sh" --base "$commit" >/dev/null 2>&1
    code=$?
    folder=$folder/reviewed
    if [ "$code" -ne 0 ]; then
      "$bin/aside.sh" cat "$folder/plan.err"
      exit "$code"
    fi
    digest=$(field digest)
  fi
fi
exec "$bin/aside.sh" ordinaut apply --expect-digest "$digest"
