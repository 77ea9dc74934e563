# What the overlay calls `replace-me` (deploy/kubernetes/overlays/gcp, deploy/dataflow):
# `terraform output -raw lake_path`.

output "lake_path" {
  description = "[lake] path of telemetry.toml."
  value       = "gs://${google_storage_bucket.lake.name}/telemetry"
}

output "keys" {
  description = "[state] keys of telemetry.toml, where keys are in Secret Manager."
  value       = "gcp-sm:projects/${var.project}/secrets/telemetry"
}

output "kafka_username" {
  description = "[kafka] username of deploy/dataflow/telemetry.toml."
  value       = "gcp-sm:projects/${var.project}/secrets/telemetry-kafka-username/versions/latest"
}

output "kafka_password" {
  description = "[kafka] password of deploy/dataflow/telemetry.toml: where it is, not what it is."
  value       = "gcp-sm:projects/${var.project}/secrets/telemetry-kafka-password/versions/latest"
}

output "service_accounts" {
  description = "Annotation iam.gke.io/gcp-service-account of each account of service-account.yaml."
  value       = { for name, account in google_service_account.telemetry : "telemetry-${name}" => account.email }
}
