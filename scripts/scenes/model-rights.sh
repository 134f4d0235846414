#!/usr/bin/env bash
# A caller has the model do what the caller may not.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/scenes/common.sh

if [ "$1" = off ]; then
  # The mistake: the model's calls run with rights that aren't the caller's. Here: everybody has been
  # given one key that may do everything, the server's own.
  key="$(add_key everybody --scope '*')"
else
  key="$(add_key ada --scope tools:ollama:chat)"
fi
serve

# The built-in tutor stands in for a model that wants to call a tool.
ask='{"run_tools":true,"messages":[{"role":"user","content":"echo all that I know"}]}'
tell "ada calls echo:" "$(call "$key" echo '{"message":"all that I know"}')"
tell "ada has the model call echo:" "$(call "$key" ollama-chat "$ask")"
if [ "$1" = off ]; then ran=echo; else ran=ollama-chat; fi
recorded --outcome SUCCESS --tool "$ran"
