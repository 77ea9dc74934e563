# Topics and rights of the brokers: what deploy/kafka/create-topics.sh and create-acls.sh make, for
# those who keep them in Terraform. Use one or the other; a test holds them to be the same.

terraform {
  required_version = ">= 1.6"
  required_providers {
    kafka = {
      source  = "Mongey/kafka"
      version = "~> 0.12"
    }
  }
}

# Users and passwords come from the provider's own environment variables, never from a file here.
provider "kafka" {
  bootstrap_servers = var.servers
  tls_enabled       = true
}

locals {
  # Raw events and rights requests hold identifiers: a day and no longer, by the broker's clock.
  raw = ["api_request", "session", "feature_use", "error_log", "privacy_requests"]

  always = {
    "min.insync.replicas"            = var.replicas > 1 ? "2" : "1"
    "unclean.leader.election.enable" = "false"
    "message.timestamp.type"         = "LogAppendTime"
  }

  rights = [
    { user = "pipeline", type = "Topic", name = "telemetry.api_request", operations = ["Read", "Describe"] },
    { user = "pipeline", type = "Topic", name = "telemetry.session", operations = ["Read", "Describe"] },
    { user = "pipeline", type = "Topic", name = "telemetry.feature_use", operations = ["Read", "Describe"] },
    { user = "pipeline", type = "Topic", name = "telemetry.error_log", operations = ["Read", "Describe"] },
    { user = "pipeline", type = "Topic", name = "telemetry.optouts", operations = ["Read", "Describe"] },
    { user = "requests", type = "Topic", name = "telemetry.privacy_requests", operations = ["Read", "Describe"] },
    { user = "requests", type = "Topic", name = "telemetry.optouts", operations = ["Read", "Write", "Describe"] },
    { user = "requests", type = "TransactionalID", name = "telemetry-optout", operations = ["Write", "Describe"] },
  ]

  principals = {
    pipeline = "User:${var.pipeline_user}"
    requests = "User:${var.requests_user}"
  }
}

resource "kafka_topic" "raw" {
  for_each           = toset(local.raw)
  name               = "telemetry.${each.key}"
  partitions         = each.key == "privacy_requests" ? 1 : var.partitions
  replication_factor = var.replicas

  config = merge(local.always, {
    "cleanup.policy"    = "delete"
    "retention.ms"      = "86400000"
    "segment.ms"        = "3600000"
    "max.message.bytes" = "1048576"
  })
}

# The opt-out list: tokens only, the last standing of each, kept without limit.
resource "kafka_topic" "optouts" {
  name               = "telemetry.optouts"
  partitions         = 1
  replication_factor = var.replicas

  config = merge(local.always, {
    "cleanup.policy"            = "compact"
    "retention.ms"              = "-1"
    "segment.ms"                = "3600000"
    "min.cleanable.dirty.ratio" = "0.1"
    "max.compaction.lag.ms"     = "86400000"
    "delete.retention.ms"       = "86400000"
  })

  lifecycle {
    prevent_destroy = true
  }
}

resource "kafka_acl" "allowed" {
  for_each = {
    for one in flatten([
      for right in local.rights : [for operation in right.operations : merge(right, { operation = operation })]
    ]) : "${one.user} ${one.operation} ${one.type} ${one.name}" => one
  }
  resource_type                = each.value.type
  resource_name                = each.value.name
  resource_pattern_type_filter = "Literal"
  acl_principal                = local.principals[each.value.user]
  acl_host                     = "*"
  acl_operation                = each.value.operation
  acl_permission_type          = "Allow"
}
