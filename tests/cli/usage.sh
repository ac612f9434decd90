# What is wrong with the command line: one line, exit code 2.
try() { echo "\$ weir $*"; "$WEIR" "$@"; echo "exit $?"; }
try rnu
try --lake x
try stack --jason
try stack list a b
try stack lst
