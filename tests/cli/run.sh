# weir run: what it says, and what it refuses (exit codes 2 and 3).
try() { echo "\$ weir $*"; "$WEIR" "$@"; echo "exit $?"; }
# Numbers that differ from run to run.
steady() { sed -E 's/snapshot [0-9]+/snapshot N/; s/^(time +).*/\1T/; s/"(run_id|snapshot_id|metadata_location|seconds|peak_memory_bytes)":("[^"]*"|[0-9.e-]+)/"\1":X/g; s/,"versions".*/,…/'; }
cat >clicks.csv <<'CSV'
event_id,user_id,timestamp,page_url,referrer,device,ip_address,status
1,ann,2024-03-01T10:00:00Z,/a,,Desktop,8.8.8.8,200
2,ann,2024-03-01T10:10:00Z,/b,/a,Desktop,8.8.8.8,200
2,ann,2024-03-01T10:10:00Z,/b,/a,Desktop,8.8.8.8,200
3,ann,2024-03-01T11:00:00Z,,,Desktop,8.8.8.8,many
4,"bob, jr",2024-03-01T10:00:00Z,/a,,,,
5,,2024-03-01T10:00:00Z,/a,,,,
6,bob,yesterday,/a,,,,
7,bob
CSV
cat >p.yaml <<'YAML'
input:
  keep: [{name: status, type: long}]
output: {namespace: shop}
YAML
try run clicks.csv | steady
try run ./clicks.csv "$PWD"/clicks.csv 'cl*.csv' --pipeline p.yaml --lake there --threads 2 | steady
try run --json clicks.csv --run-id one --mode append | steady
try run --json clicks.csv --run-id one --mode append --stack native | steady
try run clicks.csv --run-id one | steady
mkdir empty parquet
touch parquet/x.parquet zero.csv
echo 'a,b' >other.csv
try run
try run missing.csv
try run empty
try run parquet
try run 'no*.csv'
try run /dev/null
try run s3://bucket/x.csv
try run clicks.csv --lake clicks.csv
mkfifo pipe
timeout 30 bash -c "cat clicks.csv >pipe" >/dev/null 2>&1 &
try run pipe --lake piped | steady
try run pipe --stack other
{ "$WEIR" run clicks.csv --run-id full --mode append >/dev/full; } 2>&1
(head -1 clicks.csv && head -c 17000000 /dev/zero | tr '\0' x) >long.csv
try run long.csv
try run zero.csv
try run other.csv
try run clicks.csv --mode replace
try run clicks.csv --thread 2
try run clicks.csv --threads none
try run clicks.csv --memory lots
try run clicks.csv --events rejects
try run clicks.csv --events a/b
try run clicks.csv --mmdb missing.mmdb
try run clicks.csv --mmdb clicks.csv
try run clicks.csv --pipeline missing.yaml
echo 'sessions: {gap: 5}' >bad.yaml
try run clicks.csv --pipeline bad.yaml
WEIR_PIPELINE=bad.yaml try run --print-pipeline
try run --print-pipeline --json --events clicks
try run --print-pipeline --pipeline p.yaml | grep -A1 -e keep: -e output:
try run clicks.csv --catalog mysql://db
try run clicks.csv --warehouse s3://bucket
try run clicks.csv --stack none
try run - </dev/null
printf 'event_id,user_id,timestamp,page_url,referrer,device,ip_address\n' | try run - | steady
