# What pods and workers log on to the brokers with: one pair for the pipeline, which only reads, and
# one for the requests, which write the opt-out list. Their values are put in by hand.

locals {
  kafka_secrets = {
    kafka-username          = "pipeline"
    kafka-password          = "pipeline"
    kafka-requests-username = "eraser"
    kafka-requests-password = "eraser"
  }
}

resource "google_secret_manager_secret" "kafka" {
  for_each  = local.kafka_secrets
  secret_id = "telemetry-${each.key}"

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }
}

resource "google_secret_manager_secret_iam_member" "kafka" {
  for_each  = local.kafka_secrets
  secret_id = google_secret_manager_secret.kafka[each.key].id
  role      = "roles/secretmanager.secretAccessor"
  member    = "serviceAccount:${google_service_account.telemetry[each.value].email}"
}
