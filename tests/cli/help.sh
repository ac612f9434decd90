# Help and the version go to standard output and end with 0.
"$WEIR" --version
"$WEIR" | head -3
"$WEIR" --help >one && "$WEIR" help >two && "$WEIR" >three && cmp one two && cmp two three && echo same
for command in run gen table sql verify bench report compare doctor stack; do
    "$WEIR" $command --help | head -2
    echo "exit $?"
done
"$WEIR" run x --help | grep -- --gone
"$WEIR" --version --json | grep -o '"weir": "[0-9.]*"'
