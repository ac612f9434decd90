# weir verify: what it prints, its errors, its exit codes. Differences: tests/e2e/test_verify.py.
try() { echo "\$ weir $*"; "$WEIR" "$@"; echo "exit $?"; }
try verify --help
try verify
try verify events
try verify --rejects a b
try verify --rejects=a b c
try verify --rejects a --json b c
try verify --memory lots a b
try verify events events --frobnicate
ls "$SRC"/.venv/lib/python3*/site-packages/duckdb_cli/duckdb >/dev/null || exit
try verify events other.events
cat >clicks.csv <<'CSV'
event_id,user_id,timestamp,page_url,referrer,device,ip_address
1,ann,2024-03-01T10:00:00Z,/a,,Desktop,
2,ann,2024-03-01T10:10:00Z,/b,/a,Desktop,
3,bob,2024-03-01T11:00:00Z,,,Desktop,
4,,2024-03-01T10:00:00Z,/a,,,
CSV
sed 's/10:10:00Z/10:10:00.000001Z/' clicks.csv >moved.csv
head -3 clicks.csv >short.csv
"$WEIR" run clicks.csv --run-id one >/dev/null || exit
"$WEIR" run clicks.csv --run-id two --namespace same >/dev/null || exit
"$WEIR" run moved.csv --run-id three --namespace moved >/dev/null || exit
"$WEIR" run short.csv --run-id four --namespace short >/dev/null || exit
try verify events same.events
try verify events moved.events
try verify events short.events
try verify short.events events --rejects rejects rejects
try verify events events@seven
WEIR_DUCKDB=/nonexistent try verify events events
