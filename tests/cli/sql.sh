# weir sql: tables by name, sessions, formats, exit codes.
try() { echo "\$ weir $*"; "$WEIR" "$@"; echo "exit $?"; }
ls "$SRC"/.venv/lib/python3*/site-packages/duckdb_cli/duckdb >/dev/null || exit
cat >clicks.csv <<'CSV'
event_id,user_id,timestamp,page_url,referrer,device,ip_address
1,ann,2024-03-01T10:00:00Z,/a,,Desktop,8.8.8.8
2,ann,2024-03-01T10:10:00Z,/b,/a,Desktop,8.8.8.8
3,ann,2024-03-01T11:00:00Z,,,Desktop,8.8.8.8
4,"bob, jr",2024-03-01T10:00:00Z,/a,,,
5,,2024-03-01T10:00:00Z,/a,,,
CSV
try sql "select 1"
"$WEIR" run clicks.csv >/dev/null || exit
"$WEIR" run clicks.csv --namespace shop --events clicks --rejects bad >/dev/null || exit
try sql --json "select user_id, start, \"end\", duration, events, entry_page, exit_page, device from sessions order by 1, 2"
try sql --csv "select event_id, user_id, ip_address from web.events order by event_id"
try sql "select reason, event_id from rejects"
try sql --namespace shop --json "select count(*) as n from clicks_sessions"
try sql --json "select count(*) as n from shop.bad where false"
try sql --namespace none "select 1"
try sql "select nothing from events"
try sql --json --csv "select 1"
try sql "select 1" "select 2"
echo "select count(*) as n from events" | try sql --csv
WEIR_DUCKDB=/nonexistent try sql "select 1"
rm lake/warehouse/shop/clicks/metadata/*.metadata.json
"$WEIR" sql --csv "select count(*) as n from events" 2>&1 | sed 's/[0-9a-f]*-[0-9a-f-]\{36\}\.meta/FILE.meta/'
