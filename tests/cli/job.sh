# The stack contract from both sides: stacks/native/run on a JOB.json, and weir run --stack on other folders.
try() { echo "\$ ${*##*/}"; "$@"; echo "exit $?"; }
export WEIR_BIN=$WEIR
native=$SRC/stacks/native/run
mmdb=${WEIR_MMDB:-$SRC/.cache/country.mmdb}
cat >clicks.csv <<'CSV'
event_id;user_id;timestamp;page_url;referrer;device;ip_address
1;ann;2024-03-01T10:00:00Z;/a;;Desktop;8.8.8.8
2;ann;2024-03-01T10:00:10Z;/b;/a;Desktop;8.8.8.8
3;bob;never;/b;/a;Desktop;8.8.8.8
CSV
cat >job.json <<JSON
{"run_id": "job-1", "mode": "overwrite", "inputs": ["$PWD/clicks.csv"],
 "pipeline": {"input": {"csv": {"delimiter": ";"}}, "sessions": {"gap_seconds": 5}}, "mmdb": "$mmdb",
 "catalog": {"name": "weir", "uri": "sqlite:///$PWD/lake/catalog.db", "warehouse": "file://$PWD/lake/warehouse"},
 "namespace": "web", "events": "clicks", "rejects": "bad_clicks",
 "resources": {"cpus": 1.5, "memory_bytes": 1073741824}, "something_newer": true,
 "tmp_dir": "$PWD", "events_file": "$PWD/events.jsonl", "result_file": "$PWD/result.json"}
JSON
try "$native" job.json
python3 - <<'PY'
import json

events = [json.loads(line) for line in open("events.jsonl")]
times = [e["t_ns"] for e in events]
print([e["event"] for e in events], times == sorted(times))
result = json.load(open("result.json"))
for key in ("run_id", "stack", "rows_in", "rows_out", "rejected", "sessions", "users"):
    print(key, result[key])
print(sorted(result["tables"]["events"]), result["seen"]["threads"], result["seen"]["memory_bytes"] <= 1 << 30)
PY
echo "# wrong jobs"
bad() { sed "$1" job.json >bad.json && try "$native" bad.json; }
bad 's/"run_id": "job-1", //'
bad 's/"overwrite"/"replace"/'
bad 's/"inputs": \[[^]]*\]/"inputs": []/'
bad 's/gap_seconds/gap/'
bad 's/"cpus": 1.5/"cpus": "two"/'
bad 's|sqlite:///|mysql://|'
bad 's/"mode"/mode/'
try "$native" missing.json

echo "# other stacks"
export WEIR_STACKS=$PWD/stacks
mkdir -p stacks/copy stacks/fails stacks/lies stacks/hangs
cp "$SRC/stacks/native/run" stacks/copy/run
echo 'name: copy' >stacks/copy/stack.yaml
for s in fails lies hangs; do echo "name: $s" >stacks/$s/stack.yaml; done
printf '#!/bin/sh\necho "no such thing" >&2\nexit 3\n' >stacks/fails/run
printf '#!/bin/sh\nexit 0\n' >stacks/lies/run
printf '#!/bin/sh\ntouch "%s/started"\nsleep 60\n' "$PWD" >stacks/hangs/run
chmod +x stacks/*/run
echo 'input: {csv: {delimiter: ";"}}' >p.yaml
try "$WEIR" run clicks.csv --stack copy --pipeline p.yaml | sed -E 's/snapshot [0-9]+/snapshot N/; s/^(time +).*/\1T/'
try "$WEIR" run clicks.csv --stack fails
try "$WEIR" run clicks.csv --stack lies
try "$WEIR" run clicks.csv --stack lies </dev/null --json
try "$WEIR" run - --stack copy
echo "# where S3 is, as stacks are told"
mkdir stacks/remote
printf 'name: remote\nfeatures: [csv, s3]\n' >stacks/remote/stack.yaml
cat >stacks/remote/run <<'SH'
#!/bin/sh
sed -n '/"s3": {/,/}/p' "$1"
exit 3
SH
chmod +x stacks/remote/run
told() {
    echo "with $*"
    env -u AWS_DEFAULT_REGION -u AWS_REGION -u AWS_ENDPOINT_URL -u WEIR_S3_ENDPOINT "$@" "$WEIR" run clicks.csv --stack remote
}
told A=local
told WEIR_WAREHOUSE=s3://lake/w
told WEIR_WAREHOUSE=s3://lake/w WEIR_S3_ENDPOINT=http://127.0.0.1:1 AWS_REGION=eu-central-1
told WEIR_WAREHOUSE=s3://lake/w AWS_ENDPOINT_URL=http://127.0.0.1:2 WEIR_S3_STYLE=virtual
told WEIR_WAREHOUSE=s3://lake/w WEIR_S3_STYLE=neither
echo "# told to stop, in the middle and when all is committed"
mkdir stacks/late
echo 'name: late' >stacks/late/stack.yaml
cat >stacks/late/run <<SH
#!/bin/sh
trap 'exit 0' TERM
"$SRC/stacks/native/run" "\$1"
touch "$PWD/late"
exec 2>/dev/null # what the shell says of a sleep that is ended
while :; do sleep 0.05; done
SH
chmod +x stacks/late/run
"$WEIR" run clicks.csv --stack late --pipeline p.yaml --json >late.json &
while [ ! -e late ]; do sleep 0.05; done
kill -TERM $!
wait $!
echo "exit $?: $(grep -o '"rows_out": *[0-9]*' late.json)"
"$WEIR" run clicks.csv --stack hangs &
while [ ! -e started ]; do sleep 0.05; done
kill -TERM $!
wait $!
echo "exit $?"
find . -name "weir-job*"
