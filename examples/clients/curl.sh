#!/bin/sh
# The service with nothing but curl: a chat, a stream of every branch's steps, and the scores of a given text.
#
#     sh examples/clients/curl.sh [ADDRESS]
#
# A service must run there, by default at http://127.0.0.1:8000 (`reflectgen serve`).
set -eu
address=${1:-http://127.0.0.1:8000}
question="Leo has 8 cards. On Monday, Leo buys 6 pairs. How many cards is that?"

post() {
  curl --fail --silent --show-error --no-buffer --header "Content-Type: application/json" --data "$2" "$address$1"
}

post /v1/chat/completions '{
  "model": "tiny", "reasoning_effort": "low", "messages": [{"role": "user", "content": "'"$question"'"}]
}'
echo
post /v1/chat/completions '{
  "model": "tiny", "stream": true, "reflectgen": {"k": 2, "stream_steps": true},
  "messages": [{"role": "user", "content": "'"$question"'"}]
}'
post /v1/score '{"model": "tiny", "prompt": "'"$question"'", "completion": "6 pairs are 12 cards.\n\n8 + 12 = 20.\n\n"}'
echo
