#!/usr/bin/env bash
# Grant the rights of docs/kafka.md: READ and DESCRIBE for the pipeline, and no CREATE for anybody.
#
#   deploy/kafka/create-acls.sh BOOTSTRAP PIPELINE_USER REQUESTS_USER [COMMAND_CONFIG]
set -euo pipefail

usage="usage: create-acls.sh BOOTSTRAP PIPELINE_USER REQUESTS_USER [COMMAND_CONFIG]"
servers=${1:?$usage}
pipeline=${2:?$usage}
requests=${3:?$usage}
tool=${KAFKA_HOME:+$KAFKA_HOME/bin/}kafka-acls.sh
config=(${4:+--command-config "$4"})

allow() {
  local user=$1
  shift
  "$tool" --bootstrap-server "$servers" "${config[@]}" --add --allow-principal "User:$user" "$@"
}

for event in api_request session feature_use error_log; do
  allow "$pipeline" --operation Read --operation Describe --topic "telemetry.$event"
done
allow "$pipeline" --operation Read --operation Describe --topic telemetry.optouts

allow "$requests" --operation Read --operation Describe --topic telemetry.privacy_requests
allow "$requests" --operation Read --operation Write --operation Describe --topic telemetry.optouts
allow "$requests" --operation Write --operation Describe --transactional-id telemetry-optout
