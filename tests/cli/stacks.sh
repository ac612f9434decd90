# Stacks of one's own: listed, checked, their mistakes named.
try() { echo "\$ weir $*"; "$WEIR" "$@"; echo "exit $?"; }
export WEIR_STACKS=$PWD/stacks
try stack list
mkdir -p stacks/good stacks/bad stacks/.hidden
cat >stacks/good/stack.yaml <<'YAML'
name: good
title: A stack that answers
made_by: others
versions: [./answer, "1.0"]
features: [csv, append]
variants: {big: {env: {SIZE: 9}}}
YAML
printf '#!/bin/sh\necho "{\\"good\\": \\"$1\\"}"\n' >stacks/good/answer
printf '#!/bin/sh\necho setting up\nexit 7\n' >stacks/good/setup
chmod +x stacks/good/answer stacks/good/setup
try stack list
try stack check good
try stack check none
try stack setup good
try stack setup bad
echo 'name: other' >stacks/bad/stack.yaml
try stack list
printf 'name: bad\ncolor: red\n' >stacks/bad/stack.yaml
try stack check
printf 'name: bad\n' >stacks/bad/stack.yaml
try stack check
try stack check --json
WEIR_STACKS=$PWD/nowhere try stack list
