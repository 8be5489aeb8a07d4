#!/bin/sh
# Asks, loses the connection, cancels one agent and comes back, with curl alone.
# Run: sh examples/curl/ask.sh "Should we move to a four-day week?" [agent to cancel]
#
# ORCHESTRATOR_SERVER and ORCHESTRATOR_TOKEN are the ones that the `orchestrator` command takes, too.
set -eu

server=${ORCHESTRATOR_SERVER:-http://127.0.0.1:8080}
question=${1:-Should we move to a four-day week?}
agent=${2:-skeptic}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# -N is what makes a stream live: without it curl gathers output before it shows any.
call() {
    curl -N --silent --show-error --fail ${ORCHESTRATOR_TOKEN:+--oauth2-bearer "$ORCHESTRATOR_TOKEN"} "$@"
}

# The question as a JSON string.
message=$(printf '%s' "$question" | tr '\n\r\t' '   ' | sed 's/[\\"]/\\&/g')

# The id that counts is that of the last *whole* event: an event ends with an empty line.
last_id() {
    awk '{ sub(/\r$/, "") } /^id: / { id = $2 } /^$/ { if (id != "") last = id } END { print last }' "$1"
}

echo "── ask; after 1.5 seconds the line goes dead, and the run goes on without us" >&2
call --max-time 1.5 --dump-header "$work/headers" "$server/v1/runs" \
    -H 'Accept: text/event-stream' -H 'Content-Type: application/json' \
    -d "{\"message\": \"$message\"}" | tee "$work/events" || true
run=$(sed -n 's/^[Rr]un-[Ii]d: *//p' "$work/headers" | tr -d '\r')
[ -n "$run" ] || { echo "No run was started at $server." >&2; exit 1; }

echo "── cancel $agent; the others are not disturbed" >&2
call --output /dev/null -X POST "$server/v1/runs/$run/agents/$agent/cancel"

last=$(last_id "$work/events")
echo "── come back with Last-Event-ID: $last; nothing is missing, nothing comes twice" >&2
# An empty header would be left out by curl, which is right: without an id the stream begins at the start.
call "$server/v1/runs/$run/events" -H "Last-Event-ID: $last" | tee "$work/events"

last=$(last_id "$work/events")
echo "── come back once more; 204 says that nothing will follow" >&2
call --write-out '%{http_code}\n' "$server/v1/runs/$run/events" -H "Last-Event-ID: $last" >&2
