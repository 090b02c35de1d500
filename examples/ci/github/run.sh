#!/bin/sh
# What the inputs of action.yml mean, in words of the scripts in ../bin.
set -u

bin=$(dirname "$0")/../bin
# Nothing but what comments needs to know the token.
token=${COMMENT_TOKEN:-}
unset COMMENT_TOKEN
if [ -n "${IN_ENVIRONMENT:-}" ]; then export ORDINAUT_ENVIRONMENT="$IN_ENVIRONMENT"; fi
if [ -n "${IN_SPECS:-}" ]; then export ORDINAUT_SPECS="$IN_SPECS"; fi
[ -n "${ORDINAUT_DATABASE_URL:-}" ] || unset ORDINAUT_DATABASE_URL

comment() { # WORDS...
  COMMENT_TOKEN=$token "$bin/aside.sh" python3 "$bin/comment.py" "$@"
}

# Plans for the newest commit of the pull request whose check has ended, out of git's objects: the files of a stranger are
# never checked out, and nothing that the stranger's own workflow left behind is believed.
plan_for_stranger() {
  found=$(COMMENT_TOKEN=$token python3 "$bin/comment.py" find) || return
  if [ -z "$found" ]; then
    echo "No open pull request has that commit as its newest: there is nothing to say."
    return 0
  fi
  # shellcheck disable=SC2086 # three words, and git's names hold no spaces
  set -- $found
  login=$(printf 'x-access-token:%s' "$token" | base64 | tr -d '\n')
  GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=http.extraHeader GIT_CONFIG_VALUE_0="Authorization: Basic $login" \
    "$bin/aside.sh" git fetch --quiet origin "+refs/pull/$1/head:refs/ordinaut/head" "+refs/heads/$3:refs/remotes/origin/$3" || return
  # What is refused is told by the check; here it is only said.
  "$bin/plan.sh" --base "origin/$3" --head "$2" || echo "It is refused, with exit code $?."
  comment post "$PLAN_FOLDER" "$1"
}

case "$COMMAND" in
check)
  "$bin/check.sh"
  ;;
plan)
  code=0
  "$bin/plan.sh" --annotations github ${BASE:+--base "$BASE"} ${FAIL_ON:+--fail-on "$FAIL_ON"} || code=$?
  [ "$COMMENT" = never ] || comment post "$PLAN_FOLDER"
  exit "$code"
  ;;
comment)
  plan_for_stranger
  ;;
apply)
  "$bin/apply.sh"
  ;;
drift)
  "$bin/plan.sh" --drift-only --fail-on drift
  ;;
outdate)
  comment outdate "$BASE"
  ;;
*)
  echo "::error::there is no command $COMMAND; there are check, plan, comment, apply, drift and outdate"
  exit 1
  ;;
esac
