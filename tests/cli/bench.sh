# What is wrong is said before anything runs; every plan that comes with weir can be listed.
try() { "$WEIR" bench "$@"; echo "exit $?"; }
try
try --quick plan.yaml
try plan.yaml --resume
try missing.yaml
try --quick --runs 0
try --quick --input
try --qick
echo 'stacks: [native]
repetitions: many' >plan.yaml
try plan.yaml
echo 'stacks: [nobody]' >plan.yaml
try plan.yaml --out r.jsonl 2>&1 | sed 's/in .*stacks;/in STACKS;/'
ls
for plan in "$SRC"/bench/*.yaml; do
    "$WEIR" bench "$plan" --list | grep -c "^[0-9]* samples" || echo "$plan cannot be listed"
done
"$WEIR" doctor --json 2>/dev/null | grep -c '"name": "groups"'
