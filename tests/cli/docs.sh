# What the documents say is so: docs/pipeline.md shows the defaults, every command is in the README.
sed -n '/^```yaml/,/^```/p' "$SRC/docs/pipeline.md" | sed '/^```/d' >documented.yaml
"$WEIR" run --print-pipeline --pipeline documented.yaml >documented.out || exit
"$WEIR" run --print-pipeline >default.out
diff default.out documented.out
for command in $("$WEIR" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
    grep -q "^| .weir $command" "$SRC/README.md" && echo "README: $command"
    "$WEIR" "$command" --help | sed -n '/^Examples:/,/^$/p' | grep -c "^  .*weir $command" | sed 's/[1-9][0-9]*/examples/'
done
for file in $(grep -o '([A-Za-z0-9_/.]*\.md)' "$SRC/README.md" | tr -d '()' | sort -u); do
    [ -e "$SRC/$file" ] || echo "README links to $file, which is not there"
done
"$WEIR" --help >/dev/full
echo "exit $?"
