#!/usr/bin/env bash
# Create the topics of the telemetry pipeline with the settings that its promises need.
#
#   deploy/kafka/create-topics.sh BOOTSTRAP [PARTITIONS] [REPLICAS] [COMMAND_CONFIG]
#
# Uses Kafka's own kafka-topics.sh from the PATH (or $KAFKA_HOME/bin). Safe to repeat: a topic
# that exists is left as it is. COMMAND_CONFIG is the file for --command-config (TLS, SASL).
set -euo pipefail

servers=${1:?usage: create-topics.sh BOOTSTRAP [PARTITIONS] [REPLICAS] [COMMAND_CONFIG]}
partitions=${2:-8}
replicas=${3:-3}
tool=${KAFKA_HOME:+$KAFKA_HOME/bin/}kafka-topics.sh
config=(${4:+--command-config "$4"})
in_sync=$((replicas > 1 ? 2 : 1))

create() {
  local topic=$1 count=$2
  shift 2
  local settings=()
  for setting in "$@"; do settings+=(--config "$setting"); done
  "$tool" --bootstrap-server "$servers" "${config[@]}" --create --if-not-exists \
    --topic "$topic" --partitions "$count" --replication-factor "$replicas" \
    --config "min.insync.replicas=$in_sync" \
    --config unclean.leader.election.enable=false \
    --config message.timestamp.type=LogAppendTime "${settings[@]}"
}

# Raw events hold identifiers: a day and no longer, in segments of an hour, by the broker's clock.
raw=(cleanup.policy=delete retention.ms=86400000 segment.ms=3600000 max.message.bytes=1048576)
for event in api_request session feature_use error_log; do
  create "telemetry.$event" "$partitions" "${raw[@]}"
done

# Rights requests hold account ids: the same day.
create telemetry.privacy_requests 1 "${raw[@]}"

# The opt-out list: tokens only, the last standing of each, kept without limit.
create telemetry.optouts 1 cleanup.policy=compact retention.ms=-1 segment.ms=3600000 \
  min.cleanable.dirty.ratio=0.1 max.compaction.lag.ms=86400000 delete.retention.ms=86400000
