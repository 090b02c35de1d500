#!/bin/sh
# Runs a command, and lets GitHub take nothing that it prints for one of its own: specs, names of files and commits come
# from strangers, and a line with `::` at its beginning or `##[` anywhere would silence or forge what the job says.
# Both outputs become one, since GitHub reads two in any order. Elsewhere the command runs as it is.
#
#   examples/ci/bin/aside.sh COMMAND...
set -u

[ "${GITHUB_ACTIONS:-}" = true ] || exec "$@"

# Nobody can guess the word that ends it.
token=$(python3 -c 'import secrets; print(secrets.token_hex(32))') || exit
echo "::stop-commands::$token"
code=0
"$@" 2>&1 || code=$?
# The command's last line may lack its end.
printf '\n::%s::\n' "$token"
exit "$code"
