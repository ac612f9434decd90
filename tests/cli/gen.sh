# What weir gen refuses, and that it leaves nothing behind then.
try() { echo "\$ weir $*"; "$WEIR" "$@"; echo "exit $?"; }
unset WEIR_MMDB
try gen --rows 10
try gen --out d
try gen --rows 10 --size 1MB --out d
try gen --rows 0 --out d
try gen --rows 10 --dirt lots --out d
try gen --rows 10 --format orc --out d
try gen --rows 10 --robots 99 --out d
try gen --rows 10 --daily --files 2 --out d
try gen --rows 10 --out d d2
echo text >not.mmdb
try gen --rows 10 --mmdb not.mmdb --out d
try gen --rows 10 --mmdb missing.mmdb --out d
ls
